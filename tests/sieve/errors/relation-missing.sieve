require "relational";
if header :value "x" "1" { discard; }
