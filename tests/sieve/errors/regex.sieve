require "regex";
if header :regex "x" "(" { discard; }
if header :regex "x" "[a" { discard; }
