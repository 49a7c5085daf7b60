from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyd.rehearsal.requests import journalled, parsed, whole
from policyd.request import understand
from tamis.check import Services
from tamis.dns import ZoneResolver
from tamis.errors import ProtocolError
from tamis.journal import Journal, read
from tamis.log import Log
from tamis.pipeline import REQUEST_FIELDS, Pipeline
from tamis.store.memory import MemoryStore
from tests.policyd.requests import POSTFIX_37


def record(place: Path, request: dict[str, str]) -> None:
    """As the daemon does."""
    journal = Journal(place, 1e9, Log.null())
    services = Services(MemoryStore(), ZoneResolver({}), time.time, "mx.example.org")
    found = understand(request)
    assert isinstance(found, tuple)
    asyncio.run(Pipeline("policyd", (), services, Log.null(), journal, 5.0).run(*found))
    journal.close()


NOT_KEPT = {"request", "mail_version", "compatibility_level"}


def test_the_journal_gives_back_all_that_postfix_said(tmp_path: Path) -> None:
    """But for what it says of itself, and for what is empty or 0: that is not known."""
    request = {name: value or "x" for name, value in POSTFIX_37.items()}
    record(tmp_path, request)
    [(_, found)] = journalled(read(tmp_path))
    assert found == {n: v for n, v in request.items() if n not in NOT_KEPT and v != "0"}
    assert whole(found)


def test_what_is_not_known_takes_no_room(tmp_path: Path) -> None:
    record(
        tmp_path,
        {"request": "smtpd_access_policy", "protocol_state": "RCPT", **dict.fromkeys(REQUEST_FIELDS, "")},
    )
    [(only, found)] = journalled(read(tmp_path))
    assert found == {"protocol_state": "RCPT"}
    assert set(only.fields) == {"stage", "verdict"}


def test_long_remote_values_do_not_hide_a_request(tmp_path: Path) -> None:
    request = dict.fromkeys(POSTFIX_37, "\udcff" * 2000)
    record(tmp_path, request | {"request": "smtpd_access_policy", "protocol_state": "RCPT"})
    [(_, found)] = journalled(read(tmp_path))
    assert found["helo_name"].startswith("\udcff" * 50)


@given(
    st.lists(
        st.dictionaries(
            st.from_regex(r"[a-z_]+", fullmatch=True),
            st.from_regex(r"[ -~]*", fullmatch=True),
            min_size=1,
            max_size=5,
        ),
        max_size=4,
    )
)
def test_a_file_has_the_requests_that_were_written_into_it(requests: list[dict[str, str]]) -> None:
    text = "\n".join("".join(f"{name}={value}\n" for name, value in each.items()) for each in requests)
    assert list(parsed(text.encode())) == requests
    assert list(parsed(text.replace("\n", "\r\n").encode())) == requests


@pytest.mark.parametrize("raw", [b"x", b"a=b\n\nx\n\n", b"a=\0\n", b"a=" + b"x" * 70_000])
def test_what_is_no_request_is_refused(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(parsed(raw))
