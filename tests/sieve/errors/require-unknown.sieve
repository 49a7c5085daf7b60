require ["nonsense", "fileinto", "more-nonsense"];
fileinto "x";
