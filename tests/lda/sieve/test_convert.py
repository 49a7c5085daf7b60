"""convert (RFC 6558), for text."""

from __future__ import annotations

import pytest

from lda.sieve import Plan
from tamis.mail.message import Message
from tamis.mail.mime import content_type, structure, text
from tests.lda.sieve.multipart import PARTS
from tests.lda.sieve.play import ALL, findings, names, play

HTML = (
    b"Subject: s\r\nContent-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n"
    b"Content-Description: x\r\nX-A: 1\r\n\r\n<p>Gr=FC=DFe &amp; <b>mehr</b></p><script>x</script>=\r\n<p>Ende\r\n"
)
PLAIN = b"Subject: s\r\n\r\na < b\r\n"
MIXED = (
    b"Subject: s\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/html\r\nContent-Disposition: inline\r\n\r\n<p>one\r\n"
    b"--b\r\nContent-Type: image/png\r\n\r\nx\r\n"
    b"--b\r\nContent-Type: TEXT/HTML\r\n\r\n<p>two\r\n--b--\r\n"
)


def kept(plan: Plan) -> Message:
    assert plan.error is None, plan.error
    assert plan.keep_message is not None
    return Message(bytes(plan.keep_message.raw))


def converted(script: str, message: bytes) -> Message:
    return kept(play(ALL + script, message))


def texts(message: Message) -> list[tuple[str, str | None]]:
    return [(str(p.content_type), text(message.raw, p)) for p in structure(message).walk() if not p.parts]


def test_html_becomes_plain_text() -> None:
    message = converted('convert "text/html" "text/plain" "";', HTML)
    assert texts(message) == [("text/plain", "Grüße & mehr\r\n\r\nEnde\r\n")]
    assert message.headers.first("subject") == b"s"
    assert message.headers.first("content-description") == b"x"
    assert len(message.headers.all("content-type")) == len(message.headers.all("mime-version")) == 1
    assert len(message.headers.all("content-transfer-encoding")) == 1


def test_plain_text_becomes_html() -> None:
    ((kind, body),) = texts(converted('convert "text/plain" "text/html" "";', PLAIN))
    assert kind == "text/html"
    assert body is not None
    assert "a &lt; b" in body


def test_a_charset_is_changed_and_what_it_lacks_replaced() -> None:
    latin = converted('convert "text/html" "text/plain" ["charset=ISO-8859-1"];', HTML)
    assert content_type(latin.headers).parameters["charset"] == "iso-8859-1"
    assert (texts(latin)[0][1] or "").startswith("Grüße")
    bare = converted(
        'convert "text/html" "text/html" ["charset=us-ascii", "Unknown-Character-Replacement=_"];', HTML
    )
    assert (texts(bare)[0][1] or "").startswith("<p>Gr__e &amp;")


def test_every_part_of_the_type_is_converted_and_no_other() -> None:
    message = converted('convert "text/html" "text/plain" "";', MIXED)
    assert texts(message) == [("text/plain", "one\r\n"), ("image/png", "x"), ("text/plain", "two\r\n")]
    assert b"Content-Disposition: inline" in message.raw


def test_in_a_loop_only_the_current_part_is() -> None:
    inline = 'exists :mime "Content-Disposition"'
    script = f'foreverypart {{ if {inline} {{ convert "text/html" "text/plain" ""; }} }}'
    message = converted(script, MIXED)
    assert [kind for kind, _ in texts(message)] == ["text/plain", "image/png", "text/html"]
    both = converted('foreverypart { convert "text/html" "text/plain" ""; }', MIXED)
    assert texts(both) == texts(converted('convert "text/html" "text/plain" "";', MIXED))


def test_a_loop_goes_on_after_a_conversion() -> None:
    image = 'header :mime :subtype "Content-Type" "png"'
    script = f'foreverypart {{ convert "text/html" "text/plain" ""; if {image} {{ discard; }} }}'
    assert "discard" in names(play(ALL + script, MIXED))


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        ('"text/html" "text/plain" ""', True), ('"TEXT/HTML" "Text/Plain" ["charset=utf-8"]', True),
        ('"image/png" "image/jpeg" ""', False), ('"text/html" "text/plain" ["charset=nonsense"]', False),
        ('"text/html" "text/plain" ["pix-x=3"]', False), ('"image/gif" "image/jpeg" ""', True),
        ('"text/html" "application/pdf" ""', False),
        ('"text/html" "text/html" ["charset=us-ascii", "unknown-character-replacement=ü"]', True),
    ],
)  # fmt: skip
def test_as_a_test_it_is_false_if_a_conversion_failed(arguments: str, result: bool) -> None:
    """Nothing of that type in the message: nothing can fail."""
    assert (names(play(ALL + f"if convert {arguments} {{ discard; }}", MIXED)) == ["discard"]) is result


def test_a_failure_leaves_the_whole_message_as_it_was_and_the_script_goes_on() -> None:
    broken = MIXED.replace(b"TEXT/HTML\r\n", b"TEXT/HTML\r\nContent-Transfer-Encoding: x-unknown\r\n")
    plan = play(ALL + 'convert "text/html" "text/plain" ""; fileinto "after";', broken)
    assert plan.error is None
    (action,) = plan.actions
    assert getattr(action, "message", "") is None


def test_stores_before_a_conversion_have_what_was_there_then() -> None:
    plan = play(ALL + 'fileinto "a"; convert "text/html" "text/plain" ""; fileinto "b";', HTML)
    first, second = (getattr(action, "message", None) for action in plan.actions)
    assert first is None
    assert texts(second)[0][0] == "text/plain"


def test_later_tests_see_the_converted_message() -> None:
    script = 'convert "text/html" "text/plain" ""; if header :contains "Content-Type" "plain" { discard; }'
    assert names(play(ALL + script, HTML)) == ["discard"]


def test_what_has_been_converted_is_not_converted_again_by_the_same_action() -> None:
    once = converted('convert "text/plain" "text/plain" ["charset=utf-8"];', PLAIN)
    assert texts(once) == [("text/plain", "a < b\r\n")]


def test_unknown_types_and_parameters_are_warnings() -> None:
    found = [d.text for d in findings(ALL + 'convert "html" "text/plain" ["pix-x=1"];')]
    assert len(found) == 2


def test_deep_structures_stay_whole() -> None:
    message = converted('convert "text/html" "text/plain" "";', PARTS)
    before = [str(p.content_type) for p in structure(Message(PARTS)).walk()]
    after = [str(p.content_type) for p in structure(message).walk()]
    assert after == [kind.replace("text/html", "text/plain") for kind in before]
