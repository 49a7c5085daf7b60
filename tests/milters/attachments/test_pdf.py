"""PDF files that act by themselves."""

from __future__ import annotations

import zlib

import pytest

from milters.attachments.pdf import is_active
from tests.milters.attachments.made import budget

HEAD = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog "


@pytest.mark.parametrize(
    "words",
    [
        b"/OpenAction << /S /JavaScript /JS (x) >>",
        b"/J#61vaScript 1",
        b"/S/Launch/F(cmd)",
        b"/Names<</EmbeddedFiles 1>>",
    ],
)
def test_words_that_act(words: bytes) -> None:
    assert is_active(HEAD + words + b">>", budget())


@pytest.mark.parametrize("words", [b"/JSON 1", b"/JavaScripts 1", b"(JavaScript)", b"/Pages 2 0 R"])
def test_words_that_do_not(words: bytes) -> None:
    assert not is_active(HEAD + words + b">>", budget())


def test_objects_in_a_stream_are_read_and_other_streams_are_not() -> None:
    packed = zlib.compress(b"5 0 << /S /JavaScript >>")
    for kind, active in ((b"/ObjStm", True), (b"/Obj#53tm", True), (b"/XObject", False)):
        data = HEAD + b">>\n2 0 obj << /Type " + kind + b" >>\nstream\r\n" + packed + b"\nendstream"
        assert is_active(data, budget()) == active


def test_streams_without_end_cost_linear_time() -> None:
    assert not is_active(HEAD + b"/ObjStm stream\n" * 20_000, budget(seconds=5))
