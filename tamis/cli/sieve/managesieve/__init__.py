"""managesieve - the scripts on a server (RFC 5804), through sievelib's client with ears of our own.

`account` says which server and who asks, `session` talks, `protocol` reads replies, `findings` turns what a server
says about a script into findings with lines, `trouble` is every failure with what to do next.
"""
