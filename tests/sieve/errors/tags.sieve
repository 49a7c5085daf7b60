if header :nonsense "x" "y" { discard; }
if header :is :is "x" "y" { discard; }
if header :is :contains "x" "y" { discard; }
if size 3 { discard; }
