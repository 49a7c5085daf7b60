require "index";
if header :last "x" "y" { discard; }
