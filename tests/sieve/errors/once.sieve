frop;
if frop { keep; }
frop "again";
if friep { frop; }
if header :frop "a" "b" { keep; }
if header :frop "a" "b" { keep; }
if address :frop "to" "b" { keep; }
