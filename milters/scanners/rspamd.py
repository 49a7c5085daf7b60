"""rspamd - the protocol of rspamd: HTTP, with the envelope in fields and the opinion in JSON. Pure.

HTTP/1.0 is all it takes: no answer in chunks, and no connection that stays open.
https://rspamd.com/doc/developers/protocol.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from milters.scanners import head
from milters.scanners.opinion import Envelope, Opinion, symbols
from milters.scanners.question import Content, Declined, Piece, Question
from tamis.errors import ProtocolError

MAX_RECIPIENTS = 500
MAX_TEXT_CHARS = 300
_OK = ("200", "204", "208")  # for learning, 208: it knows that message; 204: there is nothing to learn in it


def check(content: Content, envelope: Envelope, password: str) -> Question[Opinion]:
    """What do you think of *content*?"""
    fields = [*_secret(password), *_envelope(envelope)]
    return Question(lambda: _post("/checkv2", fields, content), head.whole, read)


def learn(content: Content, verdict: str, password: str) -> Question[str]:
    """It is *verdict*, ``spam`` or ``ham``; for the controller's port, whose password it is."""
    return Question(lambda: _post(f"/learn{verdict}", _secret(password), content), head.whole, _learned)


def ping() -> Question[None]:
    """Are you there?"""
    return Question(lambda: (b"GET /ping HTTP/1.0\r\n\r\n",), head.whole, _pong)


def _secret(password: str) -> list[tuple[str, str]]:
    return [("Password", password)] if password else []


def _envelope(envelope: Envelope) -> Iterator[tuple[str, str]]:
    txn = envelope.txn
    yield "From", txn.sender or "<>"
    yield from (("Rcpt", recipient) for recipient in txn.recipients[:MAX_RECIPIENTS])
    known = {
        "IP": txn.client_address,
        "Helo": txn.helo_name,
        "Hostname": txn.client_name,
        "User": txn.sasl_username,
        "Queue-Id": txn.queue_id,
        "MTA-Name": envelope.hostname,
    }
    yield from ((name, value) for name, value in known.items() if value and value != "unknown")


def _post(path: str, fields: Iterable[tuple[str, str]], content: Content) -> Iterator[Piece]:
    lines = [b"%b: %b\r\n" % (name.encode("ascii"), head.field_value(value)) for name, value in fields]
    start = f"POST {path} HTTP/1.0\r\nContent-Length: {len(content)}\r\n"
    yield b"".join([start.encode("ascii"), *lines, b"\r\n"])
    if len(content):
        yield memoryview(content)


def read(answer: bytes) -> Opinion:
    """The opinion in a whole answer."""
    found = _json(answer)
    action = found.get("action")
    if not isinstance(action, str):
        raise ProtocolError("an answer without an action")
    messages = found.get("messages")
    return Opinion(
        score=_number(found, "score"),
        needed=_needed(found),
        symbols=_symbols(found.get("symbols")),
        action=action[:40],
        skipped=found.get("is_skipped") is True,
        sentence=_text(messages.get("smtp_message")) if isinstance(messages, dict) else "",
        subject=_text(found.get("subject")),
    )


def _json(answer: bytes) -> dict[str, Any]:
    """The object in an answer. Declined for an error that it tells, ProtocolError for what is no such answer."""
    reply = head.parse(answer)
    protocol, _blank, rest = reply.status.partition(" ")
    code, _blank, reason = rest.partition(" ")
    if not protocol.startswith("HTTP/1.") or not (len(code) == 3 and code.isdigit()):
        raise ProtocolError("not an answer of rspamd's")
    try:
        # A whole number may be larger than a float can be: that is no score, and no OverflowError.
        found = json.loads(reply.body, parse_int=float) if reply.body.strip() else {}
    except (ValueError, RecursionError) as exc:
        found = {}
        if code == "200":
            raise ProtocolError("an answer that is no JSON") from exc
    if not isinstance(found, dict):
        raise ProtocolError("an answer that is no JSON object")
    if code not in _OK or (code == "200" and "error" in found):
        raise Declined(_text(found.get("error")) or f"{code} {reason[:100]}")
    return found


def _number(found: Mapping[str, Any], name: str) -> float:
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ProtocolError(f"an answer without {name}")
    return float(value)


def _needed(found: Mapping[str, Any]) -> float:
    """From which score on it would mark a message; of a version that does not tell, would refuse it."""
    limits = found.get("thresholds")
    if isinstance(limits, dict) and "add header" in limits:
        return _number(limits, "add header")
    return _number(found, "required_score")


def _symbols(found: object) -> tuple[str, ...]:
    """Names by weight, the heaviest first."""
    if not isinstance(found, dict):
        return ()
    return symbols(sorted(found, key=lambda name: -abs(_weight(found[name]))))


def _weight(symbol: object) -> float:
    score = symbol.get("score") if isinstance(symbol, dict) else None
    return float(score) if isinstance(score, int | float) and math.isfinite(score) else 0.0


def _text(value: object) -> str:
    """A text of theirs on one line, bounded."""
    return " ".join(value[:MAX_TEXT_CHARS].split()) if isinstance(value, str) else ""


def _learned(answer: bytes) -> str:
    try:
        found = _json(answer)
    except Declined as exc:
        if "already learned" in str(exc):  # up to 3.4 that was a 404
            return "known already"
        raise
    if "already learned" in _text(found.get("error")):
        return "known already"
    return "learned" if found.get("success") is True else _text(found.get("error")) or "nothing to learn"


def _pong(answer: bytes) -> None:
    if not head.parse(answer).status.startswith("HTTP/1.") or b"pong" not in answer.lower():
        raise ProtocolError("not an answer of rspamd's")
