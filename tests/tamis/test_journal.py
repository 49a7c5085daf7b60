from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamis import metrics
from tamis.journal import Journal, JournalConfig, Record, read, trace
from tamis.journal.write import MAX_ITEMS, MAX_VALUE_CHARS
from tamis.log import Log

DAY = 86400.0
NOON = 1_764_000_000.0 // DAY * DAY + DAY / 2
UID = os.geteuid()
TODAY = f"2025-11-24.{UID}.jsonl"
ROOT = Path(__file__).parent.parent.parent


def journal(path: Path, log: Log | None = None, clock: Callable[[], float] = lambda: NOON) -> Journal:
    return Journal(path, 30 * DAY, log or Log.null(), clock)


def failures() -> float:
    return float(metrics.table.JOURNAL_LOST()._value.get())


def record(time_s: float, program: str, **fields: str) -> Record:
    return Record(time_s, program, fields)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Bytes that were no UTF-8 come back as they were; what was empty is absent."""
    pen = journal(tmp_path)
    pen.append(
        "policyd", {"sender": "caf\udce9@example.org\r\n", "queue_id": "", "size": 0, "checks": ["a=pass"]}
    )
    pen.append("lda", {"user": "b", "seconds": 0.25, "actions": []})
    pen.close()
    assert list(read(tmp_path)) == [
        Record(NOON, "policyd", {"sender": "caf\udce9@example.org\r\n", "size": 0, "checks": ["a=pass"]}),
        Record(NOON, "lda", {"user": "b", "seconds": 0.25}),
    ]


@given(st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF, exclude_categories=())))
def test_a_record_is_one_line_of_json(value: str) -> None:
    from tamis.journal.write import _line

    line = _line(NOON, "policyd", {"sender": value})
    assert line.count(b"\n") == 1
    assert all(b" "[0] <= byte <= b"~"[0] for byte in line[:-1])
    assert json.loads(line).get("sender", "") == value[:MAX_VALUE_CHARS]


@pytest.mark.parametrize("value", ["\x7f\u202e", "\udc80", 2**80, -1.5e300, 0.1, True])
def test_any_value_comes_back_as_it_was(tmp_path: Path, value: str | float) -> None:
    pen = journal(tmp_path)
    pen.append("policyd", {"value": value})
    pen.close()
    assert [r.fields["value"] for r in read(tmp_path)] == [value]


def test_records_are_bounded(tmp_path: Path) -> None:
    pen = journal(tmp_path)
    pen.append("policyd", {"sender": "x" * 10**6, "checks": ["y"] * 1000})
    before = failures()
    pen.append("policyd", {f"f{n}": "\0" * 1000 for n in range(100)})
    pen.close()
    kept = list(read(tmp_path))
    assert [(len(r.text("sender")), len(r.fields["checks"])) for r in kept] == [(MAX_VALUE_CHARS, MAX_ITEMS)]  # type: ignore[arg-type]
    assert failures() == before + 1


def test_one_turn_of_the_loop_is_one_write(tmp_path: Path) -> None:
    pen = journal(tmp_path)

    async def turn() -> list[int]:
        sizes = []
        for _ in range(2):
            for _ in range(50):
                pen.append("policyd", {"stage": "RCPT"})
            sizes.append(len(list(read(tmp_path))) if (tmp_path / TODAY).exists() else 0)
            await asyncio.sleep(0)
            sizes.append(len(list(read(tmp_path))))
        return sizes

    assert asyncio.run(turn()) == [0, 50, 50, 100]
    pen.append("policyd", {"stage": "DATA"})
    assert len(list(read(tmp_path))) == 101, "without a loop a record is written at once"
    pen.close()


def test_a_loop_that_ended_early_takes_no_record_with_it(tmp_path: Path) -> None:
    """Its callback never ran; the next loop, or the end, writes."""
    pen = journal(tmp_path)

    async def turn() -> None:
        pen.append("policyd", {"stage": "RCPT"})

    for _ in range(3):
        asyncio.run(turn())
    pen.close()
    assert len(list(read(tmp_path))) == 3


@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_the_group_may_read_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        pen = journal(tmp_path / "a" / "journal")
        pen.append("policyd", {"stage": "RCPT"})
        pen.close()
    finally:
        os.umask(old)
    assert (tmp_path / "a/journal" / TODAY).stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "a/journal").stat().st_mode & 0o777 == 0o750


def test_days_have_files_and_old_ones_go(tmp_path: Path) -> None:
    now = NOON
    pen = journal(tmp_path, clock=lambda: now)
    (tmp_path / "notes.txt").write_text("not ours")
    for _ in range(40):
        pen.append("policyd", {"stage": "RCPT"})
        now += DAY
    pen.close()
    days = sorted(path.name for path in tmp_path.glob("*.jsonl"))
    assert (len(days), days[0], days[-1]) == (31, f"2025-12-03.{UID}.jsonl", f"2026-01-02.{UID}.jsonl")
    assert (tmp_path / "notes.txt").exists()
    assert len(list(read(tmp_path, since_s=NOON + 37.5 * DAY))) == 2


def test_a_file_that_was_taken_away_is_made_again(tmp_path: Path) -> None:
    pen = journal(tmp_path)
    pen.append("policyd", {"n": 1})
    (tmp_path / TODAY).unlink()
    pen.append("policyd", {"n": 2})
    pen.close()
    assert [r.fields["n"] for r in read(tmp_path)] == [2]


def test_failure_is_counted_and_logged_once_and_never_raised(tmp_path: Path) -> None:
    lines: list[str] = []
    pen = journal(tmp_path / "journal", Log(lines.append))
    (tmp_path / "journal").write_text("in the way")
    before = failures()
    for _ in range(3):
        pen.append("policyd", {"n": 1})
    assert failures() == before + 3
    assert len(lines) == 1
    assert "journal cannot be written" in lines[0]
    (tmp_path / "journal").unlink()
    pen.append("policyd", {"n": 2})
    pen.close()
    assert [r.fields["n"] for r in read(tmp_path / "journal")] == [2]
    assert "journal writes again" in lines[1]


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from tamis.journal import Journal
from tamis.log import Log
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
lines = []
pen = Journal(Path(sys.argv[1]), 86400.0, Log(lines.append))
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
for n in range(40):
    pen.append("policyd", {"n": n, "sender": "a@example.org"})
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
for n in range(100, 103):
    pen.append("policyd", {"n": n})
pen.close()
print(len(lines))
"""


