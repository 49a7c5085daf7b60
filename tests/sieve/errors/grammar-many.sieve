keep
discard }
if header "a" ["b" "c"] { keep; }
redirect (true;
keep [ , ;
stop
