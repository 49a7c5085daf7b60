if address 1 "b" { keep; }
if address "from" 2 { keep; }
if address :localpart :domain "from" "b" { keep; }
if address ["from", "subject"] "b" { keep; }
if address "from" "b" (true) { keep; }
