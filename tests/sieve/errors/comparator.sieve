if header :comparator "i;nonsense" "x" "1" { discard; }
