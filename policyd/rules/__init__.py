"""rules - what an admin's rules look at and what they say: conditions, actions, scores and tags."""
