"""lmtp - mail from lmtp(8): RFC 2033."""
