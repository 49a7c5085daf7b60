require ["vnd.dovecot.filter", "copy", "variables", "encoded-character", "fileinto"];
filter;
filter 1;
filter ["a"];
filter "a" 1;
filter "a" "b" "c";
filter :try "a";
filter :copy "a";
if filter { keep; }
filter "a" "b${hex:0a}";
