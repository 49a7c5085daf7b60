"""letters - the messages of the story, as bytes with CRLF ends; and whether one came back as it was sent."""

from __future__ import annotations

import base64
from collections.abc import Sequence

ALICE = "alice@example.org"
BOB = "bob@example.org"
CAROL = "carol@outside.example"
LIST = "bounces@news.outside.example"
CROOK = "service@bank.example"


def letter(sender: str, recipient: str, subject: str, body: bytes, *fields: str) -> bytes:
    """A message with the usual fields, *fields* above them. *body* has LF ends."""
    head = [
        *fields,
        f"From: {sender}",
        f"To: {recipient}",
        f"Subject: {subject}",
        "Date: Mon, 24 Nov 2025 09:00:00 +0100",
        f"Message-ID: <{subject.lower().replace(' ', '-')}@{sender.rpartition('@')[2]}>",
        "MIME-Version: 1.0",
    ]
    if not any(field.startswith("Content-Type:") for field in fields):
        head += ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"]
    return "\r\n".join([*head, "", ""]).encode() + body.replace(b"\n", b"\r\n")


def with_attachment() -> bytes:
    """8-bit text, lines that begin with dots, and a picture."""
    picture = base64.encodebytes(bytes(range(256)) * 8)
    text = "Grüße aus Köln!\n\n.\n..\n.hidden\nFrom here on there is a picture.\n".encode()
    body = (
        b"--frontier\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n" + text
        + b"\n--frontier\nContent-Type: image/png; name=bridge.png\nContent-Transfer-Encoding: base64\n"
        + b"Content-Disposition: attachment; filename=bridge.png\n\n" + picture + b"--frontier--\n"
    )  # fmt: skip
    return letter(CAROL, ALICE, "A picture", body, 'Content-Type: multipart/mixed; boundary="frontier"')


def newsletter() -> bytes:
    """What the user's Sieve script files."""
    return letter(
        LIST, ALICE, "News of the week", b"Nothing happened.\n", "List-Id: Weekly news <news.outside.example>"
    )


FORGED = "Authentication-Results: mx.example.org; spf=pass smtp.mailfrom=bank.example; dkim=pass header.d=bank.example"
FOREIGN = "Authentication-Results: relay.elsewhere.example; spf=none"


def forged() -> bytes:
    """It says that we have found it genuine; and it has the word of another host, which is none of our business."""
    return letter(CROOK, ALICE, "Your account", b"Please tell us your password.\n", FORGED, FOREIGN)


def from_bob(number: int) -> bytes:
    """A letter of one user to another."""
    return letter(BOB, ALICE, f"Letter {number}", b"See you at lunch.\n")


SCRIPT = """\
require ["fileinto"];
if header :contains "List-Id" "news.outside.example" {
    fileinto "Newsletters";
}
"""


def added(sent: bytes, seen: bytes) -> list[bytes] | None:
    """The header lines that stand above *sent* in *seen*; None unless all the rest is *sent*, byte for byte."""
    if not seen.endswith(sent):
        return None
    return seen[: len(seen) - len(sent)].splitlines()


def find(sent: bytes, inbox: Sequence[bytes]) -> bytes | None:
    """The message of *inbox* that is *sent* with lines on top."""
    return next((seen for seen in inbox if added(sent, seen) is not None), None)
