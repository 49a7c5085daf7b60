if false { frop; }
if true { keep; } elsif frop { friep; } else { fruup; }
if anyof (true, frop) { keep; } else { fruup; }
if allof (false, frop) { fruup; }
if not true { fruup; }
