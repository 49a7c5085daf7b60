from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

ROOT = Path(__file__).parent.parent.parent.parent
PATIENCE_S = 60.0


class Program:
    """`tests.tamis.service.program` as a process, with us as its systemd."""

    def __init__(self, place: Path, drain_s: float = 30.0, address: str = "", **environ: str) -> None:
        self.path = place / "socket"
        self.config = place / "config"
        self.stderr = place / "stderr"
        if not self.config.exists():
            self.config.write_text("one")
        self._systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = address or str(place / "notify")
        if not address.startswith("@"):
            Path(address).unlink(missing_ok=True)
        self._systemd.bind("\0" + address[1:] if address.startswith("@") else address)
        self._systemd.settimeout(PATIENCE_S)
        self._errors: IO[bytes] = self.stderr.open("ab")
        command = [
            sys.executable, "-m", "tests.tamis.service.program", str(self.config), str(drain_s), f"unix:{self.path}",
        ]  # fmt: skip
        environ = {**os.environ, "NOTIFY_SOCKET": address, "PYTHONPATH": str(ROOT), **environ}
        self.process = subprocess.Popen(command, env=environ, stderr=self._errors, cwd=ROOT)

    def heard(self, line: str) -> str:
        """The next datagram with *line* in it, watchdog pings aside."""
        while True:
            text = self._systemd.recv(4096).decode()
            if line in text:
                return text

    def ready(self) -> str:
        """Wait until it is; where its metrics are."""
        status = self.heard("READY=1").partition("STATUS=metrics ")[2]
        assert status
        return status

    def hup(self) -> str:
        """Reload, and what it says when it is done with it."""
        self.process.send_signal(signal.SIGHUP)
        assert "MONOTONIC_USEC=" in self.heard("RELOADING=1")
        return self.heard("READY=1")

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(PATIENCE_S)
        try:
            client.connect(str(self.path))
        except OSError:
            client.close()
            raise
        return client

    def ask(self, word: bytes) -> bytes:
        with self.connect() as client:
            return say(client, word)

    def log(self) -> str:
        return self.stderr.read_text()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._systemd.close()
        self._errors.close()


def say(client: socket.socket, word: bytes) -> bytes:
    client.sendall(word + b"\n")
    return client.recv(100)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    running = Program(tmp_path)
    yield running
    running.close()


def metric(address: str, name: str) -> float:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=PATIENCE_S) as page:
        lines = page.read().decode().splitlines()
    return float(next(line for line in lines if line.startswith(name + " ")).split()[1])


def test_ready_means_that_it_answers(program: Program) -> None:
    address = program.ready()
    assert program.ask(b"hello") == b"one\n"
    assert metric(address, "tamis_config_last_reload_successful") == 1
    started = metric(address, "tamis_config_last_reload_success_timestamp_seconds")
    assert time.time() - 600 < started <= time.time()


def test_systemd_may_listen_on_an_abstract_address(tmp_path: Path) -> None:
    program = Program(tmp_path, address=f"@tamis-test-{os.getpid()}")
    try:
        program.ready()
    finally:
        program.close()


def test_a_reload_changes_what_is_said_on_open_connections_too(program: Program) -> None:
    program.ready()
    with program.connect() as client:
        assert say(client, b"hello") == b"one\n"
        program.config.write_text("two")
        assert "STATUS=metrics" in program.hup()
        assert say(client, b"hello") == b"two\n"
    assert 'event="configuration reloaded"' in program.log()


@pytest.mark.parametrize(("greeting", "why"), [("bad", "2 problems"), ("bug", "RuntimeError")])
def test_a_bad_configuration_is_refused_and_the_old_one_serves_on(
    program: Program, greeting: str, why: str
) -> None:
    """Log, metrics and status say so; when it is mended, the next reload is obeyed."""
    address = program.ready()
    before = metric(address, "tamis_config_last_reload_success_timestamp_seconds")
    program.config.write_text(greeting)
    assert program.hup().endswith(f"STATUS=reload refused, the old configuration stays: {why}")
    assert program.ask(b"hello") == b"one\n"
    assert metric(address, "tamis_config_last_reload_successful") == 0
    assert metric(address, "tamis_config_last_reload_success_timestamp_seconds") == before
    log = program.log()
    assert 'event="reload refused, the old configuration stays"' in log
    if greeting == "bad":
        assert 'problem="config:1: greeting: is bad"' in log
        assert 'problem="config:1: x: is odd"' in log
    else:
        assert log.count("traceback=") == 1
    program.config.write_text("two")
    program.hup()
    assert program.ask(b"hello") == b"two\n"
    assert metric(address, "tamis_config_last_reload_successful") == 1


