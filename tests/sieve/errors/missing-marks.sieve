require ["fileinto", "vacation"];
keep
discard;
if header contains "a" "b" { keep; }
fileinto "x"
stop;
vacation days 3 "x";
