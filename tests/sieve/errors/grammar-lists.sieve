if header ["a", 3] "b" { keep; }
if header [] "b" { keep; }
if header ["a",] "b" { keep; }
