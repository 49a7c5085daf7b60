require ["vnd.dovecot.pipe", "copy", "variables", "reject", "encoded-character"]; pipe :copy :try "a"; pipe :try :copy "b" ["c"];
