"""__main__ - the demonstration: starts a house, tells the story, and leaves it to be looked at.

python -m demo [--once]
"""

from __future__ import annotations

import argparse
import signal
import sys
import time

from demo.daemons import HouseError
from demo.house import House
from demo.letters import ALICE, BOB
from demo.narrator import Narrator
from demo.story import LIMIT, PASSWORDS, ZONE, Story

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Exit status 0 only if every step was seen to work."""
    parser = argparse.ArgumentParser(
        "demo", description="A private mail server on the loopback interface, and a story."
    )
    parser.add_argument(
        "--once", action="store_true", help="stop after the story; exit status 0 if all of it worked"
    )
    once = parser.parse_args().once
    for number in ENDINGS:
        signal.signal(number, _interrupted)
    narrator = Narrator()
    started = time.monotonic()
    narrator.say("Postfix, Dovecot and Tamis are started in a directory of their own ...")
    try:
        with House(PASSWORDS, memorable_ports=True, user_limit=f"{LIMIT}/1h", zone=ZONE) as house:
            narrator.say(f"They serve, after {time.monotonic() - started:.1f} s, in {house.layout.root}")
            good = Story(house, narrator).tell()
            if good:
                narrator.say(f"\nEvery step was seen to work, after {time.monotonic() - started:.1f} s.")
            if not once and good:
                narrator.say(_invitation(house))
                _wait()
    except HouseError as exc:
        print(f"\n{exc}", file=sys.stderr)
        return 1
    except Interrupted:
        narrator.say("\nInterrupted; everything was stopped and removed.")
        return 1
    return 0 if good else 1


class Interrupted(BaseException):
    """A signal asked us to end. No handler of Exception may keep it."""


def _interrupted(number: int, frame: object) -> None:
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)  # the second Ctrl-C must not interrupt the clean-up
    raise Interrupted


def _wait() -> None:
    try:
        signal.pause()
    except Interrupted:
        print("\nStopping ...", flush=True)


def _invitation(house: House) -> str:
    ports = house.layout.ports
    return f"""
The server is yours until Ctrl-C. Thunderbird (or any other program), on this machine:

    users      {ALICE}, password {PASSWORDS[ALICE]};  {BOB}, password {PASSWORDS[BOB]}
    incoming   IMAP 127.0.0.1 port {ports.imap} STARTTLS, or port {ports.imaps} TLS
               POP3 127.0.0.1 port {ports.pop3} STARTTLS, or port {ports.pop3s} TLS
    outgoing   SMTP 127.0.0.1 port {ports.submission} STARTTLS, or port {ports.smtps} TLS; normal password
    filters    ManageSieve 127.0.0.1 port {ports.sieve}
    metrics    http://127.0.0.1:{ports.policyd_metrics}/metrics, :{ports.milter_metrics}, :{ports.lda_metrics}

The certificate is self-signed: confirm the exception once. Nothing leaves this machine.
Configuration and logs: {house.layout.root}/etc, {house.layout.root}/log"""


if __name__ == "__main__":
    sys.exit(main())
