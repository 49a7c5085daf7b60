"""tamis-lda has three ends: 0, 75, and an explicit 5.x.x; whatever the engine, the admin or the system do.

The real script runs as pipe(8) runs it: stdout and stderr are one stream."""

from __future__ import annotations

import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest

from lda.client.compile import compile_client
from lda.handoff.protocol import Handoff

PIPE = Path(__file__).parents[3] / "lda" / "client" / "pipe.py"
ISOLATED = [sys.executable, "-I", "-S", str(PIPE)]
HOW = {
    "under test": ISOLATED,
    "console script": [sys.executable, "-c", "from lda.client.pipe import main; main()"],
}
MESSAGE = b"From: a@b\nSubject: x\n\nbody\n"


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client in C, with the Python one beside it, as an installation has them."""
    program = tmp_path_factory.mktemp("bin") / "tamis-lda"
    strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsanitize=address,undefined"]
    subprocess.run(["cc", "-O1", *strict, "-o", program, PIPE.with_name("tamis-lda.c")], check=True)
    beside = program.with_name("tamis-lda-python")
    beside.write_text(f'#!/bin/sh\nexec {shlex.join(ISOLATED)} "$@"\n')
    beside.chmod(0o755)
    return program


@pytest.fixture(params=["python", "compiled"], autouse=True)
def _client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both clients are bound by all of this."""
    if request.param == "compiled":
        monkeypatch.setitem(HOW, "under test", [str(request.getfixturevalue("compiled"))])


class Engine:
    """A listening socket; each connection is handed to *manner*."""

    def __init__(self, path: Path, manner: Callable[[socket.socket], None]) -> None:
        self.path = path
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._manner = manner
        self._thread = Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            peer, _ = self._socket.accept()
            with peer:
                if not peer.recv(1, socket.MSG_PEEK):
                    return
                self._manner(peer)

    def take(self, peer: socket.socket) -> None:
        """Read one request whole."""
        handoff, message, files = Handoff(), b"", []
        while not handoff.complete:
            data, came, _, _ = socket.recv_fds(peer, 65536, 1)
            files += came
            message += handoff.feed(data)
        if handoff.start is not None:
            message = os.pread(files[0], handoff.message_bytes + 1, handoff.start)
        for file in files:
            os.close(file)
        self.requests.append((handoff.envelope, message))

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(self.path))
        self._thread.join()
        self._socket.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Callable[[bytes], Engine]]:
    """An engine that reads the message and sends *answer*."""
    engines: list[Engine] = []

    def start(answer: bytes) -> Engine:
        def manner(peer: socket.socket) -> None:
            engines[0].take(peer)
            peer.sendall(answer)

        engines.append(Engine(tmp_path / "lda.sock", manner))
        return engines[0]

    yield start
    for one in engines:
        one.close()


def lda(
    tmp_path: Path,
    *arguments: str,
    message: bytes = MESSAGE,
    how: str = "under test",
    env: dict[str, str] | None = None,
) -> tuple[int, bytes]:
    """Exit status and the one stream that pipe(8) reads."""
    command = [
        *HOW[how],
        "--engine",
        str(tmp_path / "lda.sock"),
        "-c",
        str(tmp_path / "none.toml"),
        *arguments,
    ]
    done = subprocess.run(
        command,
        input=message,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        env=env or {},
        check=False,
    )
    return done.returncode, done.stdout


def is_deferred(end: tuple[int, bytes]) -> bool:
    status, stream = end
    return status == 75 and stream.startswith(b"4.3.") and stream.count(b"\n") == 1 and stream.endswith(b"\n")


@pytest.mark.parametrize("how", sorted(HOW))
def test_the_engine_gets_envelope_and_message_and_its_answer_is_the_end(
    tmp_path: Path, engine: Callable[[bytes], Engine], how: str
) -> None:
    resident = engine(b"0 2.0.0 Delivered\n")
    end = lda(
        tmp_path, "-f", "s@a", "-a", "o@b", "-d", "u@b", "-m", "", "--queue-id=4ABC", "-e", "-k", how=how
    )
    assert end == (0, b"")
    envelope = {
        "user": "u@b",
        "sender": "s@a",
        "original_recipient": "o@b",
        "mailbox": "",
        "queue_id": "4ABC",
    }
    assert resident.requests == [(envelope, MESSAGE)]


