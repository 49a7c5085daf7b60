else { keep; }
if true { keep; }
keep;
elsif true { keep; }
if false { } else { keep; } else { keep; }
