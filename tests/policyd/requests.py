"""Policy requests as Postfix 3.7 sends them, for the tests of this folder."""

from __future__ import annotations

# In the order of src/smtpd/smtpd_check.c; recorded from Postfix 3.7.11 at RCPT, submission with SASL.
POSTFIX_37: dict[str, str] = {
    "request": "smtpd_access_policy",
    "protocol_state": "RCPT",
    "protocol_name": "ESMTP",
    "client_address": "192.0.2.7",
    "client_name": "client.example.net",
    "client_port": "40312",
    "reverse_client_name": "client.example.net",
    "server_address": "198.51.100.1",
    "server_port": "587",
    "helo_name": "client.example.net",
    "sender": "alice@example.org",
    "recipient": "bob@example.com",
    "recipient_count": "0",
    "queue_id": "",
    "instance": "1a2b.65f0c0de.3e8.0",
    "size": "2048",
    "etrn_domain": "",
    "stress": "",
    "sasl_method": "PLAIN",
    "sasl_username": "alice@example.org",
    "sasl_sender": "",
    "ccert_subject": "",
    "ccert_issuer": "",
    "ccert_fingerprint": "",
    "ccert_pubkey_fingerprint": "",
    "encryption_protocol": "TLSv1.3",
    "encryption_cipher": "TLS_AES_256_GCM_SHA384",
    "encryption_keysize": "256",
    "policy_context": "",
    "compatibility_level": "3.6",
    "mail_version": "3.7.11",
}


def attributes(**changes: str) -> dict[str, str]:
    """One request of Postfix 3.7 with *changes*."""
    return POSTFIX_37 | changes


def wire(names_and_values: dict[str, str]) -> bytes:
    """The bytes that Postfix sends for them."""
    lines = [f"{name}={value}\n" for name, value in names_and_values.items()]
    return "".join(lines).encode("utf-8", "surrogateescape") + b"\n"
