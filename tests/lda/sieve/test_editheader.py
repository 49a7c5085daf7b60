"""RFC 5293."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lda.sieve import Context, FileInto, Keep, Reject
from lda.sieve.extensions.editheader import EditHeader
from tamis.mail import encode
from tamis.mail.edit import EditedMessage
from tamis.mail.headers import Field
from tamis.mail.message import Message
from tamis.mail.words import decode_words, unfold
from tests.lda.sieve.play import ALL, MESSAGE, NOW, errors, filed, findings, names, play

SMALL = b"Subject: x\r\nX-A: one\r\nX-B: =?utf-8?q?=C3=BC?=\r\nx-a: two\r\nReceived: r\r\n\r\nbody\r\n"


def kept(script: str, message: bytes = SMALL, **options: object) -> bytes:
    """What the implicit keep stores."""
    plan = play(ALL + script, message, **options)  # type: ignore[arg-type]
    assert plan.error is None, plan.error
    assert plan.implicit_keep
    return message if plan.keep_message is None else bytes(plan.keep_message.raw)


@pytest.mark.parametrize(
    ("script", "header"),
    [
        ('addheader "X-N" "v";', b"X-N: v\r\n" + SMALL[:-8]),
        ('addheader :last "X-N" "v";', SMALL[:-8] + b"X-N: v\r\n"),
        ('addheader "X-N" "  v  ";', b"X-N: v\r\n" + SMALL[:-8]),
        ('addheader "X-N" "";', b"X-N: \r\n" + SMALL[:-8]),
        ('addheader "Subject" "Grüße";', b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n" + SMALL[:-8]),
        ('addheader "X-N" "a\r\nB: c";', b"X-N: a B: c\r\n" + SMALL[:-8]),
        ('set "v" "a\r\n\r\nB: c"; addheader "X-N" "${v}";', b"X-N: a B: c\r\n" + SMALL[:-8]),
        ('deleteheader "subject";', SMALL[12:-8]),
        ('deleteheader "X-A" "one";', SMALL[:12] + SMALL[22:-8]),
        ('deleteheader :contains "X-A" ["zz", "TW"];', SMALL.replace(b"x-a: two\r\n", b"")[:-8]),
        ('deleteheader :index 2 "X-A";', SMALL.replace(b"x-a: two\r\n", b"")[:-8]),
        ('deleteheader :index 1 :last "X-A";', SMALL.replace(b"x-a: two\r\n", b"")[:-8]),
        ('deleteheader :index 1 :last "X-A" "one";', SMALL[:-8]),
        ('deleteheader :index 3 "X-A";', SMALL[:-8]),
        ('deleteheader :index 0 "X-A";', SMALL[:-8]),
        ('deleteheader :matches "X-B" "?";', SMALL.replace(b"X-B: =?utf-8?q?=C3=BC?=\r\n", b"")[:-8]),
        ('deleteheader "received";', SMALL[:-8]),
        ('addheader "X-H" "W"; deleteheader :index 1 "X-H";', SMALL[:-8]),
    ],
)
def test_fields_come_and_go(script: str, header: bytes) -> None:
    assert kept(script) == header + b"\r\nbody\r\n"


def test_later_tests_and_later_actions_see_it_and_earlier_ones_do_not() -> None:
    plan = play(
        ALL + 'fileinto "before"; addheader "X-N" "v"; if header "x-n" "v" { fileinto "after"; }'
        'deleteheader "x-n"; if not exists "x-n" { keep; }',
        SMALL,
    )
    before, after, keep = plan.actions
    assert isinstance(before, FileInto)
    assert before.message is None
    assert isinstance(after, FileInto)
    assert after.message is not None
    assert bytes(after.message.raw) == b"X-N: v\r\n" + SMALL
    assert isinstance(keep, Keep)
    assert keep.message is not None
    assert bytes(keep.message.raw) == SMALL


def test_the_size_is_that_of_the_changed_message() -> None:
    test = f"if allof (size :over {len(SMALL) + 7}, size :under {len(SMALL) + 9})"
    assert filed(f'addheader "X-N" "v"; {test} {{ fileinto "a"; }}', SMALL) == ["a"]


def test_the_body_and_its_parts_stay() -> None:
    assert filed('addheader "X-N" "v"; if body :raw "body\r\n" { fileinto "a"; }', SMALL) == ["a"]


def test_the_same_message_is_stored_once() -> None:
    assert names(play(ALL + 'keep; addheader "X-F" "v"; keep;', SMALL)) == ["keep"]


def test_after_an_error_the_original_is_kept() -> None:
    plan = play(ALL + 'addheader "X-N" "v"; error "x";', SMALL)
    assert plan.error is not None
    assert plan.implicit_keep
    assert plan.keep_message is None


def test_a_refusal_is_about_the_original() -> None:
    (action,) = play(ALL + 'addheader "X-N" "v"; reject "no";', SMALL).actions
    assert isinstance(action, Reject)


def test_the_next_script_of_a_sequence_sees_it() -> None:
    plan = play(ALL + 'if header "x-n" "v" { discard; }', SMALL, before=ALL + 'addheader "X-N" "v";')
    assert names(plan) == ["discard"]


def test_what_the_site_forbids_is_passed_over_with_a_warning() -> None:
    context = Context(now=NOW, settings=(EditHeader(forbid_add=("X-N", "Subject"), forbid_delete=("x-A",)),))
    assert kept('addheader "x-n" "v"; deleteheader "X-a";', context=context) == SMALL
    assert kept('addheader "subject" "v";', context=context) == b"subject: v\r\n" + SMALL
    plan = play(ALL + 'addheader "x-n" "v"; deleteheader "${a}received";', SMALL, context=context)
    assert [w.text for w in plan.warnings] == [
        "addheader action: adding the header field 'x-n' is forbidden here",
        "deleteheader action: deleting the header field 'received' is forbidden",
    ]


def test_a_value_that_is_too_large_is_an_error() -> None:
    value = "x" * 2049
    plan = play(ALL + f'addheader "X-N" "{value}";', SMALL)
    assert plan.error is not None
    assert plan.error.text == "addheader action: specified header value is too large"
    assert list(EditHeader(max_header_size=1023).problems())


@pytest.mark.parametrize("name", ["X N", "X-N:", "X-Nü", "a\r\nb", "x" * 128])
def test_a_name_that_is_none_is_an_error(name: str) -> None:
    for command in (f'addheader "{name}" "v";', f'deleteheader "{name}";'):
        assert len(errors(ALL + command)) == 1
    plan = play(ALL + f'set "n" "{name}"; addheader "${{n}}" "v";', SMALL)
    assert plan.error is not None


def test_a_field_without_a_name_is_none_as_a_stock_script_may_write_it() -> None:
    for script in (
        'addheader "" "v"; deleteheader "";',
        'set "n" ""; addheader "${n}" "v"; deleteheader "${n}";',
    ):
        plan = play(ALL + script, SMALL)
        assert (plan.error, plan.keep_message) == (None, None)
        assert len(findings(ALL + 'addheader "" "v"; deleteheader "";')) == 2
        assert not errors(ALL + script)


def test_a_list_of_one_name_is_a_name() -> None:
    assert kept('deleteheader ["X-A"];') == kept('deleteheader "X-A";')
    assert errors(ALL + 'deleteheader ["X-A", "X-B"];') == [
        "deleteheader command: there must be one field name, not 2"
    ]


def test_arguments() -> None:
    assert errors(ALL + 'deleteheader :last "a";') == [
        "the :last tag for the deleteheader command cannot be specified without the :index tag"
    ]
    assert errors(ALL + "deleteheader;")
    assert errors(ALL + 'deleteheader "a" "b" "c";')
    assert errors(ALL + 'deleteheader :regex "a" "(";')
    assert errors(ALL + 'addheader "a";')
    assert errors(ALL + 'addheader "a" ["b"];')
    assert [d.severity.value for d in findings(ALL + 'deleteheader "Received"; addheader "a" "\x01";')] == [
        "warning",
        "warning",
    ]


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b"\nb", b"body only", b" leading blank", b"A: 1", b"A: 1\nbody"]
)
def test_whatever_the_message_lacks_the_body_stays_the_body(raw: bytes) -> None:
    """Also where there is no header, no empty line, or no line end."""
    message = Message(raw)
    edited = EditedMessage(message, (Field("X", b"X: y\n"), *message.headers))
    again = Message(edited.raw)
    assert again.body == edited.body == message.body
    assert [field.name for field in again.headers] == ["X", *(field.name for field in message.headers)]
    assert edited.size_bytes == len(edited.raw)
    assert edited.body_offset == again.body_offset


def test_edits_of_edits_use_the_received_body() -> None:
    first = EditedMessage(Message(MESSAGE), ())
    second = EditedMessage(first, (Field("A", b"A: b\r\n"),))
    assert bytes(second.raw) == b"A: b\r\n\r\n" + Message(MESSAGE).body


@given(st.text(st.characters(codec="utf-8"), max_size=400))
def test_any_text_becomes_one_field_and_reads_back(text: str) -> None:
    """Line ends and the blanks around them become blanks; nothing else changes."""
    raw = encode.field("X-N", text)
    message = Message(raw + b"\r\n")
    assert len(message.headers) == 1
    assert message.body == b""
    assert all(len(line) <= 998 for line in raw.splitlines())
    assert raw.isascii()
    if "=?" not in text and not set("\r\n\t") & set(text):
        value = message.headers.all("x-n")[0].value
        assert decode_words(unfold(value)) == text.strip(" ")


def test_patterns_of_deleteheader_leave_match_variables() -> None:
    assert filed('deleteheader :matches "X-Multi" "t*"; fileinto "${1}";') == ["hree  spaced"]
