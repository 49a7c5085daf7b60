require "variables";
set "a b" "x";
set "1a" "x";
set "" "x";
