require ["vnd.dovecot.pipe", "copy", "variables", "reject", "encoded-character"]; reject "no"; pipe :copy "nothing";
