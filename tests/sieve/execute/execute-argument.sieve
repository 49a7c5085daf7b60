require ["vnd.dovecot.execute", "variables", "encoded-character", "fileinto", "vnd.dovecot.environment", "copy"]; set "x" "a${hex:00}b"; execute "say" ["a", "${x}"];
