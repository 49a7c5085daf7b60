"""Messages go to the MTA one recipient at a time, and what it has not taken stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from milters.quarantine.cabinet import Cabinet, Gone, Held, new_id
from milters.quarantine.config import QuarantineConfig
from milters.quarantine.release import release
from tamis.errors import TempFail
from tests.lda.mta import mta

NOW = 1_764_000_000.0
Site = tuple[QuarantineConfig, Cabinet, Held, Any]
RAW = b"Subject: x\r\n\r\n.\r\n\xff\r\n"


@contextmanager
def site(tmp_path: Path, replies: dict[str, Any] | None = None) -> Iterator[Site]:
    with mta(**(replies or {})) as server:
        config = QuarantineConfig(to="directory", directory=tmp_path, server=server.server)
        cabinet = Cabinet(tmp_path)
        held = Held(
            id=new_id(NOW),
            time_s=NOW,
            sender="",
            recipients=("b@x", "c@x", "archive@x"),
            silent=("archive@x",),
        )
        cabinet.put(held, RAW)
        yield config, cabinet, held, server


def test_each_gets_it_once_and_then_it_is_gone(tmp_path: Path) -> None:
    with site(tmp_path) as (config, cabinet, held, server):
        assert list(release(config, held.id, (), (), "mx.test")) == ["b@x", "c@x", "archive@x"]
        with pytest.raises(Gone):
            cabinet.get(held.id)
        assert [line for line in server.said if line.startswith("rcpt")] == [
            "rcpt TO:<b@x>", "rcpt TO:<c@x>", "rcpt TO:<archive@x> NOTIFY=NEVER",
        ]  # fmt: skip
        for raw in server.messages:
            first, _, rest = raw.partition(b"\r\n")
            assert first.startswith(b"Tamis-Released: " + held.id.encode())
            assert rest == RAW.replace(b"\r\n.\r\n", b"\r\n..\r\n")
        with pytest.raises(Gone):
            list(release(config, held.id, (), (), "mx.test"))


def test_one_of_them_may_have_it_before_the_others(tmp_path: Path) -> None:
    with site(tmp_path) as (config, cabinet, held, _):
        assert list(release(config, held.id, ("C@X",), (), "mx.test")) == ["c@x"]
        assert cabinet.get(held.id).recipients == ("b@x", "archive@x")
        with pytest.raises(TempFail, match="not held for c@x"):
            list(release(config, held.id, ("c@x",), (), "mx.test"))


def test_somebody_else_may_look_at_it(tmp_path: Path) -> None:
    with site(tmp_path) as (config, cabinet, held, _):
        assert list(release(config, held.id, (), ("admin@x",), "mx.test")) == ["admin@x"]
        assert cabinet.get(held.id) == held


@pytest.mark.parametrize(
    "replies",
    [
        {"greeting": "421 no"},
        {"RCPT": "550 no"},
        {"DATA": "451 no"},
        {"message": "451 no"},
        {"message": None},
    ],
)
def test_what_the_mta_does_not_take_stays(tmp_path: Path, replies: dict[str, str | None]) -> None:
    with site(tmp_path, replies) as (config, cabinet, held, _):
        with pytest.raises(TempFail, match="stays"):
            list(release(config, held.id, (), (), "mx.test"))
        assert cabinet.get(held.id) == held
        assert cabinet.raw(held.id) == RAW


def test_a_program_takes_it_where_there_is_no_server(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\necho "$@" >> {taken}\ncat >> {taken}\n')
    program.chmod(0o755)
    command = (str(program), "{sender}", "{recipient}")
    config = QuarantineConfig(to="directory", directory=tmp_path / "q", server="", command=command)
    held = Held(id=new_id(NOW), time_s=NOW, sender="", recipients=("b@x",))
    Cabinet(tmp_path / "q").put(held, RAW)
    assert list(release(config, held.id, (), (), "mx.test")) == ["b@x"]
    assert taken.read_bytes().startswith(b"<> b@x\nTamis-Released:")
