require ["vnd.dovecot.execute", "variables", "encoded-character", "fileinto", "vnd.dovecot.environment", "copy"]; execute :input "a" :pipe "b"; if execute :pipe :input "a" "b" { keep; }
