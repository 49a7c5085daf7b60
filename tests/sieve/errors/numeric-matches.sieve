require "comparator-i;ascii-numeric";
if header :comparator "i;ascii-numeric" :matches "x" "1*" { discard; }
