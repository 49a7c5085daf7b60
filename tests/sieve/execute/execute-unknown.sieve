require ["vnd.dovecot.execute", "variables", "encoded-character", "fileinto", "vnd.dovecot.environment", "copy"]; keep; execute "nosuch";
