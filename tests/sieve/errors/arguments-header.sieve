if header { keep; }
if header "a" { keep; }
if header "a" "b" "c" { keep; }
if header 1 "b" { keep; }
if header "a" 2 { keep; }
if header "a" :is "b" { keep; }
if header :nonsense "a" "b" { keep; }
if header :nonsense "a" "c" { keep; }
if header "a" "b" true { keep; }
