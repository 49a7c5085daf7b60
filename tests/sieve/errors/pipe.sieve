require ["vnd.dovecot.pipe", "copy", "variables", "reject", "encoded-character"];
pipe;
pipe 1;
pipe ["a"];
pipe "a" 1;
pipe "a" "b" "c";
pipe :try :try "a";
pipe :nonsense "a";
if pipe "a" { keep; }
