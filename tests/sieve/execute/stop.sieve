require "fileinto";
fileinto "Folder";
if true { stop; }
discard;
fileinto "Other";
