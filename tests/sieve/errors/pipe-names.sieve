require ["vnd.dovecot.pipe", "copy", "variables", "reject", "encoded-character"];
pipe "a/b";
pipe "/bin/sh";
pipe "";
pipe "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
pipe "a${hex:01}b";
pipe "a${hex:7f}b";
pipe "a${unicode:2028}b";
pipe "a${x}";
