require ["reject", "fileinto"];
fileinto "INBOX";
reject "x";
