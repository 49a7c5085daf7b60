from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tamis.service import Activation

ROOT = Path(__file__).parent.parent.parent.parent

# Like systemd: the sockets are descriptors 3 and up of the process whose id the environment names.
SYSTEMD = """
import os, sys
names, fds, command = sys.argv[1], [int(word) for word in sys.argv[2].split(",")], sys.argv[3:]
for index, fd in enumerate(fds):
    os.dup2(fd, 3 + index)
os.environ.update(LISTEN_PID=os.environ.get("PRETEND") or str(os.getpid()), LISTEN_FDS=str(len(fds)))
os.environ["LISTEN_FDNAMES"] = names
os.execv(command[0], command)
"""

TAKE = """
import os, sys
from tamis.errors import ConfigError
from tamis.service import Activation
try:
    activation = Activation.from_environment()
except ConfigError as exc:
    sys.exit(str(exc))
for name in sys.argv[1:]:
    taken = activation.take(name)
    print(name, *[listener.getsockname()[1] for listener in taken])
    assert not any(listener.get_inheritable() or listener.getblocking() for listener in taken)
print("left", *activation.close())
assert not [name for name in os.environ if name.startswith("LISTEN_")]
"""


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    opened = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    yield opened
    for listener in opened:
        listener.close()


def activated(
    opened: list[socket.socket] | list[int], names: str, *command: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    fds = [given if isinstance(given, int) else given.fileno() for given in opened]
    high = [os.dup2(fd, 100 + index) for index, fd in enumerate(fds)]
    try:
        return subprocess.run(
            [sys.executable, "-c", SYSTEMD, names, ",".join(map(str, high)), sys.executable, *command],
            pass_fds=high, env=os.environ | {"PYTHONPATH": str(ROOT)} | environ, cwd=ROOT,
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
    finally:
        for fd in high:
            os.close(fd)


def ports(opened: list[socket.socket]) -> list[str]:
    return [str(listener.getsockname()[1]) for listener in opened]


def test_sockets_are_taken_by_name(sockets: list[socket.socket]) -> None:
    done = activated(sockets, "lmtp:handoff:odd", "-c", TAKE, "handoff", "lmtp")
    lmtp, handoff, _ = ports(sockets)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [f"handoff {handoff}", f"lmtp {lmtp}", "left odd"]


@pytest.mark.parametrize("names", ["", "tamis-policyd.socket:tamis-policyd.socket:unknown"])
def test_sockets_without_a_name_of_their_own_go_to_who_asks_first(
    sockets: list[socket.socket], names: str
) -> None:
    done = activated(sockets, names, "-c", TAKE, "policyd", "other")
    assert done.stdout.splitlines() == [" ".join(["policyd", *ports(sockets)]), "other", "left"]


def test_what_is_meant_for_another_process_is_not_touched(sockets: list[socket.socket]) -> None:
    done = activated(sockets, "policyd", "-c", TAKE, "policyd", PRETEND="1")
    assert (done.returncode, done.stdout) == (0, "policyd\nleft\n")


@pytest.mark.parametrize("kind", ["file", "datagram", "connected"])
def test_what_does_not_listen_is_refused(kind: str) -> None:
    with (
        open("/dev/null", "rb") as file,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagram,
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as connected,
    ):
        fds = {"file": file.fileno(), "datagram": datagram.fileno(), "connected": connected.fileno()}
        done = activated([fds[kind]], "policyd", "-c", TAKE, "policyd")
    assert done.returncode == 1
    assert done.stderr.startswith("systemd: policyd: file descriptor 3 is no ")


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_PID": "me", "LISTEN_FDS": "1"},
        {"LISTEN_PID": "PID", "LISTEN_FDS": ""},
        {"LISTEN_PID": "PID", "LISTEN_FDS": "x"},
        {"LISTEN_PID": "PID", "LISTEN_FDS": "0"},
        {"LISTEN_PID": "PID", "LISTEN_FDS": "-1"},
    ],
)
def test_an_odd_environment_is_no_activation(environ: dict[str, str]) -> None:
    environ = {name: word.replace("PID", str(os.getpid())) for name, word in environ.items()}
    assert Activation.from_environment(environ).take("policyd") == ()
    assert environ == {}


def test_a_restart_under_systemd_refuses_no_connection(tmp_path: Path) -> None:
    """The socket outlives the server: who connects between two lives is served by the second."""
    (tmp_path / "config").write_text("one")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen(16)
        high = os.dup2(listener.fileno(), 100)
        program = [sys.executable, "-m", "tests.tamis.service.program", str(tmp_path / "config"), "5"]
        command = [sys.executable, "-c", SYSTEMD, "program.socket", "100", *program]
        environ = os.environ | {"PYTHONPATH": str(ROOT)}
        try:
            for word in (b"one", b"two"):
                (tmp_path / "config").write_bytes(word)
                with socket.socket(socket.AF_UNIX) as client:
                    client.settimeout(20)
                    client.connect(str(tmp_path / "socket"))
                    client.sendall(b"hello\n")
                    with subprocess.Popen(
                        command, pass_fds=[high], env=environ, cwd=ROOT, stderr=subprocess.DEVNULL
                    ) as server:
                        assert client.recv(100) == word + b"\n"
                        server.kill()
        finally:
            os.close(high)
