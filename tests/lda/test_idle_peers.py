"""Peers that say nothing do not take the descriptors that deliveries need."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.lda.site import IS_ROOT, make_site


@contextmanager
def soft_limit(files: int) -> Iterator[None]:
    """What is started meanwhile may open so many, unless it raises that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_idle_peers_than_the_usual_limit_hold_up_nobody() -> None:
    with make_site() as site, ExitStack() as peers:
        site.configure('user = "nobody"' if IS_ROOT else 'user = ""', "workers = 1")
        with soft_limit(128):
            site.start()
        for _ in range(200):
            peer = peers.enter_context(socket.socket(socket.AF_UNIX))
            peer.connect(str(site.path / "lmtp.sock"))
            peer.settimeout(60)
            assert peer.recv(4) == b"220 "
        assert site.lda("-f", "s@a", "-d", "u@b") == (0, "")
        assert len(site.inbox("u")) == 1
