if header 3 "x" { discard; }
if size :over "x" { discard; }
if header "x" { discard; }
redirect ["a@b.example"];
