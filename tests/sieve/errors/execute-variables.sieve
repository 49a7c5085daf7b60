require "vnd.dovecot.execute"; execute :output "a" "b"; if execute :output "a" "b" { keep; }
