frobnicate;
fileinto "x";
fileinto "y";
frobnicate "again";
