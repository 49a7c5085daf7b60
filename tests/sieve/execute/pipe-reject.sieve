require ["vnd.dovecot.pipe", "copy", "variables", "reject", "encoded-character"]; pipe :copy "nothing"; reject "no";
