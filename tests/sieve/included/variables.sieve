require ["include", "variables"];
global "told";
if string "${own}" "" { set "told" "${told}-inside"; }
set "own" "yours";
