if address :is "Subject" "x" { discard; }
