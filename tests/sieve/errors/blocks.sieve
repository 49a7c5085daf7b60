keep { frop; }
if true;
if frop { friep; }
else "a" { keep; }
elsif true { keep; }
