"""`tamis spam learn` on messages from files and standard input."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tamis.cli.__main__ import main
from tests.milters.scanners.fakes import Fake, counted_request, says

RAW = b"Subject: x\r\n\r\nbuy now\r\n"
RSPAMD = b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"success":true}'
SPAMD = b"SPAMD/1.1 0 EX_OK\r\nDidSet: local\r\nContent-length: 2\r\n\r\n\r\n"


@pytest.fixture
def message(tmp_path: Path) -> str:
    path = tmp_path / "message.eml"
    path.write_bytes(RAW)
    return str(path)


@pytest.mark.parametrize(("verdict", "path"), [("--spam", b"/learnspam"), ("--ham", b"/learnham")])
def test_rspamd_is_taught(
    message: str, verdict: str, path: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with Fake(counted_request, says(RSPAMD)) as fake:
        assert main(["spam", "learn", verdict, "--server", fake.address, message]) == 0
    (request,) = fake.requests
    assert request.startswith(b"POST " + path + b" HTTP/1.0\r\n")
    assert request.endswith(b"\r\n\r\n" + RAW)
    assert capsys.readouterr().out == "learned\n"


def test_spamd_is_taught_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(RAW)))
    with Fake(counted_request, says(SPAMD)) as fake:
        flags = ["--scanner", "spamd", "--user", "ann", "--server", fake.address]
        assert main(["spam", "learn", "--spam", *flags]) == 0
    assert b"\r\nUser: ann\r\n" in fake.requests[0]
    assert b"\r\nMessage-class: spam\r\n" in fake.requests[0]


def test_the_password_is_told_from_a_file_that_is_ones_own(message: str, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("open sesame\n")
    secret.chmod(0o600)
    with Fake(counted_request, says(RSPAMD)) as fake:
        flags = ["spam", "learn", "--spam", "--server", fake.address, "--password-file", str(secret), message]
        assert main(flags) == 0
        assert b"\r\nPassword: open sesame\r\n" in fake.requests[0]
        secret.chmod(0o644)
        assert main(flags) == 64


def test_the_next_server_is_asked_and_the_first_is_told_of(
    message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Fake(counted_request, says(b"x")) as bad, Fake(counted_request, says(RSPAMD)) as good:
        servers = ["--server", bad.address, "--server", good.address]
        assert main(["spam", "learn", "--spam", *servers, message]) == 0
        assert f"server={bad.address}" in capsys.readouterr().err
        assert main(["spam", "learn", "--spam", "--server", bad.address, message]) == 69
    assert capsys.readouterr().err.endswith("tamis spam: 4.3.0 No answer from rspamd, try again later\n")


def test_mistakes_have_their_own_exit_status(message: str, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    assert main(["spam", "learn", "--spam", str(empty)]) == 65
    assert main(["spam", "learn", "--spam", "--server", "localhost:11334", message]) == 64
    assert main(["spam", "learn", "--spam", str(tmp_path / "none")]) == 69
    for flags in ([], ["learn", message], ["learn", "--spam", "--ham", message]):
        with pytest.raises(SystemExit) as stopped:
            main(["spam", *flags])
        assert stopped.value.code == 64
