require ["vnd.dovecot.filter", "copy", "variables", "encoded-character", "fileinto"]; set "x" "a${hex:0d}b"; if filter "letter" "${x}" { keep; }
