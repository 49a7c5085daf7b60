require ["vnd.dovecot.report", "variables", "encoded-character"];
report;
report "abuse" "m";
report "abuse" "m" "a@example.org" "b";
report ["abuse"] "m" "a@example.org";
report "abuse" 1 "a@example.org";
report "a b" "m" "a@example.org";
report "a${hex:22}b" "m" "a@example.org";
report "abuse" "m" "nobody";
report "abuse" "m" "";
report :headers_only :headers_only "abuse" "m" "a@example.org";
report :nonsense "abuse" "m" "a@example.org";
if report "abuse" "m" "a@example.org" { keep; }
