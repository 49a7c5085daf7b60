require "fileinto";
fileinto "Other";
