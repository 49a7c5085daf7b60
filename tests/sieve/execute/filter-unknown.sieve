require ["vnd.dovecot.filter", "copy", "variables", "encoded-character", "fileinto"]; filter "nosuch";
