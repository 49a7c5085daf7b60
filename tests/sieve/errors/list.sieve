if header :is ["a", ] "x" { discard; }
if header :is ["a" "b"] "x" { discard; }
