"""outcome - the one table from verdicts and exceptions to what a peer is told.

Nobody else in the tree writes these numbers. Exit statuses are those that pipe(8) maps (sysexits.h): every
status but 71 and 75 is a bounce there, so DEFER is 75 and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tamis.errors import PermFail, SieveError, TempFail
from tamis.verdict import Kind, Verdict, defer, reject

EX_OK = 0
EX_USAGE = 64
EX_DATAERR = 65
EX_NOINPUT = 66
EX_NOUSER = 67
EX_UNAVAILABLE = 69
EX_CANTCREAT = 73
EX_TEMPFAIL = 75
EX_PROTOCOL = 76
EX_NOPERM = 77
EX_CONFIG = 78

# RFC 5321 section 4.5.3.1.5: a reply line holds 512 octets with code, status and CRLF.
MAX_TEXT_BYTES = 480

# What a peer that reads no enhanced status shall understand of a full mailbox and a message too large (RFC 5321 4.2.3).
_CODES = {"4.2.2": 452, "5.2.2": 552, "5.3.4": 552}

_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_STATUS_AND_TEXT = re.compile(r"(?:([245]\.\d{1,3}\.\d{1,3})(?!\S))?\s*(.*)", re.ASCII)
_LINE_ENDS = re.compile(r"[\r\n]+")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of verdict in the words of each peer.

    policy: Postfix access(5) action; milter: name of the libmilter return; exit: status for pipe(8)."""

    code: int
    status: str
    policy: str
    milter: str
    exit: int


TABLE: dict[Kind, Row] = {
    Kind.PASS: Row(250, "2.0.0", "DUNNO", "CONTINUE", EX_OK),
    Kind.DISCARD: Row(250, "2.0.0", "DISCARD", "DISCARD", EX_OK),
    Kind.HOLD: Row(250, "2.0.0", "HOLD", "CONTINUE", EX_OK),
    Kind.DEFER: Row(451, "4.3.0", "DEFER_IF_PERMIT", "TEMPFAIL", EX_TEMPFAIL),
    Kind.REJECT: Row(550, "5.7.1", "REJECT", "REJECT", EX_UNAVAILABLE),
}

BUG_TEXT = "Internal error, try again later"


def from_exception(exc: BaseException) -> Verdict:
    """The verdict that a failure amounts to. A bug of ours is never told to a peer: TempFail 4.3.0."""
    if isinstance(exc, TempFail):
        return defer(exc.status, exc.text, reason="tempfail")
    if isinstance(exc, PermFail):
        return reject(exc.status, exc.text, reason="permfail")
    if isinstance(exc, TimeoutError):
        return defer("4.3.0", "Timed out, try again later", reason="timeout")
    if isinstance(exc, SieveError):
        return defer("4.3.0", BUG_TEXT, reason="sieve")
    return defer("4.3.0", BUG_TEXT, reason="bug")


def clean(text: str, limit: int = MAX_TEXT_BYTES) -> str:
    """*text* as printable ASCII of at most *limit* bytes: fit for a reply, a header value or a status line."""
    return _UNPRINTABLE.sub("?", text)[:limit]


def status_and_text(words: str) -> tuple[str, str]:
    """*words*, one line without blanks around it, as enhanced status, "" where it begins with none, and text."""
    found = _STATUS_AND_TEXT.fullmatch(words)
    assert found is not None  # every part is optional
    return found[1] or "", found[2]


def status_of(verdict: Verdict) -> str:
    """The enhanced status code, its class forced to the verdict's (Postfix forces it too)."""
    wanted = TABLE[verdict.kind].status
    if _STATUS.fullmatch(verdict.status) and verdict.status[0] == wanted[0]:
        return verdict.status
    return wanted


def sentence(verdict: Verdict) -> str:
    """``x.y.z text``, never a bare code: a bare one crashed Postfix before March 2026 (CVE-2026-43964)."""
    text = _LINE_ENDS.sub(" ", verdict.text)
    return f"{status_of(verdict)} {clean(text).strip() or verdict.kind.value}"


def exit_status(verdict: Verdict) -> int:
    """For pipe(8): unknown users (x.1.1) have a status of their own."""
    if verdict.kind is Kind.REJECT and status_of(verdict) == "5.1.1":
        return EX_NOUSER
    return TABLE[verdict.kind].exit


def smtp_reply(verdict: Verdict) -> str:
    """``code x.y.z text`` without CRLF, for SMTP and LMTP."""
    return f"{_code(verdict)} {sentence(verdict)}"


def long_reply(verdict: Verdict, *, utf8: bool = False) -> str:
    """As `smtp_reply`; a text of several lines is a reply of several (RFC 5321 section 4.2.1), with CRLF between
    them. utf8: the peer speaks SMTPUTF8."""
    code, status = _code(verdict), status_of(verdict)
    texts = [_line(text, utf8) for text in verdict.text.strip("\n").split("\n")]
    texts[-1] = texts[-1] or verdict.kind.value
    first = "".join(f"{code}-{status} {text}\r\n" for text in texts[:-1])
    return f"{first}{code} {status} {texts[-1]}"


def _code(verdict: Verdict) -> int:
    return _CODES.get(status_of(verdict), TABLE[verdict.kind].code)


def _line(text: str, utf8: bool) -> str:
    if not utf8:
        return clean(text).strip()
    return _CONTROL.sub("?", text).encode("utf-8")[:MAX_TEXT_BYTES].decode("utf-8", "ignore").strip()
