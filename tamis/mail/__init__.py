"""mail - messages, header fields, addresses, Authentication-Results: bytes in, facts out, no I/O."""
