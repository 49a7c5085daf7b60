require ["variables"];
if string :matches "xyz" "x*" { set "x" "${1}"; }
