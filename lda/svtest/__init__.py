"""svtest - runs `.svtest` files: the host of `lda.sieve.testsuite`, with mailboxes, outbox and settings of its own.

Nothing leaves this process: mailboxes are in memory, what is sent is looked at. Only the scripts, dictionaries and
programs that a test file names are read or run.
"""
