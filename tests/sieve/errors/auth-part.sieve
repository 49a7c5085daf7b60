require "envelope";
if envelope :domain "auth" "x" { keep; }
if envelope "auth" "x" { keep; }
