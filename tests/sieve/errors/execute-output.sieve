require ["vnd.dovecot.execute", "variables", "encoded-character", "fileinto", "vnd.dovecot.environment", "copy"];
execute :output "1" "a";
execute :output "a-b" "a";
execute :output "nosuch.a" "a";
execute :output "env.a" "a";
execute :output "${a}" "a";
if execute :output "0" "a" { keep; }
