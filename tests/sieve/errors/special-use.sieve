require ["special-use", "fileinto"];
if specialuse_exists "Junk" { discard; }
fileinto :specialuse "a b" "x";