def test_a_full_disk_cuts_one_record_at_most(tmp_path: Path) -> None:
    """The half line that it leaves behind does not swallow the record after it."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "2\n"
    found = [r.fields["n"] for r in read(tmp_path)]
    whole = len(found) - 3
    assert found == [*range(whole), 100, 101, 102]
    assert whole > 5


WRITER = """
import asyncio, sys
from pathlib import Path
from tamis.journal import Journal
from tamis.log import Log
pen = Journal(Path(sys.argv[1]), 86400.0, Log.null())
async def main():
    for n in range(2000):
        pen.append("policyd", {"who": sys.argv[2], "n": n, "text": "x" * (n % 700)})
        if n % 7 == 0:
            await asyncio.sleep(0)
asyncio.run(main())
pen.close()
"""


def test_several_processes_write_one_file(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), who], cwd=ROOT) for who in "abc"
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    found = list(read(tmp_path))
    assert len(found) == 6000
    for who in "abc":
        assert [r.fields["n"] for r in found if r.text("who") == who] == list(range(2000))


def test_a_disabled_journal_touches_nothing(tmp_path: Path) -> None:
    pen = Journal.open(JournalConfig(enabled=False, path=tmp_path / "journal"))
    pen.append("policyd", {"n": 1})
    pen.close()
    assert not (tmp_path / "journal").exists()


def test_nobody_is_led_elsewhere_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / TODAY).symlink_to(tmp_path / "victim")
    pen = journal(tmp_path / "journal")
    pen.append("policyd", {"n": 1})
    pen.close()
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize(
    "junk",
    [
        b'{"time":1,"program":"pol',
        b"\0" * 200_000,
        b"[1,2]",
        b'"x"',
        b'{"time":"soon","program":"x"}',
        b'{"time":1}',
        b"[" * 60_000,
        b'{"time":null,"program":1}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_record_is_skipped(tmp_path: Path, junk: bytes) -> None:
    good = b'{"time":1764000000.5,"program":"lda","queue_id":"4dT"}\n'
    (tmp_path / TODAY).write_bytes(good + junk + b"\n" + good + junk + good)
    found = list(read(tmp_path))
    assert {r.text("queue_id") for r in found} == {"4dT"}
    assert len(found) in (2, 3)


def test_reading_needs_no_more_memory_than_a_line(tmp_path: Path) -> None:
    line = b'{"time":1764000000.5,"program":"lda","text":"%b"}\n' % (b"x" * 1000)
    (tmp_path / TODAY).write_bytes(line * 20_000)
    list(zip(range(10), read(tmp_path), strict=False))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(1 for _ in read(tmp_path)) == 20_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000


MESSAGE = [
    record(1, "policyd", stage="RCPT", instance="1f2.65.a.0", recipient="a@example.net"),
    record(2, "policyd", stage="RCPT", instance="1f2.65.b.0", recipient="other@example.net"),
    record(3, "policyd", stage="RCPT", instance="1f2.65.a.0", queue_id="4dT1", recipient="b@example.net"),
    record(4, "milter", stage="END-OF-MESSAGE", queue_id="4dT1"),
    record(5, "milter", stage="END-OF-MESSAGE", queue_id="4dT2"),
    record(6, "policyd", stage="DATA", instance="1f2.65.b.0", queue_id="4dT2"),
    record(7, "lda", queue_id="4dT1", recipient="a@example.net"),
    record(8, "policyd", stage="CONNECT"),
    record(9, "lda", queue_id="4dT1", recipient="b@example.net"),
]


@pytest.mark.parametrize(
    ("wanted", "times"),
    [
        ("4dT1", [1, 3, 4, 7, 9]),
        ("1f2.65.a.0", [1, 3, 4, 7, 9]),
        ("4dT2", [2, 5, 6]),
        ("1f2.65.b.0", [2, 5, 6]),
        ("4dT3", []),
        ("", []),
    ],
)
def test_the_records_of_one_message_are_joined(wanted: str, times: list[float]) -> None:
    """Postfix's queue id is empty at the first recipient: the instance, which it shares, brings it in."""
    assert [r.time_s for r in trace(iter(MESSAGE), wanted)] == times


def test_tracing_remembers_no_more_than_it_must() -> None:
    many = (record(n, "policyd", instance=f"i{n}") for n in range(50_000))
    last = [
        record(50_000, "policyd", instance="i0", queue_id="q"),
        record(50_001, "policyd", instance="i49999"),
    ]
    assert [r.time_s for r in trace((*many, *last), "q")] == [50_000]


def test_the_files_of_several_accounts_are_read_in_the_order_of_time(tmp_path: Path) -> None:
    for uid, times in ((105, (1.0, 4.0)), (5000, (2.0, 3.0))):
        lines = (f'{{"time":{t},"program":"p{uid}","queue_id":"q"}}\n' for t in times)
        (tmp_path / f"1970-01-01.{uid}.jsonl").write_text("".join(lines))
    assert [(r.time_s, r.program) for r in read(tmp_path)] == [
        (1, "p105"),
        (2, "p5000"),
        (3, "p5000"),
        (4, "p105"),
    ]