ANSWERS = [
    (b"0 2.0.0 Delivered\n", 0, b""),
    (b"0 \n", 0, b""),
    (b"67 5.1.1 User unknown\n", 67, b"5.1.1 User unknown\n"),
    (b"69 5.7.1 No\n", 69, b"5.7.1 No\n"),
    (b"75 4.2.2 The mailbox is full\n", 75, b"4.2.2 The mailbox is full\n"),
]


@pytest.mark.parametrize(("answer", "status", "stream"), ANSWERS)
def test_answers_pass_through(
    tmp_path: Path, engine: Callable[[bytes], Engine], answer: bytes, status: int, stream: bytes
) -> None:
    engine(answer)
    assert lda(tmp_path, "-d", "u@b") == (status, stream)


NONSENSE = [
    b"", b"\n", b"0", b"0 2.0.0 Delivered", b"1 5.0.0 x\n", b"67 4.1.1 x\n", b"75 5.1.1 x\n", b"69 5.7.1\n",
    b"69 5.7.1 \n", b"69 no code\n", b"127 5.0.0 x\n", b"-1 5.0.0 x\n", b"00 \n", b"71 5.0.0 x\n",
    b"69 5.7.1 a\tb\n", b"69 5.1234.1 x\n",
    b"HTTP/1.1 200 OK\r\n\r\n", b"69 5.7.1 \xff\n", b"69 5.7.1 a\n69 5.7.1 b\n", b"x" * 10000, b"away",
]  # fmt: skip


@pytest.mark.parametrize("answer", NONSENSE)
def test_a_malformed_answer_defers(tmp_path: Path, engine: Callable[[bytes], Engine], answer: bytes) -> None:
    engine(answer)
    assert is_deferred(lda(tmp_path, "-d", "u@b"))


@pytest.mark.parametrize("taken", [0, 1, 10, 30, 60, 1 << 20])
def test_an_engine_that_dies_at_any_point_defers(tmp_path: Path, taken: int) -> None:
    dying = Engine(tmp_path / "lda.sock", lambda peer: _read(peer, taken))
    try:
        assert is_deferred(lda(tmp_path, "-d", "u@b", message=b"x" * (1 << 20)))
    finally:
        dying.close()


def _read(peer: socket.socket, size: int) -> None:
    while size > 0 and (piece := peer.recv(min(size, 65536))):
        size -= len(piece)


@pytest.mark.parametrize("reads", [True, False])
def test_an_engine_that_hangs_defers_at_the_deadline(tmp_path: Path, reads: bool) -> None:
    def hang(peer: socket.socket) -> None:
        if reads:
            peer.settimeout(0.1)
            with suppress(TimeoutError):
                _read(peer, 1 << 30)
        until_gone = select.poll()
        until_gone.register(peer, 0)
        until_gone.poll(20_000)

    hanging = Engine(tmp_path / "lda.sock", hang)
    try:
        end = lda(tmp_path, "-d", "u@b", "--deadline", "0.3", message=b"x" * (1 << 20))
    finally:
        hanging.close()
    assert end == (75, b"4.3.0 The delivery took too long, try again later\n")


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_an_engine_does_not_wait_for_what_could_not_be_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait_for_the_end(peer: socket.socket) -> None:
        while peer.recv(65536):
            pass

    fault = ["-f", "-o", "/dev/null", "-e", "inject=sendto,sendmsg:error=EIO:when=1"]
    monkeypatch.setitem(HOW, "disturbed", ["strace", *fault, *HOW["under test"]])
    waiting = Engine(tmp_path / "lda.sock", wait_for_the_end)
    try:
        end = lda(tmp_path, "-f", "s@a", "-d", "u@b", "--deadline", "50", how="disturbed")
    finally:
        waiting.close()
    assert end == (75, b"4.3.0 The delivery engine went away, try again later\n")


MISTAKES = [
    ["--bad"],
    ["-x"],
    ["u@b"],
    ["-d"],
    ["-d", "u@b", "v@b"],
    ["-d", "u@b", "-d", "v@b"],
    ["-f", "-d", "u@b"],
    ["-d", ""],
    ["-d", "u@b", "-o", "mail_location=x"],
    ["-d", "u@b", "--deadline", "soon"],
    ["-d", "u@b", "-p", "/nonexistent"],
    ["--user"],
    ["-"],
    ["-ex"],
    ["--help"],
]


