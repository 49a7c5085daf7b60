"""traced - a piece of work in a child process, watched and disturbed by strace(1) from its first system call to its
last.

The child is a fork of this process, which has everything imported: so there are no calls of the interpreter's start,
and each run makes the same calls. It says that it is ready, waits in poll(2) until strace has attached, and answers by
sendto(2), or by its exit status; what lies between is the work.
"""

from __future__ import annotations

import os
import re
import select
import socket
import subprocess
import traceback
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_CALL = re.compile(r"(?:(\d+) +)?(\w+)\(")
_GATE = {"poll", "restart_syscall"}
KILLED = "killed"


@dataclass(frozen=True, slots=True)
class Call:
    """The *number*th call of that name, by the *who*th thread or process; 0 is the one that begins."""

    name: str
    number: int
    who: int = 0

    def __str__(self) -> str:
        return f"{self.name} {self.number}" + (f" of thread {self.who}" if self.who else "")


@dataclass(frozen=True, slots=True)
class Work:
    """act: what is watched. before: what is not, in the same process."""

    act: Callable[[], str]
    before: Callable[[], object] = str


def run(work: Work, options: list[str] | None = None) -> str:
    """What *work* says in a child of its own, or its exit status; KILLED. options: of strace, none: without it."""
    ours, its = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        _child(its, work)
    its.close()
    with ours:
        ours.recv(1)  # What comes before the gate is not to be traced, nor to be disturbed.
        tracer = _attach(pid, options) if options is not None else None
        ours.send(b"go")
        _, status = os.waitpid(pid, 0)
        said = _answer(ours)
    if tracer is not None:
        tracer.communicate()
    if said:
        return said
    return KILLED if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}"


def _answer(ours: socket.socket) -> str:
    ours.setblocking(False)
    try:
        return ours.recv(4096).decode()
    except (ConnectionResetError, BlockingIOError):  # it has not read, or a process that it has left lives on
        return ""


def _child(its: socket.socket, work: Work) -> None:
    try:
        work.before()
        gate = select.poll()
        gate.register(its, select.POLLIN)
        its.send(b"r")
        gate.poll()
        its.send(work.act().encode())
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def _attach(pid: int, options: list[str]) -> subprocess.Popen[str]:
    tracer = subprocess.Popen(
        ["strace", "-p", str(pid), *options], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert tracer.stderr is not None
    said = tracer.stderr.readline()
    if "attached" not in said:
        raise OSError(said + tracer.stderr.read())
    return tracer


def calls(trace: str) -> list[Call]:
    """Those of the work, in the order of *trace*, which is what ``strace -f`` has written."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    people: dict[str, int] = {}
    found: list[Call] = []
    end, answer = 0, Call("", 0)
    for line in trace.splitlines():
        match = _CALL.match(line)
        if not match:
            continue
        pid, name = match[1] or "", match[2]
        who = people.setdefault(pid, len(people))
        counts[pid, name] += 1
        if name in _GATE and who == 0:
            found.clear()
            continue
        if name == "exit_group" and who == 0:
            end = len(found)
            if found and found[-1] == answer:
                end -= 1
            break
        found.append(Call(name, counts[pid, name], who))
        if name == "sendto" and who == 0:
            answer = found[-1]
    return found[:end]


def record(work: Work, output: Path) -> list[Call]:
    """The calls that *work* makes when nothing fails, with those of its threads and processes."""
    run(work, ["-f", "-o", str(output)])
    return calls(output.read_text(errors="replace"))


def disturb(work: Work, call: Call, fault: str, output: Path) -> tuple[str, bool]:
    """What *work* says when *call* fails; and whether it has come to that call. fault: EIO, ..., or KILL."""
    what = "signal=KILL" if fault == "KILL" else f"error={fault}"
    options = ["-o", str(output), "-e", f"trace={call.name}"]
    options += ["-e", f"inject={call.name}:{what}:when={call.number}", *(["-f"] if call.who else [])]
    said = run(work, options)
    text = output.read_text(errors="replace")
    return said, "killed by SIGKILL" in text if fault == "KILL" else "(INJECTED)" in text
