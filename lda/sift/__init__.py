"""sift - applies a script to messages that are stored already: the part of `tamis sieve apply` that knows the engine.

    fate.py     what a plan means for a stored message
    mailbox.py  what a mailbox must be able to do; maildir.py and imap.py are the two kinds
    sift.py     the loop over all messages;  tally.py  what came out of it

A message is in its new mailbox, durably, before it leaves the old one. Nothing is ever sent.
"""
