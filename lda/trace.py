"""trace - the fields that final delivery puts on top, and what those of earlier ones tell. Pure.

Return-Path (RFC 5321 section 4.4), Delivered-To and X-Original-To (Postfix, qmail). pipe(8) may have
written them already (flags R, D, O): what stands on top of a message that came by pipe is not written
again, and its Delivered-To is no loop. Any other Delivered-To with our recipient is one: the message has
been here before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile

from lda.envelope import Envelope
from tamis.config.schema import option
from tamis.mail.headers import Field, Headers

_OURS = {"return-path", "delivered-to", "x-original-to"}
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_DOT_ATOM = re.compile(r"[^\x00-\x20\"(),.:;<>@\[\\\]\x7f]+(?:\.[^\x00-\x20\"(),.:;<>@\[\\\]\x7f]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadersConfig:
    """Fields put on top of each stored message, unless pipe(8) has done so already (flags R, D, O)."""

    return_path: bool = option(True, "Return-Path: the envelope's sender")
    delivered_to: bool = option(True, "Delivered-To: the recipient; without it a mail loop is not seen")
    x_original_to: bool = option(True, "X-Original-To: the recipient before aliases, where it is known")


def prepended(envelope: Envelope, headers: Headers, config: HeadersConfig) -> bytes:
    """The fields to put on top of a stored message, in Postfix's order."""
    present = {field.name.lower() for field in on_top(envelope, headers)}
    wanted = []
    if config.return_path:
        wanted.append(("Return-Path", f"<{quoted(envelope.sender)}>"))
    if config.x_original_to and envelope.original_recipient:
        wanted.append(("X-Original-To", quoted(envelope.original_recipient)))
    if config.delivered_to:
        wanted.append(("Delivered-To", quoted(envelope.recipient)))
    return b"".join(_field(name, value) for name, value in wanted if name.lower() not in present)


def has_been_here(envelope: Envelope, headers: Headers) -> bool:
    """Whether an earlier delivery to this recipient has left its Delivered-To."""
    mine = {id(field) for field in on_top(envelope, headers)}
    recipient = _encode(quoted(envelope.recipient)).lower()
    return any(
        field.value.strip().lower() == recipient
        for field in headers.all("Delivered-To")
        if id(field) not in mine
    )


def quoted(address: str) -> str:
    """*address* as it must be written (RFC 5321 section 4.1.2): the local part quoted where it is no
    dot-string."""
    local, at, domain = address.rpartition("@")
    if not at or _DOT_ATOM.fullmatch(local):
        return address
    return '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"@' + domain


def on_top(envelope: Envelope, headers: Headers) -> tuple[Field, ...]:
    """The fields that pipe(8) has put on top: at most one field of each name."""
    if envelope.transport != "pipe":
        return ()
    fields: dict[str, Field] = {}
    for field in takewhile(lambda f: f.name.lower() in _OURS, headers):
        fields.setdefault(field.name.lower(), field)
    return tuple(fields.values())


def _field(name: str, value: str) -> bytes:
    return name.encode("ascii") + b": " + _encode(value) + b"\n"


def _encode(text: str) -> bytes:
    return _UNPRINTABLE.sub("?", text).encode("utf-8", "surrogateescape")
