"""Names are judged as the programs see them that will open the file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milters.attachments.names import extension, is_deceptive, names_of, readings, shown
from tamis.mail.message import Message


@pytest.mark.parametrize(
    "name",
    [
        "run.exe",
        "RUN.EXE",
        "run.exe.",
        "run.exe . .",
        "run.exe\u3000",
        " run.exe",
        "dir/run.exe",
        "dir\\run.exe",
        "run.exe/",
        "run.exe\x00.txt",
        "run.txt\x00.exe",
        "run.exe:stream",
        "run.exe::$DATA",
        "run.e\u200bxe",
        "run.e\u00adxe",
        "run\uff0eexe",
        "run.\uff45\uff58\uff45",
        "a\u202etxt.exe",
        "run.e\nxe",
    ],
)
def test_every_spelling_has_the_extension_that_counts(name: str) -> None:
    assert "exe" in {extension(reading) for reading in readings(name)}


@pytest.mark.parametrize(
    "name",
    [
        "invoice.pdf.exe",
        "invoice.PDF .Exe",
        "a\u202efdp.exe",
        "a\u2066b.txt",
        "invoice.pdf          .exe",
        "invoice.doc_________.js",
        "run.exe\x00.txt",
        "photo.jpg.lnk",
    ],
)
def test_names_that_hide_what_they_are(name: str) -> None:
    assert is_deceptive(name)


@pytest.mark.parametrize(
    "name",
    [
        "report.pdf",
        "report.2024.pdf",
        "archive.tar.gz",
        "setup.exe",
        "a.b.exe",
        "שלום\u200f.pdf",
        "notes .txt",
        "x",
        "",
    ],
)
def test_names_that_hide_nothing(name: str) -> None:
    assert not is_deceptive(name)


def test_a_number_of_a_class_is_an_extension() -> None:
    assert extension(readings("a.txt.{3050F4D8-98B5-11CF-BB82-00AA00BDCE0B}")[0]) == "{}"


@given(st.text(max_size=3000))
def test_any_text_has_readings_and_a_printable_form(name: str) -> None:
    for reading in readings(name):
        assert reading
        assert "/" not in reading
    assert shown(name).isprintable()
    assert len(shown(name)) <= 100
    is_deceptive(name)


@pytest.mark.parametrize(
    "field",
    [
        'Content-Disposition: attachment; filename="run.exe"',
        "Content-Disposition: attachment; filename=run.exe",
        'Content-Disposition: attachment; filename="run.exe',
        'Content-Disposition: attachment; filename="a.txt"; filename="run.exe"',
        'Content-Disposition: attachment; filename="run.exe"; filename="a.txt"',
        "Content-Disposition: attachment; filename=a.txt; filename*=utf-8''run%2Eexe",
        "Content-Disposition: attachment; filename=run.exe; filename*=utf-8''a.txt",
        'Content-Disposition: attachment; filename*0="run.e"; filename*1="xe"',
        "Content-Disposition: attachment;\r\n\tfilename =\r\n run.exe",
        "Content-Disposition: attachment; filename==?utf-8?q?run=2Eexe?=",
        'Content-Type: application/octet-stream; name="run.exe"',
        "Content-Disposition: attachment; filename=a.txt\r\nContent-Disposition: attachment; filename=run.exe",
        "Content-Type: text/plain; name=run.exe\r\nContent-Type: text/plain; name=a.txt",
    ],
)
def test_every_name_that_some_reader_takes_counts(field: str) -> None:
    part = Message(field.encode() + b"\r\n\r\n").view.root
    assert "run.exe" in names_of(part)


def test_a_piece_of_a_name_is_no_name() -> None:
    field = b'Content-Disposition: attachment; filename*0="report of our.com"; filename*1="pany.pdf"\r\n\r\n'
    assert names_of(Message(field).view.root) == ("report of our.company.pdf",)


def test_thousands_of_names_cost_linear_time() -> None:
    field = b"Content-Disposition: attachment" + b"; filename=a" * 100_000 + b"; name=" + b"n" * 1_000_000
    assert len(names_of(Message(field + b"\r\n\r\n").view.root)) <= 20
