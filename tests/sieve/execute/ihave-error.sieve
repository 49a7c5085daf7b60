require ["ihave", "variables"];
set "what" "cheese";
if not ihave "nonsense-extension" { error "out of ${what}"; }
keep;
