require ["include", "variables"];
set "v" "x";
global "v";
