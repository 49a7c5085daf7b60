require "comparator-i;ascii-numeric";
if header :comparator "i;ascii-numeric" :contains "x" "1" { discard; }
