from __future__ import annotations

import grp
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tamis.errors import ConfigError
from tamis.log import Log
from tamis.service import Activation, open_listener, open_listeners

HAS_IPV6 = Path("/proc/net/if_inet6").exists() and "00000001 01" in Path("/proc/net/if_inet6").read_text()

SERVER = """
import sys
from tamis.service import open_listener
listener = open_listener(sys.argv[1])
print("listening", flush=True)
sys.stdin.read()
"""


def ask(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(30)
    try:
        client.connect(str(path))
    except OSError:
        client.close()
        raise
    return client


def answer(listener: socket.socket, word: bytes) -> None:
    listener.settimeout(30)
    with listener.accept()[0] as connection:
        connection.sendall(word)


@pytest.fixture
def other_server(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that listens on ``policyd``."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, f"unix:{tmp_path}/policyd"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "listening\n"
        yield server
        server.kill()


def test_a_unix_socket_has_its_mode_and_group_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "policyd"
    group = grp.getgrgid(os.getgroups()[0] if os.geteuid() else grp.getgrnam("mail").gr_gid)
    old = os.umask(0o077)
    try:
        with open_listener(f"unix:{path}", 0o660, group.gr_name):
            found = path.stat()
            assert stat.S_ISSOCK(found.st_mode)
            assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o660, group.gr_gid)
            assert os.listdir(tmp_path) == ["policyd"]
    finally:
        os.umask(old)


def test_listeners_do_not_block_and_are_not_inherited(tmp_path: Path) -> None:
    for spec in (f"unix:{tmp_path}/policyd", "inet:127.0.0.1:0"):
        with open_listener(spec) as listener:
            assert not listener.get_inheritable()
            with pytest.raises(BlockingIOError):
                listener.accept()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", pytest.param("[::1]", marks=pytest.mark.skipif(not HAS_IPV6, reason="no IPv6"))]
)
def test_connections_over_tcp_inherit_nodelay(host: str) -> None:
    with open_listener(f"inet:{host}:0") as listener, socket.socket(listener.family) as client:
        client.connect(listener.getsockname())
        listener.settimeout(30)
        with listener.accept()[0] as connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_socket_of_a_killed_server_is_replaced(
    tmp_path: Path, other_server: subprocess.Popen[str]
) -> None:
    other_server.send_signal(signal.SIGKILL)
    other_server.wait()
    path = tmp_path / "policyd"
    with pytest.raises(ConnectionRefusedError):
        ask(path)
    with open_listener(f"unix:{path}") as listener, ask(path) as client:
        answer(listener, b"new")
        assert client.recv(9) == b"new"


def test_the_socket_of_a_living_server_is_not_stolen(
    tmp_path: Path, other_server: subprocess.Popen[str]
) -> None:
    before = (tmp_path / "policyd").stat().st_ino
    with pytest.raises(ConfigError, match="another server answers there"):
        open_listener(f"unix:{tmp_path}/policyd")
    assert (tmp_path / "policyd").stat().st_ino == before
    assert os.listdir(tmp_path) == ["policyd"]


def test_a_successor_that_takes_over_refuses_nobody(tmp_path: Path) -> None:
    """Who connected before is served by the old one, who connects after by the new one; nobody finds nothing."""
    path = tmp_path / "policyd"
    with open_listener(f"unix:{path}") as old, ask(path) as early:
        for _ in range(50):
            with open_listener(f"unix:{path}", take_over=True) as new, ask(path) as late:
                answer(new, b"new")
                assert late.recv(9) == b"new"
        answer(old, b"old")
        assert early.recv(9) == b"old"


def test_of_two_that_start_at_once_one_wins(tmp_path: Path) -> None:
    """Over the socket of a dead server, which both find dead."""
    path = tmp_path / "policyd"
    open_listener(f"unix:{path}").close()
    command = [sys.executable, "-c", SERVER, f"unix:{path}"]
    both = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]
    said = sorted(server.stdout.readline() for server in both if server.stdout)
    for server in both:
        server.communicate()
    assert said == [b"", b"listening\n"]


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_what_is_no_socket_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "policyd"
    match kind:
        case "file":
            path.write_text("precious")
        case "directory":
            path.mkdir()
        case "link":
            path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="it is no socket"):
        open_listener(f"unix:{path}", take_over=True)
    assert kind != "file" or path.read_text() == "precious"
    assert os.listdir(tmp_path) == ["policyd"]


def test_every_listener_that_cannot_be_opened_is_named_and_none_stays_open(tmp_path: Path) -> None:
    """The admin mends a file, not a line."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        specs = [
            f"unix:{tmp_path}/fine",
            f"inet:127.0.0.1:{port}",
            f"unix:{tmp_path}/none/policyd",
            "inet:203.0.113.7:25",
            "inet:here:25",
        ]
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(ConfigError) as failed:
            open_listeners("policyd", specs, Log.null(), Activation([]))
        assert len(os.listdir("/proc/self/fd")) == before
    told = [str(problem) for problem in failed.value.problems]
    assert [problem.key for problem in failed.value.problems] == specs[1:]
    assert told[0] == f"listen: inet:127.0.0.1:{port}: Address already in use"
    assert told[1].endswith("No such file or directory")


def test_a_group_that_does_not_exist_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='there is no group "nosuch"'):
        open_listener(f"unix:{tmp_path}/policyd", group="nosuch")
    assert os.listdir(tmp_path) == []


def test_a_listener_for_other_machines_is_warned_of(tmp_path: Path) -> None:
    lines: list[str] = []
    specs = ("inet:0.0.0.0:0", "inet:127.0.0.1:0", f"unix:{tmp_path}/x")
    for listener in open_listeners("policyd", specs, Log(lines.append), Activation([])):
        listener.close()
    warnings = [line for line in lines if "level=warning" in line]
    assert len(warnings) == 1
    assert warnings[0].endswith("address=inet:0.0.0.0:0")


def test_no_descriptor_is_leaked(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        open_listener(f"unix:{tmp_path}/policyd").close()
        with pytest.raises(ConfigError):
            open_listener(f"unix:{tmp_path}/none/policyd")
    assert len(os.listdir("/proc/self/fd")) == before
