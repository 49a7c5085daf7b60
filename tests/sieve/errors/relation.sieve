require "relational";
if header :value "nonsense" "x" "1" { discard; }
