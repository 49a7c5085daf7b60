"""handoff - how tamis-lda gives a message to the resident engine."""
