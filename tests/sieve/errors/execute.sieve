require ["vnd.dovecot.execute", "variables", "encoded-character", "fileinto", "vnd.dovecot.environment", "copy"];
execute;
execute 1;
execute ["a"];
execute "a" 1;
execute "a" "b" "c";
execute :input 1 "a";
execute :input ["a", "b"] "a";
execute :pipe :pipe "a";
execute :try "a";
if execute { keep; }
