"""Macros, passwords and files in Office documents."""

from __future__ import annotations

import struct
import zlib

import pytest

from milters.attachments import office, vba
from milters.attachments.limits import Damaged
from tests.milters.attachments import made
from tests.milters.attachments.made import budget, compound, macro_document

QUIET = b'Attribute VB_Name = "A"\r\nSub Add()\r\nEnd Sub\r\n'


def read(data: bytes) -> office.Office:
    return office.read(data, budget())


def test_macros_that_run_by_themselves_and_macros_that_do_not() -> None:
    assert read(macro_document()).macros == "automatic"
    assert read(macro_document(QUIET)).macros == "any"
    assert read(compound({"WordDocument": bytes(64)})).macros == ""


@pytest.mark.parametrize(
    "name",
    [
        b"AutoOpen",
        b"auto_open",
        b"Document_Open",
        b"Workbook_BeforeClose",
        b"InkPicture1_Painted",
        b"AutoExec",
    ],
)
def test_procedures_that_office_calls(name: bytes) -> None:
    assert vba.runs_by_itself(b"Private Sub " + name + b"()\r\n")
    assert not vba.runs_by_itself(b"Sub My" + name + b"Now()\r\n")


def test_a_project_without_a_source_counts_as_automatic() -> None:
    """What is left is its compiled form, which runs just as well."""
    assert read(compound({"_VBA_PROJECT": b"x"}, ("VBA",))).macros == "automatic"


def test_copies_in_a_packed_source_are_followed() -> None:
    """MS-OVBA section 3.2.2, the example for normal compression."""
    packed = bytes.fromhex(
        "01 2F B0 00 23 61 61 61 62 63 64 65 82 66 00 70 61 67 68 69 6A 01 38 08 61 6B 6C 00 30 6D 6E 6F"
        "70 06 71 02 70 04 10 72 73 74 75 76 10 77 78 79 7A 00 3C"
    )
    assert vba.decompress(packed, 0) == b"#aaabcdefaaaaghijaaaaaklaaamnopqaaaaaaaaaaaarstuvwxyzaaa"
    assert vba.decompress(bytes.fromhex("01 03 B0 02 61 45 00"), 0) == b"a" * 73, "section 3.2.3"


def test_excels_old_macro_sheets_count_as_automatic() -> None:
    for kind, macros in ((0, ""), (1, "automatic")):
        sheet = struct.pack("<2HLBB", 0x85, 9, 100, 0, kind) + b"\x01\x00a"
        assert read(compound({"Workbook": sheet})).macros == macros


def test_passwords() -> None:
    assert read(compound({"EncryptedPackage": b"x"})).encrypted
    assert read(compound({"Workbook": struct.pack("<2HH", 0x2F, 2, 0)})).encrypted
    assert read(compound({"WordDocument": bytes(11) + b"\x01" + bytes(50)})).encrypted
    assert not read(compound({"WordDocument": bytes(64)})).encrypted


def test_a_file_dragged_into_a_document() -> None:
    content = b"MZ program"
    native = (
        bytes(6)
        + b"a.exe\x00C:\\a.exe\x00"
        + bytes(8)
        + b"C:\\tmp\\a.exe\x00"
        + struct.pack("<L", len(content))
    )
    (member,) = read(compound({"\x01Ole10Native": native + content})).members
    assert member.names == ("a.exe", "C:\\a.exe", "C:\\tmp\\a.exe")
    assert member.read is not None
    assert member.read(100) == content


def test_objects_of_a_presentation() -> None:
    project = macro_document()
    packed = zlib.compress(project)
    record = struct.pack("<HHLL", 0x10, 0x1011, len(packed) + 4, len(project)) + packed
    (member,) = read(compound({"PowerPoint Document": record})).members
    assert member.read is not None
    assert member.read(1 << 20) == project


def test_attachments_of_an_outlook_message() -> None:
    streams = {"__substg1.0_3707001F": "a.exe".encode("utf-16-le"), "__substg1.0_37010102": b"MZ"}
    (member,) = read(compound(streams)).members
    assert member.names[0].rstrip("\x00") == "a.exe"


@pytest.mark.parametrize("at", [30, 48, 60, 76])
def test_tables_that_lead_nowhere_are_damage(at: int) -> None:
    data = bytearray(macro_document())
    data[at : at + 4] = b"\x70\x70\x00\x00"
    with pytest.raises(Damaged):
        read(bytes(data))


def test_a_chain_that_bites_its_tail_is_damage() -> None:
    data = bytearray(compound({"WordDocument": bytes(8192)}))
    data[512 + 4 * 2 : 512 + 4 * 3] = struct.pack("<L", 1)
    with pytest.raises(Damaged):
        read(bytes(data))


@pytest.mark.parametrize(
    ("name", "macros"),
    [
        ("xl/vbaProject.bin", "any"),
        ("xl/macrosheets/sheet1.xml", "automatic"),
        ("Basic/Standard/Module1.xml", "any"),
        ("Basic/Standard/script-lb.xml", ""),
        ("word/document.xml", ""),
    ],
)
def test_members_that_tell_of_macros(name: str, macros: str) -> None:
    assert office.of_member(name) == macros


def test_documents_that_are_one_xml_file() -> None:
    assert office.of_xml(b'<?xml version="1.0"?><w:wordDocument w:macrosPresent="yes">') == "any"
    assert office.of_xml(b'<?xml version="1.0"?><w:wordDocument w:macrosPresent="no">') == ""
    assert office.of_xml(b'<?xml version="1.0"?><pkg:part pkg:name="/word/vbaProject.bin">') == "any"
    assert office.of_xml(b'<?xml version="1.0"?><Override PartName="/xl/macrosheets/sheet1.xml"/>') == ""
    assert office.of_xml(b"text about /vbaProject.bin") == ""


def test_winmail_dat_and_uuencoded_text() -> None:
    from milters.attachments import tnef, uuencoded

    def attribute(word: int, content: bytes) -> bytes:
        return b"\x02" + struct.pack("<LL", word, len(content)) + content + b"\x00\x00"

    data = tnef.SIGNATURE + b"\x01\x00" + attribute(0x9002, b"") + attribute(0x8010, b"a.exe\x00")
    assert made.listed(tnef.members, data + attribute(0x800F, b"MZ")) == {"a.exe": b"MZ"}
    text = b"hello\r\nbegin 644 run.js\r\n#86)C\r\n`\r\nend\r\nbye\r\n"
    assert uuencoded.may_be(text)
    assert made.listed(uuencoded.members, text) == {"run.js": b"abc"}
    assert not uuencoded.may_be(b"to begin 644 is a number\n")


def test_a_file_in_an_rtf_document_whatever_stands_between_its_digits() -> None:
    from milters.attachments import rtf

    package = b"\x02\x00a.exe\x00C:\\a.exe\x00" + bytes(8) + b"C:\\a.exe\x00" + struct.pack("<L", 2) + b"MZ"
    strings = struct.pack("<2LL", 0x501, 2, 8) + b"Package\x00" + bytes(8)
    digits = (strings + struct.pack("<L", len(package)) + package).hex().encode()
    plain = b"{\\rtf1{\\object{\\*\\objdata " + digits + b"}}}"
    broken = (
        b"{\\rtf1{\\object{\\*\\objdata\r\n"
        + b"\r\n\\foo1 ".join([digits[:31], digits[31:90], digits[90:]])
        + b"}}}"
    )
    for data in (plain, broken):
        assert made.listed(rtf.members, data) == {"a.exe": b"MZ"}