def test_those_who_ask_do_not_wait_for_a_reload_and_neither_does_the_end(program: Program) -> None:
    """To read large tables takes seconds; here it is a pipe that nobody has written to yet."""
    program.ready()
    program.config.unlink()
    os.mkfifo(program.config)
    program.process.send_signal(signal.SIGHUP)
    with program.config.open("w") as writer:  # opens when the program reads
        assert program.ask(b"hello") == b"one\n"
        writer.write("two")
    program.heard("READY=1")
    assert program.ask(b"hello") == b"two\n"
    program.process.send_signal(signal.SIGHUP)
    with program.config.open("w"):
        assert program.stop() == 0


def test_a_storm_of_bad_reloads_drops_no_connection_and_leaks_no_descriptor(program: Program) -> None:
    program.ready()
    program.config.write_text("bad")
    program.hup()
    program.ask(b"hello")
    descriptors = Path(f"/proc/{program.process.pid}/fd")
    with program.connect() as client:
        say(client, b"hello")
        before = len(os.listdir(descriptors))
        for _ in range(100):
            program.process.send_signal(signal.SIGHUP)
            assert say(client, b"hello") == b"one\n"
            assert program.ask(b"hello") == b"one\n"
        program.hup()
        assert say(client, b"hello") == b"one\n"
        until(lambda: len(os.listdir(descriptors)) <= before)


def until(condition: Callable[[], bool]) -> None:
    """Wait until *condition* holds, a moment at a time."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        select.select([], [], [], 0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_in_flight_is_finished_before_the_end(program: Program, number: signal.Signals) -> None:
    program.ready()
    with program.connect() as waiting, program.connect() as other:
        assert say(waiting, b"hold") == b"holding\n"
        assert say(other, b"hello") == b"one\n"
        program.process.send_signal(number)
        program.heard("STOPPING=1")
        until(lambda: refused(program))
        assert program.process.poll() is None
        other.sendall(b"release\n")
        assert waiting.recv(100) == b"held\n"
    assert program.process.wait(PATIENCE_S) == 0
    assert "level=error" not in program.log()


def refused(program: Program) -> bool:
    try:
        program.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def test_draining_ends_at_its_limit(tmp_path: Path) -> None:
    program = Program(tmp_path, drain_s=0.1)
    try:
        program.ready()
        with program.connect() as waiting:
            assert say(waiting, b"hold") == b"holding\n"
            assert program.stop() == 0
            assert waiting.recv(100) == b""
        assert 'event="stopped before all was finished"' in program.log()
    finally:
        program.close()


def test_a_second_signal_ends_patience(program: Program) -> None:
    program.ready()
    with program.connect() as waiting:
        assert say(waiting, b"hold") == b"holding\n"
        program.process.terminate()
        program.heard("STOPPING=1")
        assert program.stop() == 0


def test_a_killed_program_starts_again_on_its_stale_socket(tmp_path: Path) -> None:
    for word in ("one", "two", "three"):
        (tmp_path / "config").write_text(word)
        program = Program(tmp_path)
        try:
            program.ready()
            assert program.ask(b"hello") == word.encode() + b"\n"
        finally:
            program.close()
    assert sorted(os.listdir(tmp_path)) == ["config", "notify", "socket", "stderr"]


def test_the_watchdog_is_fed_twice_in_its_time(tmp_path: Path) -> None:
    program = Program(tmp_path, WATCHDOG_USEC="200000")
    try:
        program.ready()
        program.heard("WATCHDOG=1")
        began = time.monotonic()
        for _ in range(10):
            program.heard("WATCHDOG=1")
        assert time.monotonic() - began > 0.3
    finally:
        program.close()


def test_the_watchdog_of_another_process_is_not_ours(tmp_path: Path) -> None:
    program = Program(tmp_path, WATCHDOG_USEC="1000", WATCHDOG_PID="1")
    try:
        program.ready()
        assert program.ask(b"hello") == b"one\n"
        program.process.terminate()
        assert "WATCHDOG=1" not in program.heard("=1")
    finally:
        program.close()


def test_a_defect_in_a_callback_is_logged_and_the_others_are_served(program: Program) -> None:
    program.ready()
    with program.connect() as client:
        client.sendall(b"defect\n")
        until(lambda: "ValueError: a defect" in program.log())
    assert program.ask(b"hello") == b"one\n"


def test_a_program_that_fails_says_why_and_ends_badly(tmp_path: Path) -> None:
    program = Program(tmp_path, FAIL="yes")
    try:
        assert program.process.wait(PATIENCE_S) != 0
        assert 'event="program failed" error="RuntimeError: a defect at start"' in program.log()
    finally:
        program.close()
