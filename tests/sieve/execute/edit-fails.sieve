require ["editheader", "fileinto"];
addheader "X-Edit" "1";
fileinto "There.Is.No.Such.Mailbox";
