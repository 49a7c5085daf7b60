if false { frobnicate; }
if true { keep; } else { fileinto "x"; }
