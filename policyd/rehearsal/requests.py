"""requests - policy requests from a file in the protocol's own form, and from the journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from policyd.protocol import MAX_REQUEST_BYTES, PolicyProtocol
from policyd.request import STAGES
from tamis.errors import ProtocolError
from tamis.journal import Record
from tamis.pipeline import REQUEST_FIELDS

PROGRAM = "policyd"
_ALWAYS = ("queue_id", "instance", "client_address", "sasl_username", "sender", "recipient")


def parsed(raw: bytes) -> Iterator[dict[str, str]]:
    """The requests in *raw*: lines ``name=value``, an empty line behind each; the last may lack it.

    Carriage returns at the ends of lines, and empty lines before a request, are left out. Raises ProtocolError."""
    raw = raw.replace(b"\r\n", b"\n").strip(b"\n")
    for text in raw.split(b"\n\n") if raw else []:
        if len(text) >= MAX_REQUEST_BYTES:
            raise ProtocolError(f"a request of more than {MAX_REQUEST_BYTES} bytes")
        protocol = PolicyProtocol()
        protocol.feed(text.strip(b"\n") + b"\n\n")
        request = protocol.next_request()
        assert request is not None  # its end was fed
        yield request


def journalled(records: Iterable[Record]) -> Iterator[tuple[Record, dict[str, str]]]:
    """The policy requests among *records*, each with its attributes."""
    for record in records:
        stage = record.text("stage")
        if record.program == PROGRAM and stage in STAGES:
            given = {name: text for name in (*_ALWAYS, *REQUEST_FIELDS) if (text := record.text(name))}
            yield record, {"protocol_state": stage, **given}


def whole(attributes: dict[str, str]) -> bool:
    """Whether the record of such a request was written with all of its attributes: older ones were not."""
    return "protocol_name" in attributes or attributes["protocol_state"] == "CONNECT"
