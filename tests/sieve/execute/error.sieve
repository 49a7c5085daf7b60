require ["fileinto", "ihave"];
redirect "one@example.com";
fileinto "Error";
error "this is the error";
