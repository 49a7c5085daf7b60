require ["vnd.dovecot.pipe", "copy", "variables", "reject", "encoded-character"]; pipe :copy "nothing" "a"; pipe "nothing" "b";
