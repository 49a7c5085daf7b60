require ["vnd.dovecot.pipe", "copy", "variables", "reject", "encoded-character"]; set "x" "a${hex:0a}b"; pipe "nothing" "${x}";
