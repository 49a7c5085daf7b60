"""client - tamis-lda: what pipe(8), local(8) and other MTAs run, once a message."""