@pytest.mark.parametrize("arguments", MISTAKES)
def test_a_mistake_in_master_cf_never_bounces(tmp_path: Path, arguments: list[str]) -> None:
    assert is_deferred(lda(tmp_path, *arguments))


def test_without_engine_and_configuration_mail_waits(tmp_path: Path) -> None:
    assert is_deferred(lda(tmp_path, "-d", "u@b"))
    assert is_deferred(lda(tmp_path))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_defers(tmp_path: Path, number: signal.Signals) -> None:
    """While it waits for the message's end."""
    with subprocess.Popen(
        [*HOW["under test"], "-d", "u@b"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdin
        process.stdin.write(b"x" * (1 << 18))  # more than a pipe holds: it has started to read
        process.stdin.flush()
        process.send_signal(number)
        assert process.stdout
        assert process.stdout.read().startswith(b"4.3.0 The delivery was interrupted by signal")
        process.stdin.close()
        assert process.wait(20) == 75


@pytest.mark.parametrize("closed", ["stdin", "stdout"])
def test_a_closed_descriptor_defers(tmp_path: Path, closed: str) -> None:
    fd = {"stdin": "0<&-", "stdout": ">&-"}[closed]
    command = [
        "sh",
        "-c",
        f'exec "$@" {fd}',
        "sh",
        *HOW["under test"],
        "-d",
        "u@b",
        "-c",
        str(tmp_path / "none"),
    ]
    done = subprocess.run(command, input=MESSAGE, capture_output=True, timeout=60, check=False)
    assert done.returncode == 75


SENDERS = [
    (["-f", ""], MESSAGE, ""),
    (["-f", "<>"], MESSAGE, ""),
    (["-f", "MAILER-DAEMON"], MESSAGE, ""),
    (["-f", "<s@a>"], MESSAGE, "s@a"),
    (["-fs@a"], MESSAGE, "s@a"),
    (["--sender="], MESSAGE, ""),
    (["--sender=s@a"], MESSAGE, "s@a"),
    ([], b"From s@a  Mon Jan  1 00:00:00 2024\n" + MESSAGE, "s@a"),
    ([], b"Return-Path: <s@a>\n" + MESSAGE, "s@a"),
    (["-f", "x@y"], b"Return-Path: <s@a>\n" + MESSAGE, "x@y"),
]


@pytest.mark.parametrize(("arguments", "message", "sender"), SENDERS)
def test_who_the_sender_is(
    tmp_path: Path, engine: Callable[[bytes], Engine], arguments: list[str], message: bytes, sender: str
) -> None:
    resident = engine(b"0 \n")
    assert lda(tmp_path, *arguments, "-d", "u@b", message=message) == (0, b"")
    assert resident.requests[0][0].get("sender") == sender


@pytest.mark.parametrize("more", [0, 2 << 20])
def test_the_from_line_of_local_is_no_part_of_the_message(
    tmp_path: Path, engine: Callable[[bytes], Engine], more: int
) -> None:
    resident = engine(b"0 \n")
    message = MESSAGE + b"x" * more
    lda(tmp_path, "-f", "s@a", "-d", "u@b", message=b"From s@a  Mon Jan  1 00:00:00 2024\n" + message)
    assert resident.requests[0][1] == message


@pytest.mark.parametrize("size", [0, 1, 100_000, 1 << 20, (1 << 20) + 1, 20 << 20])
def test_messages_of_any_size_arrive_whole(
    tmp_path: Path, engine: Callable[[bytes], Engine], size: int
) -> None:
    resident = engine(b"0 \n")
    message = os.urandom(1 << 16) * (size // (1 << 16) + 1)
    assert lda(tmp_path, "-d", "u@b", message=message[:size]) == (0, b"")
    assert resident.requests[0][1] == message[:size]


def test_a_file_may_be_delivered(tmp_path: Path, engine: Callable[[bytes], Engine]) -> None:
    resident = engine(b"0 \n")
    (tmp_path / "mail").write_bytes(MESSAGE)
    assert lda(tmp_path, "-d", "u@b", "-p", str(tmp_path / "mail"), message=b"") == (0, b"")
    assert resident.requests[0][1] == MESSAGE


def test_a_file_that_is_not_there_is_told_by_that(tmp_path: Path) -> None:
    end = lda(tmp_path, "-d", "u@b", "-p", str(tmp_path / "mail"))
    assert end == (75, b"4.3.0 The message could not be read: No such file or directory\n")


def test_options_without_argument_may_stand_before_another(
    tmp_path: Path, engine: Callable[[bytes], Engine]
) -> None:
    resident = engine(b"0 \n")
    assert lda(tmp_path, "-ekd", "u@b", "-kefs@a") == (0, b"")
    assert resident.requests[0][0] == {"user": "u@b", "sender": "s@a"}


def test_who_asks_for_help_is_told_the_options(tmp_path: Path) -> None:
    status, text = lda(tmp_path, "--help")
    assert status == 75
    assert text.startswith(b"4.3.0 tamis-lda [-ek] [-a address] ")


def test_octets_in_addresses_survive(tmp_path: Path, engine: Callable[[bytes], Engine]) -> None:
    resident = engine(b"0 \n")
    name = b"gr\xc3\xbcn\xff@b".decode("utf-8", "surrogateescape")
    assert lda(tmp_path, "-d", name, env={"LANG": "C"}) == (0, b"")
    assert resident.requests[0][0]["user"] == name


def test_settings_that_mean_something_are_passed_on(
    tmp_path: Path, engine: Callable[[bytes], Engine]
) -> None:
    resident = engine(b"0 \n")
    arguments = ["-o", "lda_mailbox_autocreate=yes", "-o", "lda_mailbox_autosubscribe=no"]
    assert lda(tmp_path, "-d", "u@b", *arguments) == (0, b"")
    assert resident.requests[0][0] == {"user": "u@b", "create": "yes", "subscribe": "no"}


def test_it_needs_nothing_but_what_is_built_in(tmp_path: Path, engine: Callable[[bytes], Engine]) -> None:
    """Start time is the cost of a message: no module of the library's that is slow to load, and none of ours."""
    engine(b"0 \n")
    code = (
        "import sys, posix; leave = posix._exit\n"
        "posix._exit = lambda status: (print(sorted(sys.modules), file=sys.stderr), leave(status))\n"
        "from lda.client.pipe import main; main()"
    )
    command = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        f"import sys; sys.path.insert(0, {str(PIPE.parents[2])!r})\n{code}",
    ]
    done = subprocess.run(
        [*command, "--engine", str(tmp_path / "lda.sock"), "-d", "u@b"],
        input=b"",
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    loaded = set(eval(done.stderr))
    assert not loaded & {
        "os",
        "re",
        "typing",
        "socket",
        "signal",
        "enum",
        "argparse",
        "tamis",
        "lda.__main__",
        "site",
    }


@pytest.mark.parametrize("size", [0, 1, 100_000, 3 << 20])
def test_what_an_engine_without_the_rights_leaves_to_us_is_whole(
    tmp_path: Path, engine: Callable[[bytes], Engine], compiled: Path, size: int
) -> None:
    """The compiled client has read the message already when it calls the other one."""
    engine(b"away nothing done\n")
    program = shutil.copy(compiled, tmp_path / "tamis-lda")
    beside = tmp_path / "tamis-lda-python"
    beside.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/arguments\ncat >{tmp_path}/message\nexit 67\n'
    )
    beside.chmod(0o755)
    message = b"From s@a  Mon Jan  1 00:00:00 2024\n" + os.urandom(size)
    arguments = ["--engine", str(tmp_path / "lda.sock"), "-f", "s@a", "-d", "u@b"]
    done = subprocess.run([program, *arguments], input=message, check=False)
    assert done.returncode == 67
    assert (tmp_path / "message").read_bytes() == message
    assert (tmp_path / "arguments").read_text().split() == arguments


def test_without_a_compiler_the_script_starts_the_python_client(
    tmp_path: Path, engine: Callable[[bytes], Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "/nonexistent/cc")
    program = tmp_path / "bin" / "tamis-lda"
    program.parent.mkdir()
    assert not compile_client(program)
    beside = program.with_name("tamis-lda-python")
    beside.write_text(f'#!/bin/sh\nexec {shlex.join(ISOLATED)} "$@"\n')
    beside.chmod(0o755)
    (tmp_path / "link").symlink_to(program)
    monkeypatch.setitem(HOW, "under test", [str(tmp_path / "link")])
    engine(b"67 5.1.1 User unknown\n")
    assert lda(tmp_path, "-d", "u@b") == (67, b"5.1.1 User unknown\n")
