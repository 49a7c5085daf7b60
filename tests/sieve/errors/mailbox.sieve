if mailboxexists "x" { discard; }
