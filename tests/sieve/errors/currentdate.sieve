require "date";
if currentdate :originalzone "year" "2000" { discard; }
