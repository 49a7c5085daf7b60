"""rules - what an admin's rules look at in a message and what they say: conditions, actions, scores, tags and fields.

The words are those of `policyd.rules` where both know a thing.
"""
