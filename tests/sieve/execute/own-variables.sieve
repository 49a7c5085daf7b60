require "variables";
if string "${mine}" "" { set "mine" "inside"; discard; }
