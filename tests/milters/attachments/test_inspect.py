"""What is in attachments, through all that it is packed in; and where looking ends."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile

import pytest

from milters.attachments.limits import Limits
from milters.attachments.rules import Rule, bundled
from tamis.config.schema import Duration, Size
from tamis.mail.message import Message
from tests.milters.attachments.made import (
    FILES,
    PROGRAM,
    compound,
    looked,
    macro_document,
    mail,
    rar5,
    tarred,
    zipped,
)

ANY = Rule(name="any", names=("*",), action="tag any")
SCRIPTS = Rule(name="scripts", extensions=("js",), action="hold")
LOCKED = Rule(name="locked", encrypted=True, action="hold")
MACROS = Rule(name="macros", macros="any", action="hold")
AUTOMATIC = Rule(name="automatic", macros="automatic", action="hold")

SCRIPT = {"run.js": b"WScript.Echo 1"}
PACKED = {
    "zip": zipped(SCRIPT),
    "tar": tarred(SCRIPT),
    "tgz": tarred(SCRIPT, "w:gz"),
    "tar.bz2": tarred(SCRIPT, "w:bz2"),
    "tar.xz": tarred(SCRIPT, "w:xz"),
    "tar.lzma": lzma.compress(tarred(SCRIPT), lzma.FORMAT_ALONE),
    "rar": rar5(("run.js", b"x")),
    "7z": (FILES / "lzma2.7z").read_bytes(),
    "js.gz": gzip.compress(b"WScript.Echo 1"),
    "js.bz2": bz2.compress(b"WScript.Echo 1"),
}


@pytest.mark.parametrize("kind", PACKED)
def test_a_script_is_found_in_each_kind_of_archive(kind: str) -> None:
    assert 0 in looked(mail((f"a.{kind}", PACKED[kind])), SCRIPTS).held


@pytest.mark.parametrize("kind", PACKED)
def test_an_archive_is_opened_whatever_it_is_called(kind: str) -> None:
    held = looked(mail(("a.pdf", PACKED[kind])), Rule(name="r", names=("run.js", "a"), action="hold")).held
    assert 0 in held
    assert held[0].startswith("a.pdf/")


@pytest.mark.parametrize("kind", PACKED)
def test_archives_in_archives(kind: str) -> None:
    nested = zipped({"b.zip": zipped({f"c.{kind}": PACKED[kind]})})
    held = looked(mail(("a.zip", nested)), SCRIPTS).held
    assert held[0].startswith(f"a.zip/b.zip/c.{kind}")


def test_a_rule_may_leave_archives_alone() -> None:
    rule = Rule(name="r", extensions=("js",), inside=False, action="hold")
    assert not looked(mail(("a.zip", zipped(SCRIPT))), rule).held
    assert looked(mail(("run.js", b"")), rule).held == {0: "run.js"}


def test_the_first_rule_that_holds_counts_for_a_file_and_each_for_its_own() -> None:
    allowed = Rule(name="allowed", names=("setup.exe",), action="pass")
    report = looked(mail(("setup.exe", PROGRAM), ("run.js", b"")), allowed, SCRIPTS, ANY)
    assert report.held == {0: "setup.exe", 1: "run.js"}


def test_the_bundled_list_finds_names_programs_and_deceptions() -> None:
    rules = bundled("hold")
    assert looked(mail(("a.scr", b"")), *rules).held == {0: "a.scr"}
    assert looked(mail(("a.txt", PROGRAM)), *rules).held == {1: "a.txt"}
    assert looked(mail(("a\u202etxt.pdf", b"")), *rules).held.keys() == {2}
    assert not looked(
        mail(("a.pdf", b"%PDF-1.4"), ("b.docx", zipped({"word/document.xml": b""}))), *rules
    ).held


@pytest.mark.parametrize("name", ["locked.7z", "locked-names.7z", "locked.zip", "locked-aes.zip"])
def test_a_locked_member_makes_a_locked_archive(name: str) -> None:
    data = (FILES / name).read_bytes()
    locked_archives = Rule(name="r", names=(name,), encrypted=True, action="hold")
    assert looked(mail((name, data)), locked_archives).held == {0: name}
    assert looked(mail(("a.zip", zipped({name: data}))), LOCKED).held[0].startswith("a.zip/")


def test_locked_rar_archives_and_documents() -> None:
    for name, data in (
        ("a.rar", rar5(("a", b""), encrypted=True)),
        ("b.rar", rar5(("a", b""), locked=True)),
        ("c.docx", compound({"EncryptedPackage": b""})),
    ):
        assert looked(mail((name, data)), LOCKED).held[0].startswith(name)


def test_macros_in_documents_old_and_new() -> None:
    new = zipped({"word/document.xml": b"", "word/vbaProject.bin": macro_document()})
    for data in (macro_document(), new, zipped({"a.docm": new}), b"ActiveMime" + bytes(50)):
        assert 0 in looked(mail(("a.doc", data)), MACROS).held
    documents = Rule(name="r", names=("*.docm",), macros="automatic", action="hold")
    assert looked(mail(("a.docm", new)), documents).held == {0: "a.docm"}
    assert not looked(mail(("a.doc", compound({"WordDocument": bytes(64)}))), MACROS).held
    assert 0 in looked(mail(("a.doc", macro_document())), AUTOMATIC).held


def test_a_message_in_a_message_however_it_is_packed() -> None:
    inner = mail(("run.js", b"x")).raw
    assert isinstance(inner, bytes)
    for message in (
        Message(b"Content-Type: message/rfc822\r\n\r\n" + inner),
        mail(("a.eml", inner)),
        mail(("a", inner), kind="message/rfc822"),
        mail(("a.zip", zipped({"a.eml": inner}))),
    ):
        assert 0 in looked(message, SCRIPTS).held


def test_a_program_that_unpacks_itself_is_opened() -> None:
    assert looked(mail(("a.exe", PROGRAM + zipped(SCRIPT))), SCRIPTS).held == {0: "a.exe/run.js"}


def test_damage_is_noted_and_the_rest_is_looked_at() -> None:
    cut = zipped({"a.txt": b"x" * 1000})[:-30]
    report = looked(mail(("cut.zip", cut), ("run.js", b"")), SCRIPTS)
    assert (report.damaged, report.limit, report.held) == ("cut.zip", "", {0: "run.js"})


def zeros(megabytes: int) -> bytes:
    return zipped({"zeros": bytes(megabytes << 20)})


def nested(levels: int) -> bytes:
    data = zipped({"a.txt": b"x"})
    for _ in range(levels):
        data = zipped({"a.zip": data})
    return data


@pytest.mark.parametrize(
    ("word", "data", "limits"),
    [
        ("ratio", zeros(30), Limits()),
        ("ratio", gzip.compress(bytes(30 << 20)), Limits()),
        ("ratio", bz2.compress(bytes(30 << 20)), Limits()),
        ("ratio", zipped({"a.zip": zipped({"b.zip": zeros(30)})}), Limits()),
        ("depth", nested(5), Limits()),
        ("depth", nested(2), Limits(depth=2)),
        ("files", zipped({str(n): b"" for n in range(60_000)}, zipfile.ZIP_STORED), Limits()),
        ("files", tarred({str(n): b"" for n in range(101)}), Limits(files=100)),
        ("unpacked", gzip.compress(tarred({"a": bytes(3 << 20)})), Limits(unpacked=Size(1 << 20))),
        ("unpacked", zipped({f"{n}.txt": b"x" * 9000 for n in range(200)}), Limits(unpacked=Size(1 << 20))),
        ("seconds", zipped({"a": b""}), Limits(seconds=Duration(-1.0))),
    ],
)
def test_each_limit_ends_the_inspection(word: str, data: bytes, limits: Limits) -> None:
    report = looked(mail(("bomb.zip", data)), SCRIPTS, limits=limits)
    assert report.limit == word
    assert report.at.startswith("bomb.zip") or word == "seconds"


def test_within_the_limits_nothing_ends_it() -> None:
    assert looked(mail(("a.zip", nested(4))), SCRIPTS).limit == ""


def test_what_was_found_before_a_limit_stands() -> None:
    report = looked(mail(("run.js", b""), ("bomb.zip", zeros(30))), SCRIPTS)
    assert (report.held, report.limit) == ({0: "run.js"}, "ratio")
