"""listen - listening sockets: UNIX with mode and group, TCP over IPv4 and IPv6, or handed over by systemd.

A UNIX socket is bound to a temporary name and renamed, so that at any moment a client finds either the old or the
new one, with its final rights. What a dead server left behind is replaced; where a living one answers we do not
start, unless it is to be taken over: then its successor gets all new connections while the old one drains.
Nothing is unlinked at the end: the name may be the successor's by then.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import os
import pwd
import socket
import stat
import time
from collections.abc import Iterator, Sequence

from tamis.errors import ConfigError, Problem
from tamis.log import Log
from tamis.service.activation import Activation
from tamis.service.address import InetAddress, UnixAddress, parse_address

BACKLOG = 1024
LOCK_S = 5.0
LEAVING_S = 1.0  # workers notice the death of their parent a moment later


def open_listeners(
    name: str,
    specs: Sequence[str],
    log: Log,
    activation: Activation,
    *,
    mode: int = 0o660,
    owner: str = "",
    group: str = "",
    take_over: bool = False,
) -> tuple[socket.socket, ...]:
    """All sockets of the listener *name*: those that systemd handed over under this name, else those of *specs*.

    Raises ConfigError with every spec that cannot be listened on; then none is left open."""
    given = activation.take(name)
    if given:
        log.info("listening", listener=name, sockets=len(given), by="systemd")
        return given
    opened: list[socket.socket] = []
    problems: list[Problem] = []
    for spec in specs:
        try:
            opened.append(open_listener(spec, mode, group, owner=owner, take_over=take_over))
        except ConfigError as exc:
            problems += exc.problems
            continue
        log.info("listening", listener=name, address=spec)
        address = parse_address(spec)
        if isinstance(address, InetAddress) and address.exposed:
            log.warning("other machines may reach this listener, and it knows no password", address=spec)
    if problems:
        for listener in opened:
            listener.close()
        raise ConfigError(problems)
    return tuple(opened)


def open_listener(
    spec: str,
    mode: int = 0o660,
    group: str = "",
    backlog: int = BACKLOG,
    *,
    owner: str = "",
    take_over: bool = False,
) -> socket.socket:
    """One non-blocking listening socket. *mode*, *owner* and *group* are a UNIX socket's.

    *owner* is the account that the program becomes: two kinds of client can then reach it, one by owner and one by
    group. "": the process's; who is not root owns it anyway.

    Raises ConfigError."""
    try:
        address = parse_address(spec)
        if isinstance(address, InetAddress):
            return _open_inet(address, backlog)
        return _open_unix(address, mode, (owner, group), backlog, take_over)
    except OSError as exc:
        raise ConfigError([Problem("listen", 0, spec, exc.strerror or str(exc))]) from exc
    except ValueError as exc:
        raise ConfigError([Problem("listen", 0, spec, str(exc))]) from exc


def _open_inet(address: InetAddress, backlog: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with _closed_on_failure(socket.socket(family, socket.SOCK_STREAM)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address.host, address.port))
        return _listening(listener, backlog)


def _open_unix(
    address: UnixAddress, mode: int, owners: tuple[str, str], backlog: int, take_over: bool
) -> socket.socket:
    directory = os.path.dirname(address.path)
    temporary = os.path.join(directory, f".{os.getpid()}.tmp")
    with (
        _locked(directory),
        _closed_on_failure(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as listener,
    ):
        _refuse_to_steal(address.path, take_over)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        listener.bind(temporary)
        try:
            os.chown(temporary, _uid(owners[0]), _gid(owners[1]))
            os.chmod(temporary, mode)
            _listening(listener, backlog)
            os.rename(temporary, address.path)
        except BaseException:
            os.unlink(temporary)
            raise
        return listener


def _listening(listener: socket.socket, backlog: int) -> socket.socket:
    listener.listen(backlog)
    listener.setblocking(False)
    return listener


def _uid(owner: str) -> int:
    """-1 (as it is) for none, and where only root could give a file away."""
    if not owner or os.geteuid() != 0:
        return -1
    try:
        return pwd.getpwnam(owner).pw_uid
    except KeyError:
        raise ValueError(f'there is no user "{owner}"') from None


def _gid(group: str) -> int:
    if not group:
        return -1
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ValueError(f'there is no group "{group}"') from None


def _refuse_to_steal(path: str, take_over: bool) -> None:
    """Raises ValueError where *path* is no socket, or one on which somebody answers."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise ValueError("there is a file of this name, and it is no socket")
    except FileNotFoundError:
        return
    deadline = time.monotonic() + LEAVING_S
    while not take_over and _answers(path):
        if time.monotonic() > deadline:
            raise ValueError("another server answers there; stop it first")
        time.sleep(0.02)


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        error = probe.connect_ex(path)
    return error not in (errno.ECONNREFUSED, errno.ENOENT)


@contextlib.contextmanager
def _locked(directory: str) -> Iterator[None]:
    """Two that start at once look one after the other."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(fd)
        yield
    finally:
        os.close(fd)


def _lock(fd: int) -> None:
    """Raises ValueError when somebody keeps the lock for longer than any start takes."""
    deadline = time.monotonic() + LOCK_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ValueError("another process locks the directory") from None
            time.sleep(0.02)
        else:
            return


@contextlib.contextmanager
def _closed_on_failure(opened: socket.socket) -> Iterator[socket.socket]:
    try:
        yield opened
    except BaseException:
        opened.close()
        raise
