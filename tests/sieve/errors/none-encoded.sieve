require ["fileinto"];
fileinto "${unicode:D800}";
