require ["vnd.dovecot.report", "variables", "encoded-character"]; set "x" "a b"; report "abuse" "m" "${x}";
