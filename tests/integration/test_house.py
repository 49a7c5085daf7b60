"""The house itself: contrib/ is what it runs on, and nothing of it is left when it is gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from demo import clients, letters
from demo.daemons import accepts, wait_for
from demo.dovecot import version
from demo.house import House
from demo.layout import REPOSITORY, Layout, Ports
from demo.reaper import inhabitants

pytestmark = pytest.mark.integration

OWNER = """
import signal, sys
from tests.integration.conftest import make_house
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
with make_house() as house:
    print(house.layout.root, house.layout.ports.smtp, flush=True)
    signal.pause()
"""


@pytest.mark.parametrize(
    "ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda ending: ending.name
)
def test_nothing_outlives_its_owner(ending: signal.Signals) -> None:
    """Not even when the owner has no chance to clean up."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        root, port = owner.stdout.readline().split()
        assert list(inhabitants(root))
        owner.send_signal(ending)
        owner.wait(60)
    wait_for("the reaper", lambda: not Path(root).exists(), 30)
    assert not list(inhabitants(root))
    assert not accepts(int(port))


def test_postfix_and_dovecot_like_what_contrib_says(house: House) -> None:
    etc = house.layout.path("/etc/postfix")
    for command in (
        ["postconf", "-c", etc, "-n"],
        ["postconf", "-c", etc, "-M"],
        ["postconf", "-c", etc, "-P"],
    ):
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        assert not result.stderr
    conf = house.layout.path("/etc/dovecot/dovecot.conf")
    result = subprocess.run(["doveconf", "-c", conf, "-n"], capture_output=True, text=True, check=True)
    assert not result.stderr


def test_rendering_leaves_no_path_and_no_account_of_a_real_host() -> None:
    layout = Layout(Path("/house"), Ports())
    flavour = "2.4" if version() >= (2, 4) else "2.3"
    for name in ("postfix/main.cf", "postfix/master.cf", f"dovecot/tamis-{flavour}.conf", "tamis/tamis.toml"):
        lines = [line for line in layout.contrib(name).splitlines() if not line.startswith("#")]
        for word in (
            "vmail:",
            " vmail",
            "=vmail",
            '"tamis"',
            " /etc",
            " /run",
            " /var",
            "=/opt",
            ":/var",
            ":9417",
        ):
            assert not [line for line in lines if word in line], (name, word)


@pytest.mark.parametrize(
    "path", sorted(Path(REPOSITORY, "contrib").glob("*/*.c*f*")), ids=lambda path: path.name
)
def test_each_file_of_contrib_says_what_it_does_and_how_to_undo_it(path: Path) -> None:
    head = path.read_text()[:2500]
    assert "Undo:" in head
    assert "Install:" in head


def test_no_process_of_the_house_runs_what_an_ordinary_account_could_change(house: House) -> None:
    """Programs and configuration belong to root and nobody else may write them."""
    for path in [*house.layout.path("/opt/tamis").rglob("*"), *house.layout.path("/etc").rglob("*")]:
        status = path.lstat()
        assert status.st_uid == 0, path
        assert path.is_symlink() or not status.st_mode & 0o022, path
    assert os.geteuid() == 0


def test_trace_tells_the_whole_way_of_a_message(house: House) -> None:
    """Policy daemon, milter and delivery agent are joined by queue id, the first RCPT included, which had none."""
    raw = letters.letter(letters.CAROL, "letters@example.org", "To be traced", b"Where am I?\n")
    with clients.outside(house.layout.ports.smtp, "192.0.2.10", "mail.outside.example") as client:
        reply = clients.send(client, letters.CAROL, "letters@example.org", raw)
    queue_id = reply.text.rpartition(" ")[2]
    command = [sys.executable, "-m", "tamis.cli", "trace", queue_id, "--json", "--journal"]
    journal = house.layout.path("/var/lib/tamis/journal")

    def programs() -> list[str]:
        done = subprocess.run([*command, journal], capture_output=True, text=True, check=False)
        records = [json.loads(line) for line in done.stdout.splitlines()]
        return [f"{record['program']} {record.get('stage', '')}".strip() for record in records]

    wanted = ["policyd RCPT", "policyd DATA", "milter END-OF-MESSAGE", "lda"]
    wait_for("the delivery's record", lambda: programs() == wanted, 30)
