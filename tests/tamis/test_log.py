from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis.config.log import LogConfig
from tamis.log import Log, safe
from tamis.log.places import Syslog, syslog
from tamis.log.text import MAX_LINE_BYTES, MAX_VALUE_CHARS

ANYTHING = st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF, exclude_categories=()), max_size=80)
WORD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^ "=\\]+)(?: |$)')


def written(as_json: bool = False, level: str = "info") -> tuple[Log, list[str]]:
    lines: list[str] = []
    return Log(lines.append, as_json=as_json, level=level), lines


def words(line: str) -> dict[str, str]:
    """A logfmt line, read by the rules of logfmt; all of it must be words."""
    assert "".join(match[0] for match in WORD.finditer(line)) == line
    return {match[1]: match[2] for match in WORD.finditer(line)}


def test_a_line_names_level_event_and_what_is_known() -> None:
    log, lines = written()
    log.info("decision", stage="RCPT", sender="", queue_id=None, recipient="b@example.net", checks=[], size=0)
    assert lines == ["level=info event=decision stage=RCPT recipient=b@example.net size=0"]


def test_json_keeps_numbers_and_lists() -> None:
    log, lines = written(as_json=True)
    log.warning("x", n=1, s=0.25, ok=False, checks=["a=pass", "b=défer"], bad=float("nan"), empty="")
    assert json.loads(lines[0]) == {
        "level": "warning",
        "event": "x",
        "n": 1,
        "s": 0.25,
        "ok": False,
        "checks": ["a=pass", "b=défer"],
        "bad": "nan",
    }


@given(ANYTHING)
def test_no_value_leaves_its_line_or_its_field(value: str) -> None:
    """Whatever a peer sends, it can forge neither a line nor a field, and moves no cursor."""
    log, lines = written()
    log.info("x", sender=value, verdict="pass")
    assert len(lines) == 1
    assert lines[0].isprintable()
    assert set(words(lines[0])) == {"level", "event", "verdict"} | ({"sender"} if value else set())
    lines[0].encode("utf-8")


@given(ANYTHING)
def test_json_stays_json_and_on_its_line(value: str) -> None:
    log, lines = written(as_json=True)
    log.info("x", sender=value, list=[value])
    assert lines[0].isprintable()
    json.loads(lines[0].encode("utf-8"))


def test_safe_shows_what_was_there() -> None:
    assert safe("a\r\n\0\x1b[2J\x7f") == r"a\r\n\x00\x1b[2J\x7f"
    assert safe(b"caf\xe9".decode("utf-8", "surrogateescape")) == r"caf\xe9"
    assert safe("\ud800\u202e\u2028é") == r"\ud800\u202e\u2028é"


def test_long_values_are_cut_and_say_so() -> None:
    assert safe("x" * 5000) == "x" * MAX_VALUE_CHARS + "...(5000 characters)"


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("char", ["x", "é", "\0", "\U0001f4e7", "\udcff", '"', "\\"])
def test_a_line_fits_a_datagram_of_any_syslogd(char: str, as_json: bool) -> None:
    """What does not fit is left out field by field, so that the rest can still be read."""
    log, lines = written(as_json=as_json)
    log.info("x", **{f"f{n}": char * 3000 for n in range(30)}, last="y")
    assert len(lines[0].encode()) <= MAX_LINE_BYTES
    found = json.loads(lines[0]) if as_json else words(lines[0])
    assert found["last"] == "y"
    assert "shortened" in found


def test_levels() -> None:
    log, lines = written(level="warning")
    for write in (log.debug, log.info, log.warning, log.error):
        write("x")
    assert lines == ["level=warning event=x", "level=error event=x"]


def test_a_traceback_is_one_line() -> None:
    log, lines = written()
    try:
        int("a\nb")
    except ValueError as exc:
        log.exception("check failed", exc, check="greylist")
    assert len(lines) == 1
    found = words(lines[0])
    assert found["error"].startswith('"ValueError: invalid literal')
    assert "test_a_traceback_is_one_line" in found["traceback"]
    assert found["check"] == "greylist"


