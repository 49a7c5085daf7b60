require ["vnd.dovecot.report", "variables", "encoded-character"]; set "x" "a b"; report "${x}" "m" "a@example.org";
