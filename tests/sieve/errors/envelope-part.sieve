require "envelope";
if envelope "nonsense" "x" { discard; }
