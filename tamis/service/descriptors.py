"""descriptors - room for peers among the files that a process may have open.

The usual limit is 1024, meant for programs that use select(2); it may be raised to the hard one. Where that is too
low, there is room for fewer peers, so that their connections do not take what the work needs.
"""

from __future__ import annotations

import resource

from tamis.log import Log


def room_for(connections: int, reserved: int, log: Log) -> int:
    """Raise our limit as far as it may be; how many of *connections* there can be beside *reserved* other files."""
    limit = _raised(connections + reserved)
    room = min(connections, max(limit - reserved, limit // 2))
    if room < connections:
        log.warning("fewer connections than configured: raise LimitNOFILE", limit=limit, connections=room)
    return room


def _raised(wanted: int) -> int:
    """The limit, or *wanted* if there may be more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
