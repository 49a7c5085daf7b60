"""auth - evaluators of SPF and its kin: bytes and DNS answers in, facts out, never verdicts."""
