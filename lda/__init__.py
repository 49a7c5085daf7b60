"""lda - the delivery agent: users, Sieve, Maildir, behind pipe(8), local(8) and LMTP."""
