"""`tamis auth`, `tamis dkim` and `tamis arc`: what an admin, and a suite of another project, does with them."""

from __future__ import annotations

import io
import json
import re
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tamis.cli import zone
from tamis.cli.__main__ import main
from tamis.errors import ConfigError
from tamis.mail.message import Message

RAW = b"From: A <a@example.org>\r\nTo: b@example.net\r\nSubject: hi\r\n\r\nHello\r\n"


class Desk:
    """A directory with a key, its zone and a message."""

    def __init__(
        self, path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.path = path
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        self.key = path / "key"
        self.zone = path / "zone.yaml"
        self.message = path / "message.eml"
        self.message.write_bytes(RAW)

    def run(self, *words: object, stdin: bytes = b"") -> tuple[int, str]:
        """Status and standard output; bytes that are no UTF-8 do not occur here."""
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        status = main([str(word) for word in words])
        self.errors = ""
        out, self.errors = self._capsys.readouterr()
        return status, out

    def publish(self, kind: str = "rsa", **records: Any) -> str:
        status, line = self.run("dkim", "keygen", "example.org", "s", "--type", kind, "--output", self.key)
        assert status == 0
        strings = re.findall(r'"([^"]*)"', line)
        names = {
            "s._domainkey.example.org": [{"TXT": strings}],
            "example.org": [{"TXT": "v=spf1 ip4:192.0.2.1 -all"}],
            "_dmarc.example.org": [{"TXT": "v=DMARC1; p=reject"}],
        }
        self.zone.write_text(yaml.safe_dump(names | records))
        return line

    def sign(self, *words: object, raw: bytes = RAW) -> bytes:
        signing = ("--key", self.key, "--domain", "example.org", "--selector", "s")
        status, out = self.run("dkim", "sign", "-", *signing, *words, stdin=raw)
        assert status == 0
        return out.encode()


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, capsys, monkeypatch)


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_key_is_made_published_checked_and_used(desk: Desk, kind: str) -> None:
    line = desk.publish(kind)
    assert line.startswith("s._domainkey.example.org. IN TXT ")
    assert all(len(text) <= 255 for text in re.findall(r'"([^"]*)"', line))
    assert stat.S_IMODE(desk.key.stat().st_mode) == 0o600
    check = ("dkim", "check", "example.org", "s", "--dns", desk.zone)
    assert desk.run(*check, "--key", desk.key)[0] == 0
    signed = desk.sign()
    status, out = desk.run("dkim", "verify", "-", "--dns", desk.zone, "--json", stdin=signed)
    assert (status, [fact["result"] for fact in json.loads(out)]) == (0, ["pass"])
    status, out = desk.run(
        "dkim", "verify", "-", "--dns", desk.zone, stdin=signed.replace(b"Hello", b"Hullo")
    )
    assert status == 1
    assert "body hash does not match" in out


def test_a_key_is_never_overwritten_and_another_key_is_told(desk: Desk) -> None:
    desk.publish()
    before = desk.key.read_bytes()
    assert desk.run("dkim", "keygen", "example.org", "s", "--output", desk.key)[0] == 69
    assert desk.key.read_bytes() == before
    other = desk.path / "other"
    desk.run("dkim", "keygen", "example.org", "s", "--output", other)
    status, out = desk.run("dkim", "check", "example.org", "s", "--dns", desk.zone, "--key", other)
    assert (status, "another key" in out) == (1, True)
    assert desk.run("dkim", "check", "example.org", "t", "--dns", desk.zone)[0] == 1
    assert (
        desk.run("dkim", "keygen", "example.org", "s", "--bits", "512", "--output", desk.path / "x")[0] == 64
    )
    assert desk.run("dkim", "keygen", "bad domain", "s")[0] == 78


def test_a_key_that_others_may_read_is_warned_of(desk: Desk) -> None:
    desk.publish()
    desk.key.chmod(0o644)
    desk.sign()
    assert "others may read" in desk.errors
    desk.key.write_text("nonsense")
    assert (
        desk.run("dkim", "sign", desk.message, "--key", desk.key, "--domain", "a.example", "--selector", "s")[
            0
        ]
        == 78
    )


def test_the_flags_of_a_signature(desk: Desk) -> None:
    desk.publish()
    signed = desk.sign(
        *(
            "--headers",
            "From:To:From",
            "--timestamp",
            "1000",
            "--expire",
            "60",
            "--identity",
            "x@sub.example.org",
        ),
        *("--canonicalization", "simple/relaxed", "--fields-only"),
    )
    field = signed.replace(b"\n\t", b" ")
    for tag in (b"h=From:To:From;", b"t=1000;", b"x=1060;", b"i=x@sub.example.org;", b"c=simple/relaxed;"):
        assert tag in field
    assert b"Hello" not in signed
    assert b" t=" not in desk.sign("--timestamp", "none")
    signing = ("dkim", "sign", desk.message, "--key", desk.key, "--domain", "example.org", "--selector", "s")
    assert desk.run(*signing, "--headers", "to")[0] == 78
    assert desk.run(*signing, "--timestamp", "soon")[0] == 78
    for wrong in (
        ("--headers", "from:a;b"),
        ("--identity", "x@example.com"),
        ("--identity", "example.org"),
        ("--identity", "x; d=example.com; i=@example.org"),
        ("--domain", "example..org"),
        ("--domain", "example.org; d=example.com"),
        ("--selector", ""),
        ("--expire", "-1"),
    ):
        assert desk.run(*signing, *wrong)[0] == 78
        assert wrong[0] in desk.errors


