"""Which key signs: by domain, by day, by what DNS shows; and files that change, or are not as they should be."""

from __future__ import annotations

import asyncio
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from milters.keyring import ASK_S, Key, KeyFile, Keyring
from tamis.auth.dkim_key import BadKey
from tamis.auth.keys import make_key, read_key
from tamis.check import Services
from tamis.log import Log
from tests.milters.signing import NOW, entry, key_file, services, zone

OLD, NEW, EDWARD = make_key("rsa", 1024), make_key("rsa", 1024), make_key("ed25519")
TODAY = datetime.fromtimestamp(NOW, UTC).isoformat()
TOMORROW = datetime.fromtimestamp(NOW + 86_400, UTC).date().isoformat()


def selectors(ring: Keyring, domain: str, about: Services) -> list[str]:
    return [key.selector for key, _ in asyncio.run(ring.signing(domain, about))]


def test_one_key_of_each_algorithm_signs(tmp_path: Path) -> None:
    ring = Keyring(
        [entry(tmp_path, OLD, "r"), entry(tmp_path, EDWARD, "e"), entry(tmp_path, OLD, "x", "example.net")]
    )
    assert not list(ring.problems())
    assert sorted(selectors(ring, "example.org", services())) == ["e", "r"]
    assert selectors(ring, "example.net", services()) == ["x"]
    assert selectors(ring, "sub.example.org", services()) == []
    assert selectors(ring, "", services()) == []


def test_subdomains_are_signed_by_the_nearest_domain_that_wants_it(tmp_path: Path) -> None:
    ring = Keyring(
        [
            entry(tmp_path, OLD, "top", subdomains=True),
            entry(tmp_path, OLD, "own", "own.example.org"),
            entry(tmp_path, EDWARD, "narrow"),
        ]
    )
    assert selectors(ring, "a.b.example.org", services()) == ["top"]
    assert selectors(ring, "own.example.org", services()) == ["own"]
    assert selectors(ring, "a.own.example.org", services()) == ["top"], "own signs for none below it"
    assert sorted(selectors(ring, "example.org", services())) == ["narrow", "top"]
    assert selectors(ring, "badexample.org", services()) == []


def test_a_new_key_signs_from_its_day_on_and_not_before_dns_shows_it(tmp_path: Path) -> None:
    old = entry(tmp_path, OLD, "old")
    new = entry(tmp_path, NEW, "new", since=TODAY)
    ring = Keyring([old, new])
    assert not list(ring.problems())
    shown = zone(("new._domainkey.example.org", NEW))
    wrong = zone(("new._domainkey.example.org", OLD))
    assert selectors(ring, "example.org", services(shown, NOW - 1)) == ["old"], "it is not the day yet"
    assert selectors(ring, "example.org", services({}, NOW + 1)) == ["old"], "not published"
    assert selectors(ring, "example.org", services(shown, NOW + 2)) == ["old"], "not asked for each message"
    assert selectors(ring, "example.org", services(wrong, NOW + 2 + ASK_S)) == ["old"], "another key's record"
    assert selectors(ring, "example.org", services(shown, NOW + 4 + 2 * ASK_S)) == ["new"]
    assert selectors(ring, "example.org", services({}, NOW + 5 + 2 * ASK_S)) == ["new"], "once seen it stays"


def test_dns_that_does_not_answer_leaves_the_old_key_at_work(tmp_path: Path) -> None:
    lines: list[str] = []
    ring = Keyring([entry(tmp_path, OLD, "old"), entry(tmp_path, NEW, "new", since=TODAY)])
    silent = services({"new._domainkey.example.org": ["TIMEOUT"]}, NOW + 1, Log(lines.append))
    assert selectors(ring, "example.org", silent) == ["old"]
    assert "new key does not sign yet" in lines[-1]
    assert "DNS does not answer" in lines[-1]


