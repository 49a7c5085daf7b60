require ["include", "fileinto"];
fileinto "Outside";
include "files";
