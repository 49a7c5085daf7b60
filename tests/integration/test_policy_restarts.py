"""A policy daemon that is reloaded, restarted or crowded while smtpd asks it: nobody notices."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import ExitStack
from socket import AF_UNIX, socket

import pytest

from tests.integration.relay import OBEYED, REFUSED, SENDER, codes, wired
from tests.policyd.daemon import ACCOUNT, Client, Daemon, users, workplace
from tests.policyd.requests import attributes, wire

pytestmark = pytest.mark.integration


def test_reloads_under_load_refuse_nobody_and_a_bad_file_keeps_the_rules() -> None:
    with wired(SENDER.format(limits="1000000/1d")) as (door, line):
        heard: list[int] = []
        stop = threading.Event()

        def load(number: int) -> None:
            with door.postfix.session() as client:
                while not stop.is_set():
                    people = [f"r{n}@example.com" for n in range(5)]
                    heard.extend(codes(client, *people, sender=f"a{number}@example.net"))

        threads = [threading.Thread(target=load, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        try:
            for round_ in range(6):
                limits = f"{1000001 + round_}/1d"
                door.daemon.reload(SENDER.format(limits=limits), OBEYED)
                door.daemon.reload(SENDER.format(limits="many"), REFUSED)
                known = len(heard)
                door.daemon.wait_for(lambda known=known: len(heard) > known + 20)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert set(heard) == {250}
        assert set(line.replies) == {b"action=DUNNO\n\n"}
        assert line.connections <= 6
        assert not door.postfix.warnings()


ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="policyd")
os.execv(sys.argv[2], sys.argv[2:])
"""


class Activated(Daemon):
    """One that systemd has opened the socket for; the socket outlives it."""

    listener: socket

    def start(self) -> None:
        self.configure(self.checks)
        number = self.listener.fileno()
        command = [self.command()[0], "-c", ACTIVATE, str(number), *self.command()]
        with (self.directory / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, pass_fds=[3, number] if number != 3 else [3])
        ready = f"pid={self.process.pid} level=info event=ready"
        self.wait_for(lambda: ready in self.log)


def test_restarts_on_a_socket_that_systemd_holds_lose_no_request_and_forget_nothing() -> None:
    """Who connects meanwhile waits and is answered; a peer whose connection ends asks again, as smtpd does."""
    with ExitStack() as stack:
        directory = stack.enter_context(workplace())
        daemon = Activated(directory, users("300/1d"))
        daemon.listener = stack.enter_context(socket(AF_UNIX))
        daemon.listener.bind(str(daemon.socket))
        daemon.listener.listen(1024)
        if ACCOUNT:
            daemon.socket.chmod(0o666)
        stack.callback(daemon.close)
        daemon.start()
        heard: list[str] = []

        def asks(number: int) -> None:
            client = Client(daemon.socket)
            for n in range(200):
                instance = f"{number}.1.2.{n:x}"
                for _ in range(20):
                    try:
                        heard.append(client.ask(instance=instance))
                        break
                    except (EOFError, BrokenPipeError, ConnectionResetError):
                        client.close()
                        client = Client(daemon.socket)  # never refused
            client.close()

        threads = [threading.Thread(target=asks, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for step in range(1, 4):
            daemon.wait_for(lambda step=step: len(heard) > step * 100)
            assert daemon.stop(signal.SIGTERM) == 0
            daemon.start()
        for thread in threads:
            thread.join()
        assert len(heard) == 800
        assert heard.count("DUNNO") == 300
        assert all(action == "DUNNO" or action.startswith("DEFER") for action in heard)


def test_peers_that_stop_in_the_middle_of_a_request_keep_nobody_waiting() -> None:
    with ExitStack() as stack:
        daemon = Daemon(stack.enter_context(workplace()), users("100000/1d"))
        daemon.start()
        stack.callback(daemon.close)
        whole = wire(attributes(instance="half.1.2.3"))
        halves = [daemon.client() for _ in range(100)]
        for number, half in enumerate(halves):
            half.peer.sendall(whole[: 1 + 8 * number])
        client = daemon.client()
        assert {client.ask(instance=f"{n}.1.2.3") for n in range(50)} == {"DUNNO"}
        for number, half in enumerate(halves):
            half.peer.sendall(whole[1 + 8 * number :])
            assert half.hear() == "DUNNO"


def test_while_nobody_accepts_two_hundred_and_fifty_five_peers_may_knock() -> None:
    """Daemons with listen(5) refuse the sixth smtpd."""
    with ExitStack() as stack:
        directory = stack.enter_context(workplace())
        daemon = Daemon(directory, users("100000/1d"))
        daemon.start()
        stack.callback(daemon.close)
        os.kill(daemon.process.pid, signal.SIGSTOP)
        crowd = [daemon.client() for _ in range(255)]
        os.kill(daemon.process.pid, signal.SIGCONT)
        assert {client.ask(instance=f"{n}.1.2.3") for n, client in enumerate(crowd)} == {"DUNNO"}
