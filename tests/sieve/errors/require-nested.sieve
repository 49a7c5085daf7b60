require "fileinto";
if true { require "copy"; }
keep;
require "envelope";
require "reject";
