require ["envelope", "envelope-dsn", "redirect-dsn"];

redirect :notify "NEVER,DELAY" "a@example.org";
redirect :notify "SUCCESS, DELAY" "a@example.org";
redirect :ret "SOME" "a@example.org";
redirect :notify ["SUCCESS"] "a@example.org";
if envelope :domain "orcpt" "example.org" { stop; }
if envelope "bymode" "R" { stop; }