def test_a_key_without_one_before_it_waits_for_nobody(tmp_path: Path) -> None:
    ring = Keyring([entry(tmp_path, NEW, "new", since=TODAY)])
    assert selectors(ring, "example.org", services({}, NOW)) == ["new"]
    assert selectors(ring, "example.org", services({}, NOW - 1)) == []


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o606])
def test_a_key_that_others_get_at_is_a_problem_of_the_configuration(tmp_path: Path, mode: int) -> None:
    key = entry(tmp_path, OLD)
    key.key.chmod(mode)
    (problem,) = Keyring([key]).problems()
    assert str(key.key) in problem
    assert f"mode {mode:04o}" in problem
    assert f"chmod 0600 {key.key}" in problem


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file away")
def test_a_key_of_another_account_or_group_is_refused() -> None:
    """Root's, and ours, are good, and what root's lets our group read."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        verdicts = _verdicts(key_file(Path(name) / "k", OLD))
    assert verdicts[0, 65_534] == verdicts[65_534, 65_534] == "good"
    assert "user 1 owns it" in verdicts[1, 65_534]
    assert "Permission denied" in verdicts[0, 12]


def _verdicts(path: Path) -> dict[tuple[int, int], str]:
    """By owner and group."""
    found = {}
    for owner, group, mode in (
        (0, 65_534, 0o640),
        (0, 12, 0o640),
        (1, 65_534, 0o640),
        (65_534, 65_534, 0o600),
    ):
        os.chown(path, owner, group)
        path.chmod(mode)
        found[owner, group] = _as_nobody(path)
    return found


def _as_nobody(path: Path) -> str:
    """What an unprivileged process says of it: a child, for an account is a process's."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(65_534)
            os.setuid(65_534)
            read_key(path)
            said = "good"
        except (BadKey, OSError) as exc:
            said = str(exc)
        os.write(write, said.encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(write)
    with os.fdopen(read) as stream:
        return stream.read()


def test_problems_of_the_table(tmp_path: Path) -> None:
    twice = [entry(tmp_path, OLD, "a"), entry(tmp_path, OLD, "a")]
    assert list(Keyring(twice).problems()) == ["keys: a._domainkey.example.org stands twice"]
    both = [entry(tmp_path, OLD, "a"), entry(tmp_path, NEW, "b")]
    (problem,) = Keyring(both).problems()
    assert problem.startswith("keys: a and b are both rsa-sha256 for example.org")
    (problem,) = Keyring([Key(domain="example.org", selector="s", key=tmp_path / "none")]).problems()
    assert "No such file" in problem
    wrong = Key(domain="no domain", selector="", key=Path("relative"), since="tomorrow")
    assert [problem.partition(":")[0] for problem in wrong.problems()] == [
        "domain",
        "selector",
        "key",
        "since",
    ]


def test_a_file_is_read_again_when_it_changes_and_a_bad_one_leaves_the_old_key(tmp_path: Path) -> None:
    lines: list[str] = []
    log = Log(lines.append)
    path = key_file(tmp_path / "k", OLD)
    file = KeyFile(path)
    assert file.load().public == OLD.public
    path.write_bytes(b"-----BEGIN nonsense")
    assert file.current(NOW, log) is not None
    kept = file.current(NOW + 2, log)
    assert kept is not None
    assert kept.public == OLD.public
    assert len([line for line in lines if "the old one stays" in line]) == 1, "told once"
    key_file(path, NEW, 0o644)
    assert file.current(NOW + 4, log) is kept
    assert "0644" in lines[-1]
    key_file(path, NEW)
    found = file.current(NOW + 6, log)
    assert found is not None
    assert found.public == NEW.public
    path.unlink()
    assert file.current(NOW + 8, log) is found
    assert "No such file" in lines[-1]
    key_file(path, OLD)
    assert getattr(file.current(NOW + 10, log), "public", b"") == OLD.public


def test_what_an_admin_is_told_of_each_key(tmp_path: Path) -> None:
    ring = Keyring(
        [
            entry(tmp_path, OLD, "gone"),
            entry(tmp_path, NEW, "now", since="2026-01-01"),
            entry(tmp_path, EDWARD, "next", since=TOMORROW),
        ]
    )
    about = services(zone(("now._domainkey.example.org", NEW)))
    told = asyncio.run(ring.look(about.dns, NOW))
    assert told == [
        (
            (
                "gone._domainkey.example.org: no TXT record there, signs no more; "
                "out of the table with it when its last mail has arrived"
            ),
            "",
        ),
        ("now._domainkey.example.org: good, signs now", ""),
        (
            f"next._domainkey.example.org: no TXT record there, signs from {TOMORROW} on",
            f"publish {EDWARD.record}",
        ),
    ]
