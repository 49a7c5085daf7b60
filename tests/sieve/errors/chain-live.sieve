if true { keep; } elsif { frop; }
if true { keep; } else true { friep; }
if false { keep; } else { fruup; }
