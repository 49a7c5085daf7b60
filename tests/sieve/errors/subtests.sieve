if not { keep; }
if allof true { keep; }
if true (false) { keep; }
if { keep; }
