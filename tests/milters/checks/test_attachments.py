"""The attachments check: the strictest of what its rules, the bundled list and the limits say."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from milters.attachments.limits import Limits
from milters.attachments.pool import Pool
from milters.attachments.rules import Rule
from milters.checks import attachments as module
from milters.checks.attachments import Attachments
from tamis.check import Services
from tamis.log import Log
from tamis.mail.message import Message
from tamis.transaction import Transaction
from tamis.verdict import PASS, Kind, Verdict
from tests.milters.attachments.made import FILES, PROGRAM, mail, rar5, zipped

ZEROS = zipped({"zeros": bytes(30 << 20)})
CUT = zipped({"a.txt": b"x" * 500})[:-30]


def judge(check: Attachments, message: Message) -> Verdict:
    services = Services(cast("Any", None), cast("Any", None), lambda: 0.0, "mx.test", Log.null())
    return asyncio.run(check.run(Transaction(message=message, queue_id="4Q"), services))


def test_by_default_programs_are_refused_wherever_they_are() -> None:
    for files in (
        [("setup.exe", b"x")],
        [("a.pdf", PROGRAM)],
        [("a.txt", b"x"), ("b.zip", zipped({"c.zip": zipped({"d.js": b""})}))],
        [("a.rar", rar5(("a.vbs", b"x")))],
        [("a.pdf    .lnk", b"")],
    ):
        verdict = judge(Attachments(), mail(*files))
        assert (verdict.kind, verdict.status) == (Kind.REJECT, "5.7.1")
        assert verdict.text.startswith("Attachment ")
        assert verdict.text.endswith(" is not allowed here")


def test_by_default_other_files_pass() -> None:
    files = [
        ("a.pdf", b"%PDF-1.4"),
        ("b.zip", zipped({"c.txt": b"x"})),
        ("locked.zip", (FILES / "locked.zip").read_bytes()),
    ]
    assert judge(Attachments(), mail(*files)) == PASS


def test_a_message_without_attachments_asks_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pool, "inspect", None)
    for raw in (b"", b"Subject: x\r\n\r\nhello\r\n", b"Content-Type: text/html\r\n\r\n<p>x"):
        assert judge(Attachments(), Message(raw)) == PASS


def test_a_uuencoded_program_in_the_text_is_one() -> None:
    verdict = judge(Attachments(), Message(b"Subject: x\r\n\r\nbegin 644 run.exe\r\n#86)C\r\n`\r\nend\r\n"))
    assert verdict.text == "Attachment run.exe is not allowed here"


def test_the_strictest_counts_and_scores_and_tags_add_up() -> None:
    rules = (
        Rule(name="pictures", names=("*.png",), action="tag pictures"),
        Rule(name="zips", names=("*.zip",), action="score 2.5"),
        Rule(name="late", names=("*.later",), action="DEFER 4.7.5 {name} must wait"),
        Rule(name="notes", names=("*.txt",), action="hold"),
    )
    check = Attachments(rule=rules)
    files = [("a.png", b""), ("b.zip", zipped({"c.txt": b""}))]
    verdict = judge(check, mail(*files))
    assert (verdict.kind, verdict.score, verdict.tags) == (Kind.HOLD, 2.5, ("pictures",))
    assert verdict.reason == "notes"
    verdict = judge(check, mail(*files, ("x.later", b"")))
    assert (verdict.kind, verdict.status, verdict.text) == (Kind.DEFER, "4.7.5", "x.later must wait")


def test_a_rule_can_allow_what_the_bundled_list_refuses() -> None:
    check = Attachments(rule=(Rule(name="ours", names=("setup.exe",), action="pass"),))
    assert judge(check, mail(("setup.exe", PROGRAM))).kind is Kind.PASS
    assert judge(check, mail(("setup.exe", PROGRAM), ("other.exe", b""))).kind is Kind.REJECT
    assert judge(Attachments(dangerous="hold"), mail(("setup.exe", PROGRAM))).kind is Kind.HOLD


def test_a_limit_and_damage_have_verdicts_of_their_own() -> None:
    verdict = judge(Attachments(), mail(("bomb.zip", ZEROS)))
    assert verdict.text == "Attachment bomb.zip cannot be inspected: it grows too much when unpacked"
    assert (verdict.kind, verdict.reason) == (Kind.REJECT, "limit:ratio")
    assert judge(Attachments(on_limit="hold"), mail(("bomb.zip", ZEROS))).kind is Kind.HOLD
    assert judge(Attachments(on_limit="tag big"), mail(("bomb.zip", ZEROS))).tags == ("big",)
    verdict = judge(Attachments(), mail(("cut.zip", CUT)))
    assert (verdict.kind, verdict.tags) == (Kind.PASS, ("damaged",))
    verdict = judge(Attachments(on_damaged="reject"), mail(("cut.zip", CUT)))
    assert (verdict.kind, verdict.text) == (Kind.REJECT, "Attachment cut.zip is damaged")


def test_a_message_with_more_parts_than_are_looked_at_is_a_limit() -> None:
    many = b"--b\r\n\r\n\r\n" * 1100
    verdict = judge(Attachments(), Message(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + many))
    assert verdict.reason == "limit:parts"


def test_names_that_are_no_text_for_a_reply_are_cleaned() -> None:
    verdict = judge(Attachments(), mail(("ü\u202e\x07.exe", b"x")))
    assert verdict.text == "Attachment ???.exe is not allowed here"


@pytest.mark.parametrize(
    ("check", "key"),
    [
        (Attachments(dangerous="pass"), "dangerous"),
        (Attachments(on_limit="maybe"), "on_limit"),
        (Attachments(on_damaged="REJECT 4.1.1 x"), "on_damaged"),
        (Attachments(dangerous="REJECT {file}"), "dangerous"),
    ],
)
def test_contradictions_are_problems(check: Attachments, key: str) -> None:
    assert {line.partition(":")[0] for line in check.problems()} == {key}


def test_a_rule_that_needs_a_library_says_so_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    check = Attachments(rule=(Rule(name="r", names=("*",)), Rule(name="s", types=("image/*",))))
    assert not list(check.problems())

    def missing() -> None:
        raise ImportError("needs python-magic (pip install tamis[content])")

    monkeypatch.setattr(module, "library", missing)
    assert list(check.problems()) == ["rule[1].types: needs python-magic (pip install tamis[content])"]
    assert not list(Attachments().problems()), "no rule needs it"


def test_real_types_by_libmagic() -> None:
    png = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(30)
    rules = (
        Rule(name="pictures", types=("image/*",), action="hold"),
        Rule(name="disguised", disguised=True, action="DEFER 4.7.1 {name} is something else"),
    )
    check = Attachments(rule=rules, limits=Limits())
    assert judge(check, mail(("a.dat", png))).kind is Kind.HOLD
    assert judge(check, mail(("a.zip", zipped({"b": png})))).kind is Kind.HOLD
    assert judge(check, mail(("a.png", b"%PDF-1.4\n"))).text == "a.png is something else"
    assert judge(check, mail(("a.pdf", b"%PDF-1.4\n"))) == PASS
