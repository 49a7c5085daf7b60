"""conditions - what the conditions of rules have in common, whatever they look at: words of an admin to predicates.

`policyd.rules` asks them of policy requests, `milters.rules` of whole messages.
"""
