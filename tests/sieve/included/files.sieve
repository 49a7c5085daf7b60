require "fileinto";
fileinto "Inside";
