"""RFC 5703 section 6: enclose."""

from __future__ import annotations

from lda.sieve import FileInto, Keep, Redirect
from tamis.mail.message import Message
from tamis.mail.mime import structure, text
from tests.lda.sieve.multipart import PARTS
from tests.lda.sieve.play import ALL, MESSAGE, errors, filed, play


def enclosed(script: str, message: bytes = MESSAGE) -> Message:
    plan = play(ALL + script, message)
    assert plan.error is None, plan.error
    assert plan.keep_message is not None
    return plan.keep_message


def test_the_message_becomes_an_attachment_whole() -> None:
    for message in (MESSAGE, PARTS, MESSAGE.replace(b"\r\n", b"\n"), b"", b"no header"):
        result = enclosed('enclose "Look\nat this";', message)
        whole = structure(Message(result.raw))
        assert str(whole.content_type) == "multipart/mixed"
        first, second = whole.parts
        assert (text(result.raw, first) or "").splitlines() == ["Look", "at this"]
        assert str(second.content_type) == "message/rfc822"
        assert result.raw[second.start : second.end] == message


def test_its_header_is_new_but_for_what_is_asked_for() -> None:
    headers = enclosed('enclose :headers ["From", "X-Multi", "Content-Type"] "x";').headers
    assert [field.name for field in headers] == [
        "Date", "From", "Subject", "X-Multi", "X-Multi", "X-Multi", "MIME-Version", "Content-Type",
    ]  # fmt: skip
    assert headers.first("date") == b"Thu, 29 Feb 2024 23:30:15 +0000"
    headers = enclosed('enclose :subject "Grüße\r\nX: y" "x";').headers
    assert [field.name for field in headers] == ["Subject", "Date", "From", "MIME-Version", "Content-Type"]
    assert headers.first("from") == b"<bob+list@example.com>"
    assert headers.first("subject") == b"=?utf-8?q?Gr=C3=BC=C3=9Fe?= X: y"


def test_any_text_can_be_given() -> None:
    script = 'enclose "--=_\n--Grüße\n' + "x" * 200 + '"; if body :contains "Grüße" { fileinto "a"; }'
    assert filed(script) == ["a"]


def test_later_tests_see_it_and_redirect_does_not() -> None:
    plan = play(
        ALL + 'keep; enclose :subject "new" "x"; addheader "X-N" "v"; redirect "a@b.example";'
        'if allof (header "subject" "new", header :mime :anychild "x-num" "15 apples") { fileinto "a"; }'
    )
    keep, redirect, store = plan.actions
    assert isinstance(keep, Keep)
    assert keep.message is None
    assert isinstance(redirect, Redirect)
    assert redirect.message is None
    assert isinstance(store, FileInto)
    assert store.message is not None


def test_redirect_sees_the_edits_before_it() -> None:
    (action,) = play(ALL + 'addheader "X-N" "v"; enclose "x"; enclose "y"; redirect "a@b.example";').actions
    assert isinstance(action, Redirect)
    assert action.message is not None
    assert bytes(action.message.raw) == b"X-N: v\r\n" + MESSAGE


def test_it_can_be_done_twice() -> None:
    assert filed('enclose "x"; enclose "y"; foreverypart { set "n" "${n}x"; } fileinto "${n}";') == [
        "xxxxxxx"
    ]


def test_arguments() -> None:
    assert errors(ALL + "enclose;")
    assert errors(ALL + 'enclose ["a", "b"];')
    assert errors('enclose "a";')
