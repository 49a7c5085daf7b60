require ["vnd.dovecot.execute", "variables", "encoded-character", "fileinto", "vnd.dovecot.environment", "copy"]; execute "killed";
