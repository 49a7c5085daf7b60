"""What a script refuses a message with comes to the sender as lines of a reply, whatever stands in it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lda.refusal import GENERIC, MAX_LINE_BYTES, MAX_LINES, reply_text
from tamis.outcome import long_reply, sentence
from tamis.verdict import reject


@pytest.mark.parametrize(
    ("reason", "plain", "utf8"),
    [
        ("No.", "No.", "No."),
        ("one\r\ntwo\rthree\n", "one\ntwo\nthree", "one\ntwo\nthree"),
        ("one\n\n\ntwo", "one\n\n\ntwo", "one\n\n\ntwo"),
        ("", GENERIC, GENERIC),
        (" \n \n", GENERIC, GENERIC),
        ("Größe: zu groß", "Große: zu gro?".replace("ß", "?"), "Größe: zu groß"),
        ("ich will dich nicht, Ärger!", "ich will dich nicht, Arger!", "ich will dich nicht, Ärger!"),
        ("我不要这封信", GENERIC, "我不要这封信"),
        ("bell\a and \x1b[31mred", "bell  and  [31mred", "bell  and  [31mred"),
        (
            "a" * 900,
            "\n".join(["a" * 400, "a" * 400, "a" * 100]),
            "\n".join(["a" * 400, "a" * 400, "a" * 100]),
        ),
    ],
)
def test_texts(reason: str, plain: str, utf8: str) -> None:
    assert reply_text(reason, utf8=False) == plain
    assert reply_text(reason, utf8=True) == utf8


@given(st.text(max_size=2000) | st.text("a\r\n ü", max_size=20_000), st.booleans())
def test_a_refusal_is_always_a_whole_reply_and_nothing_after_it(reason: str, utf8: bool) -> None:
    text = reply_text(reason, utf8=utf8)
    assert text
    assert utf8 or text.isascii()
    assert len(text.split("\n")) <= MAX_LINES
    assert all(len(line.encode()) <= MAX_LINE_BYTES for line in text.split("\n"))
    reply = long_reply(reject("5.7.1", text), utf8=utf8)
    *others, last = reply.split("\r\n")
    assert all(re.fullmatch(r"550-5\.7\.1 [^\r\n]*", line) for line in others)
    assert re.fullmatch(r"550 5\.7\.1 [^\r\n]*", last)
    assert all(len(line.encode()) <= 510 for line in (*others, last))


def test_a_bounce_of_pipe_has_it_on_one_line() -> None:
    assert sentence(reject("5.7.1", "one\ntwo")) == "5.7.1 one two"