def test_a_long_traceback_keeps_its_innermost_part_and_the_other_fields() -> None:
    def deep(n: int) -> None:
        if n == 0:
            raise RuntimeError("x" * 20_000)
        deep(n - 1)

    log, lines = written(as_json=True)
    try:
        deep(200)
    except RuntimeError as exc:
        log.exception("y", exc, queue_id="4dT")
    found = json.loads(lines[0])
    assert len(lines[0]) <= MAX_LINE_BYTES
    assert found["queue_id"] == "4dT"
    assert found["error"].startswith("RuntimeError: xxx")


class Odd:
    def __str__(self) -> str:
        raise RuntimeError("no")


class OddError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_nothing_that_is_wrong_with_a_value_or_a_place_is_raised() -> None:
    """A line that cannot be written is counted, and the next that can be says so."""
    room = False
    lines: list[str] = []

    def sink(line: str) -> None:
        if not room:
            raise OSError("disk full")
        lines.append(line)

    log = Log(sink)
    log.info("x")
    log.info("x", value=Odd())
    log.exception("x", OddError())
    assert log.lost == 3
    room = True
    log.info("x")
    assert lines == ["level=info event=x", 'level=warning event="log lines lost" lines=3']
    assert log.lost == 0


def test_syslog_speaks_to_dev_log_as_facility_mail(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslogd:
        syslogd.bind(str(tmp_path / "log"))
        place = Syslog(str(tmp_path / "log"))
        log = Log(place, frame=syslog("tamis-policyd", lambda level: ""))
        log.warning("x", sender="a\nb")
        got = syslogd.recv(9000).decode()
        place.close()
    header = rf"<20>[A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d tamis-policyd\[{os.getpid()}\]: "
    assert re.fullmatch(header + re.escape(r'event=x sender="a\nb"'), got)


def test_syslog_is_found_again_after_a_restart_and_missed_by_nobody(tmp_path: Path) -> None:
    path, spared = tmp_path / "log", list[str]()
    place = Syslog(str(path), spare=spared.append)
    log = Log(place, frame=syslog("tamis-lmtpd", lambda level: ""))
    log.info("none")
    for name in ("first", "second"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslogd:
            syslogd.bind(str(path))
            log.info(name)
            assert syslogd.recv(9000).endswith(f"event={name}".encode())
        path.unlink()
        log.info("after", which=name)
    place.close()
    assert spared == ["event=none", "event=after which=first", "event=after which=second"]


def test_a_syslogd_that_hangs_does_not_stop_us(tmp_path: Path) -> None:
    """Its buffer fills; from then on lines are lost and counted, at once."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslogd:
        syslogd.bind(str(tmp_path / "log"))
        place = Syslog(str(tmp_path / "log"))
        log = Log(place)
        for _ in range(5000):
            log.info("x")
        assert log.lost > 0
        place.close()


def test_descriptors_of_syslog_are_not_leaked(tmp_path: Path) -> None:
    log = Log.open(LogConfig(to="syslog"), "tamis-policyd")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        log.configure(LogConfig(to="syslog"), "tamis-policyd")
    place = Syslog(str(tmp_path / "none"), spare=lambda line: None)
    for _ in range(20):
        place("x")
    assert len(os.listdir("/proc/self/fd")) == before
    log.configure(LogConfig(to="stderr"), "tamis-policyd")


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_stderr_says_when_and_who(form: str) -> None:
    code = (
        "from tamis.log import Log; from tamis.config.log import LogConfig\n"
        f"Log.open(LogConfig(to='stderr', format='{form}'), 'tamis-milter').info('ready', listeners=2)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.count("\n") == 1
    line = done.stderr.rstrip("\n")
    found = json.loads(line) if form == "json" else words(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["time"])
    assert (found["program"], found["event"], str(found["listeners"])) == ("tamis-milter", "ready", "2")


def test_a_reload_may_change_level_and_form() -> None:
    log = Log.open(LogConfig(to="stderr", level="error"), "tamis-policyd")
    log.info("x")
    assert log.lost == 0
    log.configure(LogConfig(to="stderr", level="debug", format="json"), "tamis-policyd")
    lines: list[str] = []
    log._sink = lines.append
    log.debug("x")
    assert json.loads(lines[0])["program"] == "tamis-policyd"
