require ["include", "fileinto"];
include "stops";
fileinto "Outside";
