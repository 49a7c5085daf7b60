"""quota - how much mail a user may have. `rules` and `maildirsize` are pure, `usage` and `keeper` touch files."""