def test_all_facts_of_a_message(desk: Desk) -> None:
    desk.publish()
    signed = desk.sign()
    client = ("--client", "192.0.2.1", "--helo", "example.org", "--sender", "b@example.org")
    more = ("--dns", desk.zone, "--authserv-id", "mx.test")
    status, out = desk.run("auth", "-", *client, *more, "--json", stdin=signed)
    facts = json.loads(out)
    assert status == 0
    assert (facts["spf"]["mailfrom"], facts["spf"]["helo"]) == ("pass", "pass")
    assert [(fact["domain"], fact["selector"], fact["result"]) for fact in facts["dkim"]] == [
        ("example.org", "s", "pass")
    ]
    assert (facts["dmarc"]["result"], facts["dmarc"]["policy"], facts["dmarc"]["from_domain"]) == (
        "pass",
        "reject",
        "example.org",
    )
    assert facts["arc"]["cv"] == "none"
    assert facts["header"].startswith(
        "Authentication-Results: mx.test; spf=pass smtp.mailfrom=b@example.org; "
    )
    status, out = desk.run("auth", desk.message, "--client", "192.0.2.9", "--sender", "b@example.org", *more)
    assert status == 0
    assert re.search(r"dmarc +fail +from=example.org policy=reject disposition=reject", out)


def test_chains_are_sealed_and_verified(desk: Desk) -> None:
    desk.publish()
    signing = ("--key", desk.key, "--domain", "example.org", "--selector", "s", "--dns", desk.zone)
    raw = b"Authentication-Results: mx.test; spf=pass smtp.mailfrom=a@example.org\r\n" + RAW
    for count in (1, 2):
        status, out = desk.run("arc", "seal", "-", *signing, "--authserv-id", "mx.test", stdin=raw)
        assert status == 0
        raw = out.encode()
        status, out = desk.run("arc", "verify", "-", "--dns", desk.zone, "--json", stdin=raw)
        assert (status, json.loads(out)["cv"], len(json.loads(out)["hops"])) == (0, "pass", count)
    failed = raw.replace(b"mx.test; spf", b"mx.test; arc=fail; spf", 1)
    _, out = desk.run("arc", "seal", "-", *signing, "--authserv-id", "mx.test", "--fields-only", stdin=failed)
    assert "cv=fail" in out
    said = raw.replace(b"mx.test; spf", b"mx.test; arc=pass (or arc=fail); spf", 1)
    changed = said.replace(b"Hello", b"Hullo")  # by a list, after our results were written
    _, out = desk.run("arc", "seal", "-", *signing, "--authserv-id", "mx.test", stdin=changed)
    assert desk.run("arc", "verify", "-", "--dns", desk.zone, stdin=out.encode())[0] == 0
    assert max(map(len, out[: -len(changed)].splitlines())) < 79
    assert desk.run("arc", "seal", "-", *signing, "--headers", "from:ARC-Seal", stdin=raw)[0] == 78
    status, out = desk.run("arc", "seal", "-", *signing, "--authserv-id", "other.test", stdin=raw)
    assert (status, out.encode()) == (1, raw)
    assert desk.run("arc", "verify", desk.message, "--dns", desk.zone)[0] == 1


def test_the_line_ends_of_a_message_stay(desk: Desk) -> None:
    desk.publish()
    assert b"\r" not in desk.sign(raw=RAW.replace(b"\r\n", b"\n"))
    assert Message(desk.sign(raw=b"From x@y\n" + RAW)).headers.all("From")


@pytest.mark.parametrize("command", ["auth", "dkim", "arc"])
def test_help_and_wrong_usage(desk: Desk, command: str) -> None:
    with pytest.raises(SystemExit) as exit_:
        desk.run(command, "--help")
    assert exit_.value.code == 0
    if command != "auth":
        assert desk.run(command)[0] == 64


def test_what_is_not_there_is_told(desk: Desk) -> None:
    assert desk.run("auth", "/nowhere", "--dns", desk.zone)[0] == 69
    assert desk.run("auth", desk.message, "--dns", "/nowhere")[0] == 69
    desk.zone.write_text("a: [{TXT: x}")
    assert desk.run("auth", desk.message, "--dns", desk.zone)[0] == 78


def test_a_zone_file_tells_every_mistake(tmp_path: Path) -> None:
    path = tmp_path / "zone"
    path.write_text("a: [nonsense, {B: c}, {MX: x}]\nb: {TXT: {}}\n")
    with pytest.raises(ConfigError) as wrong:
        zone.read(path)
    assert len(wrong.value.problems) == 4
    path.write_text("- a")
    with pytest.raises(ConfigError):
        zone.read(path)


def test_what_a_zone_file_may_say(tmp_path: Path) -> None:
    """As in the suite of RFC 7208: SPF stands for TXT where there is none; numbers and addresses are text."""
    path = tmp_path / "zone"
    path.write_text(
        "a: [{SPF: v=spf1}, {MX: [10, mx]}, TIMEOUT, {A: TIMEOUT}]\nb: [{SPF: x}, {TXT: NONE}]\nc:\n"
        "d: {AAAA: 1:2:3:4:5:6:7:8}\ne: [{TXT: [a, b]}, {TXT: !!binary /w==}]\n"
        "f:\n  TXT: |\n    v=DKIM1;\n    p=AAAA\n"
    )
    assert zone.read(path) == {
        "a": [{"MX": ["10", "mx"]}, "TIMEOUT", {"A": "TIMEOUT"}, {"TXT": "v=spf1"}],
        "b": [],
        "c": [],
        "d": [{"AAAA": "1:2:3:4:5:6:7:8"}],
        "e": [{"TXT": ["a", "b"]}, {"TXT": b"\xff"}],
        "f": [{"TXT": "v=DKIM1;\np=AAAA"}],
    }
