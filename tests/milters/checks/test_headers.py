"""The check headers: what is added, replaced and removed, that rules see each other's work, and hostile fields."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from milters.checks.headers import MAX_EDITS, Headers
from milters.edited import edited
from milters.edits import operations
from milters.rules.fields import FieldRule
from milters.rules.when import When
from tamis.config.schema import Texts
from tamis.mail.message import Message
from tamis.mail.words import decode_words, unfold
from tamis.transaction import Findings
from tamis.verdict import PASS, AddHeader, ChangeHeader, Kind, RemoveHeader, Verdict
from tests.milters.rules.world import judged, problems

RAW = (
    b"X-Spam-Flag: NO\r\nSubject: one\r\n two\r\nx-spam-status: No\r\nX-Spammy: x\r\n"
    b"X-Mailer: m\r\nX-SPAM-FLAG: NO\r\nSubject: second\r\n\r\nbody\r\n"
)


def rule(name: str = "r", when: When | None = None, **options: Any) -> FieldRule:
    return FieldRule(name=name, when=when or When(), **options)


def left(check: Headers, raw: bytes = RAW, **known: Any) -> list[tuple[str, str]]:
    """The fields as they leave, values decoded and on one line."""
    said = judged(check, raw, **known)
    assert said.kind is Kind.PASS
    after = edited(Message(raw), said.edits)
    return [(one.name, decode_words(unfold(one.value)).strip().replace("\t", " ")) for one in after.headers]


def names(*args: Any, **known: Any) -> list[str]:
    return [name for name, _ in left(*args, **known)]


def test_what_only_we_may_have_written_goes() -> None:
    check = Headers(ours=("X-Spam-*", "x-mailer"))
    assert names(check) == ["Subject", "X-Spammy", "Subject"]
    edits = judged(check, RAW).edits
    assert RemoveHeader("X-SPAM-FLAG", 2) in edits or RemoveHeader("X-Spam-Flag", 2) in edits
    operations(edits)


def test_fields_of_our_users_and_networks_stay() -> None:
    check = Headers(ours=("X-Spam-*",), trusted_networks=(ip_network("192.0.2.0/24"),))
    assert judged(check, RAW) is PASS
    assert judged(Headers(ours=("X-Spam-*",)), RAW, sasl_username="carl") is PASS
    assert judged(check, RAW, client_address="198.51.100.1").edits


def test_one_stands_in_place_of_all_and_keeps_what_the_first_said() -> None:
    check = Headers(rule=(rule(replace=("Subject: [EXT] {value}",)),))
    said = judged(check, RAW)
    assert set(said.edits) == {ChangeHeader("Subject", 1, "[EXT] one\r\n two"), RemoveHeader("Subject", 2)}
    assert [one for one in left(check) if one[0] == "Subject"] == [("Subject", "[EXT] one two")]


def test_what_is_not_there_is_added() -> None:
    check = Headers(rule=(rule(replace=("Subject: [EXT] {value}", "X-New: a")),))
    assert set(judged(check, b"To: x\r\n\r\n").edits) == {
        AddHeader("Subject", "[EXT] "),
        AddHeader("X-New", "a"),
    }


def test_rules_and_earlier_checks_see_each_others_work() -> None:
    check = Headers(
        rule=(
            rule("a", replace=("Subject: [A] {value}",)),
            rule("b", When(header={"subject": Texts(("/one/",))}), replace=("Subject: [B] {value}",)),
            rule("c", When(header={"subject": Texts(("/nothing/",))}), replace=("Subject: no",)),
        )
    )
    assert ("Subject", "[B] [A] one two") in left(check)
    findings = Findings(edits=[ChangeHeader("subject", 1, "[SPAM] old")])
    assert ChangeHeader("Subject", 1, "[B] [A] [SPAM] old") in judged(check, RAW, findings=findings).edits


def test_removed_and_replaced_in_any_order() -> None:
    check = Headers(rule=(rule("a", remove=("Subject",)), rule("b", replace=("Subject: new {value}",))))
    assert [one for one in left(check) if one[0] == "Subject"] == [("Subject", "new")]
    check = Headers(rule=(rule("a", replace=("Subject: new",)), rule("b", remove=("Sub*",))))
    assert "Subject" not in names(check)


def test_added_on_top_and_appended_below() -> None:
    check = Headers(rule=(rule(add=("X-Top: {rule} {client_address}",), append=("X-End: e",)),))
    found = left(check)
    assert found[0] == ("X-Top", "r 192.0.2.1")
    assert found[-1] == ("X-End", "e")


@pytest.mark.parametrize(
    ("subject", "wanted"),
    [
        ("=?utf-8?q?f=C3=BCr?= dich", "[X] für dich"),
        ("für dich", "[X] für dich"),
        ("für =?utf-8?q?dich?=", "[X] für dich"),
        ("\xff\xfe", "[X] ÿþ"),
        ("", "[X]"),
    ],
)
def test_subjects_keep_their_letters(subject: str, wanted: str) -> None:
    check = Headers(rule=(rule(replace=("Subject: [X] {value}",)),))
    raw = b"Subject: " + subject.encode() + b"\r\n\r\n"
    assert left(check, raw) == [("Subject", wanted)]
    (change,) = judged(check, raw).edits
    assert isinstance(change, ChangeHeader)
    assert change.value.isascii()


@pytest.mark.parametrize(
    "hostile", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1", "a\0b", "\x1b[31m", "\udcff", "x" * 5000]
)
def test_no_value_of_the_envelope_or_the_message_makes_a_field(hostile: str) -> None:
    check = Headers(
        rule=(rule(add=("X-A: {sender} {helo_name}",), replace=("Subject: {value} {client_name}",)),)
    )
    raw = b"Subject: s" + hostile.replace("\n", "").encode("utf-8", "surrogateescape") + b"\r\n\r\n"
    known = {"sender": hostile, "helo_name": hostile, "client_name": hostile}
    said = judged(check, raw, **known)
    for operation in operations(said.edits):
        value = getattr(operation, "value", "")
        assert all(" " <= c <= "~" or c in "\n\t" for c in value)
        assert "\n" not in value.replace("\n\t", "")
    assert {one.name for one in edited(Message(raw), said.edits).headers} == {"Subject", "X-A"}


def test_more_fields_than_an_mta_should_be_told_of_are_refused() -> None:
    said = judged(Headers(ours=("X-Spam-*",)), b"X-Spam-A: 1\r\n" * (MAX_EDITS + 1) + b"\r\n")
    assert (said.kind, said.reason) == (Kind.REJECT, "flood")
    assert not said.edits
    assert isinstance(judged(Headers(ours=("X-Spam-*",)), b"X-Spam-A: 1\r\n" * MAX_EDITS + b"\r\n"), Verdict)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "nothing to do"),
        ('ours = ["X Spam"]', "no name of a field"),
        ('ours = ["*"]', "no name of a field"),
        ('ours = ["X-*-Y"]', "no name of a field"),
        ('[[milter.checks.headers.rule]]\nname = "a"', "does nothing"),
        ('[[milter.checks.headers.rule]]\nname = "a b"\nremove = ["X"]', "letters, digits"),
        ('[[milter.checks.headers.rule]]\nname = "a"\nadd = ["no colon"]', "no field"),
        ('[[milter.checks.headers.rule]]\nname = "a"\nadd = ["X-A: {value}"]', "{value} is no placeholder"),
        ('[[milter.checks.headers.rule]]\nname = "a"\nadd = ["X-A: \\u00e9"]', "printable ASCII"),
        ('[[milter.checks.headers.rule]]\nname = "a"\nremove = ["X"]\nwhen.sender = "@x"', "fits nothing"),
        ('[[milter.checks.headers.rule]]\nname = "a"\nremove = ["X"]\nwhen.check.none = "x"', "none"),
        (
            (
                '[[milter.checks.headers.rule]]\nname = "a"\nremove = ["X"]\n'
                '[[milter.checks.headers.rule]]\nname = "a"\nremove = ["X"]'
            ),
            "earlier rule",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    assert sentence in problems(tmp_path, f"[milter.checks.headers]\n{text}\n")
