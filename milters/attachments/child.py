"""child - the process in which attachments are looked into: it has nothing to lose, and can be killed.

It takes jobs from the socket that is its standard input, one at a time: a packet with the descriptor of a file in
memory that holds the message, then what to do (pickled by our own parent), then how long that is (8 bytes). Its answer
is one packet of JSON. It cannot open files nor start programs, its memory and time are bounded; it ends with its
parent.
"""

from __future__ import annotations

import json
import mmap
import os
import pickle
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict

from milters.attachments.inspect import Attachment, Report, inspect
from milters.attachments.limits import Limits
from milters.attachments.real_type import library
from milters.attachments.rules import Rule

READY = b"ready"
LENGTH_BYTES = 8
IDLE_S = 60.0  # then its memory is given back; the next message starts another one

_SPARE_BYTES = 128 << 20
_SPARE_CPU_S = 2
_DESCRIPTORS = 16

Job = tuple[tuple[Attachment, ...], tuple[Rule, ...], Limits]


def main() -> int:
    """Until the parent is gone, or has nothing to do for a while."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a stop is for the parent, which has messages in flight
    parent = socket.socket(fileno=0)
    real_type = _library()
    _close_doors()
    base_bytes = _address_space()
    parent.settimeout(IDLE_S)
    parent.send(READY)
    while True:
        try:
            packet, descriptors, _, _ = socket.recv_fds(parent, 16, 1)
        except TimeoutError:
            return 0
        if not packet or not descriptors:
            return 0
        with mmap.mmap(descriptors[0], 0, access=mmap.ACCESS_READ) as memory:
            os.close(descriptors[0])
            report = _do(memory, base_bytes, real_type)
        parent.send(json.dumps(asdict(report)).encode())


def _library() -> Callable[[bytes], str] | None:
    """A rule that needs it is a problem of the configuration where it is missing."""
    with suppress(ImportError):
        return library()
    return None


def _close_doors() -> None:
    """For good: no new processes, no core, no file that grows; few descriptors, which are there for the jobs."""
    os.chdir("/")
    for what, most in (
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _DESCRIPTORS),
    ):
        resource.setrlimit(what, (most, most))


def _do(memory: mmap.mmap, base_bytes: int, real_type: Callable[[bytes], str] | None) -> Report:
    length = int.from_bytes(memory[-LENGTH_BYTES:], "big")
    job: Job = pickle.loads(memory[-LENGTH_BYTES - length : -LENGTH_BYTES])  # our parent's
    attachments, rules, limits = job
    used_s = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = int(used_s.ru_utime + used_s.ru_stime + limits.seconds) + _SPARE_CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, resource.RLIM_INFINITY))
    most_bytes = base_bytes + 4 * (len(memory) + limits.unpacked) + _SPARE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most_bytes, resource.RLIM_INFINITY))
    return inspect(memory, attachments, rules, limits, time.monotonic, real_type)


def _address_space() -> int:
    """What this process has mapped now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * mmap.PAGESIZE


if __name__ == "__main__":
    sys.exit(main())
