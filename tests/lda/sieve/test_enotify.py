"""enotify (RFC 5435) and its method mailto (RFC 5436)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lda.sieve import Context, Plan
from lda.sieve.extensions.enotify import Notification, NotifyOptions
from lda.sieve.mailto import BadUri, parse_uri
from tamis.mail.message import Message
from tests.lda.sieve.play import ALL, ENVELOPE, NOW, errors, filed, findings, holds, play

MESSAGE = b"From: a@b.c\nSubject: Hello\n\nbody\n"
ME = replace(ENVELOPE, recipient="bob@example.com")


def run(
    script: str, message: bytes = MESSAGE, options: NotifyOptions | None = None, sender: str = "s@a"
) -> Plan:
    context = Context(now=NOW, settings=(options,) if options else (), environment={"host": "mx"})
    return play(ALL + script, message, envelope=replace(ME, sender=sender), context=context)


def told(script: str, message: bytes = MESSAGE, **options: object) -> list[Notification]:
    plan = run(script, message, **options)  # type: ignore[arg-type]
    assert plan.error is None, plan.error
    assert plan.implicit_keep
    return [action for action in plan.actions if isinstance(action, Notification)]


def sent(script: str, message: bytes = MESSAGE, **options: object) -> Message:
    (action,) = told(script, message, **options)
    return Message(action.letters[0].raw)


def recipients(script: str) -> list[list[str]]:
    return [[letter.recipient for letter in action.letters] for action in told(script)]


def test_the_notification_is_complete() -> None:
    (action,) = told('notify "mailto:x@y.z";')
    (letter,) = action.letters
    assert (letter.sender, letter.recipient) == ("bob@example.com", "x@y.z")
    message = Message(letter.raw)
    headers = {field.name: field.value.strip().decode() for field in message.headers}
    assert headers.pop("Message-ID").endswith("@mx>")
    assert headers == {
        "Auto-Submitted": 'auto-notified; owner-email="bob@example.com"',
        "X-Sieve": "Tamis",
        "Date": "Thu, 29 Feb 2024 23:30:15 +0000",
        "From": "<bob@example.com>",
        "To": "x@y.z",
        "Subject": "Notification: Hello",
        "Precedence": "bulk",
        "X-Priority": "3 (Normal)",
        "Importance": "Normal",
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "7bit",
    }
    assert message.body == b"Notification of new message.\n"


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        (':message "You have mail" "mailto:x@y.z?subject=no"', "Subject", b"You have mail"),
        ('"mailto:x@y.z?subject=URI%20subject"', "Subject", b"URI subject"),
        ('"mailto:x@y.z?subject=%C3%84%0D%0ABcc:%20v@w"', "Subject", b"=?utf-8?q?=C3=84?= Bcc: v@w"),
        (':from "Bob <b@c.d>" "mailto:x@y.z"', "From", b"Bob <b@c.d>"),
        (':importance "1" "mailto:x@y.z"', "Importance", b"High"),
        (':importance "3" "mailto:x@y.z"', "X-Priority", b"5 (Lowest)"),
        ('"mailto:x@y.z?to=%22v%20w%22@z.org&cc=u@z.org"', "To", b'x@y.z, "v w"@z.org'),
        ('"mailto:x@y.z?to=v@z.org&cc=u@z.org"', "Cc", b"u@z.org"),
        ('"mailto:x@y.z?x-foo=b%20r"', "X-foo", b"b r"),
        ('"mailto:x@y.z?auto-submitted=no"', "Auto-Submitted", b'auto-notified; owner-email="bob@example.com"'),
        ('"mailto:x@y.z?from=f@g.h&bcc=i@j.k"', "From", b"<bob@example.com>"),
    ],
)  # fmt: skip
def test_what_the_command_and_the_uri_say(arguments: str, field: str, value: bytes) -> None:
    message = sent(f"notify {arguments};")
    assert message.headers.first(field) == value
    assert len(message.headers.all(field)) == 1
    assert not message.headers.all("Bcc")


def test_the_body_comes_from_the_uri() -> None:
    assert sent('notify "mailto:x@y.z?body=a%0D%0A%C3%84";').body == "a\nÄ\n".encode()


def test_every_recipient_of_a_uri_is_told_once() -> None:
    assert recipients('notify "mailto:a@b.c%2C%20d@e.f?to=A@b.c&cc=a@B.c";') == [["a@b.c", "d@e.f", "A@b.c"]]


def test_nobody_is_told_twice_in_one_run() -> None:
    script = 'notify "mailto:a@b.c?cc=d@e.f"; notify "mailto:d@e.f?cc=a@b.c";'
    script += 'notify :message "x" "mailto:d@e.f?to=g@h.i";'
    assert recipients(script) == [["a@b.c", "d@e.f"], ["g@h.i"]]


def test_the_null_sender_stays_null_and_is_told_of() -> None:
    (action,) = told('notify :from "b@c.d" "mailto:x@y.z";', sender="")
    assert action.letters[0].sender == ""
    (action,) = told('notify :from "b@c.d" "mailto:x@y.z";')
    assert action.letters[0].sender == "b@c.d"


def test_automatic_messages_are_not_told_of() -> None:
    (action,) = told('notify "mailto:x@y.z";', b"Auto-Submitted: auto-notified\n" + MESSAGE)
    assert action.letters == ()
    assert "auto-submitted" in action.declined
    assert told('notify "mailto:x@y.z";', b"Auto-Submitted: no\n" + MESSAGE)[0].letters


def test_their_number_is_limited() -> None:
    script = "".join(f'notify "mailto:{i}@y.z";' for i in range(3))
    assert len(told(script, options=NotifyOptions(max_notifications=3))) == 3
    plan = run(script, options=NotifyOptions(max_notifications=2))
    assert plan.error is not None
    assert plan.error.text == "number of notify actions exceeds policy limit (3 > 2)"
    assert run(script, options=NotifyOptions(max_notifications=0)).error is not None


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('"foo:bar"', "notify command: invalid method 'foo'"),
        ('"mailto:a b@c"', "notify command: mailto URI: invalid character ' ' in 'to' part"),
        ('"mailto:a@b.c,d@e.f"', "notify command: mailto URI: invalid character ',' in 'to' part"),
        ('"mailto:a@b.c;?x=y"', "notify command: mailto URI: invalid character ';' in 'to' part"),
        ('"mailto:a@b.c?x<=y"', "notify command: mailto URI: invalid character '<' in header field name part"),
        ('"mailto:a@b.c?x=y>z"', "notify command: mailto URI: invalid character '>' in header field value part"),
        ('"mailto:a@b.c?x:=y"', "notify command: mailto URI: invalid header field name 'x:'"),
        ('"mailto:foo%23b.c"', "notify command: mailto URI: invalid recipient 'foo#b.c'"),
        ('"mailto:a@b.c?to=d%23e.f"', "notify command: mailto URI: invalid recipient 'd#e.f'"),
        ('"mailto:a@b.c?subject=%zz"', "notify command: mailto URI: invalid % encoding"),
        (':importance "4" "mailto:a@b.c"', "invalid :importance value for notify command: 4"),
        (
            ':from "x y" "mailto:a@b.c"',
            "notify command: specified :from address 'x y' is invalid for the mailto method",
        ),
        (':options "x" "mailto:a@b.c"', "notify command: invalid option name specified in option 'x'"),
    ],
)  # fmt: skip
def test_errors(arguments: str, text: str) -> None:
    assert errors(ALL + f"notify {arguments};") == [text]


def test_what_is_wrong_when_it_runs_fails_the_script() -> None:
    plan = run('set "u" "foo:bar"; notify "${u}";')
    assert plan.error is not None
    assert plan.error.text == "notify action: invalid method 'foo'"


@pytest.mark.parametrize(
    "uri",
    ["mailto:", "mailto:a@b.c?subject=a&subject=b", "mailto:a@b.c?from=x@y", "mailto:a@b.c?content-type=x"],
)
def test_warnings(uri: str) -> None:
    assert [d.severity.value for d in findings(ALL + f'notify "{uri}";')] == ["warning"]


def test_a_uri_without_recipients_tells_nobody() -> None:
    assert told('notify "mailto:";') == []


def test_recipients_are_limited() -> None:
    eight = "%2C".join(f"{i}@b.c" for i in range(8))
    assert len(parse_uri(f"mailto:{eight}").recipients) == 8
    with pytest.raises(BadUri, match="more than the maximum 8 recipients"):
        parse_uri(f"mailto:{eight}?cc=9@b.c")


@pytest.mark.parametrize(
    ("uris", "valid"),
    [
        ('"mailto:a@b.c"', True), ('"MAILTO:a@b.c?subject=x"', True), ('["mailto:a@b.c", "xmpp:a@b"]', False),
        ('"mailto"', False), ('"mailto:a b"', False), ('""', False),
    ],
)  # fmt: skip
def test_valid_notify_method(uris: str, valid: bool) -> None:
    assert holds(f"valid_notify_method {uris}") is valid


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        ('"mailto:a@b.c" "online" "maybe"', True), ('"mailto:a@b.c" "Online" ["yes", "MAYBE"]', True),
        ('"mailto:a@b.c" "online" "yes"', False), (':matches "mailto:a@b.c" "other" "*"', False),
        (':contains "foo:x" "online" ""', False), (':count "eq" "mailto:a@b.c" "online" "1"', True),
    ],
)  # fmt: skip
def test_notify_method_capability(arguments: str, result: bool) -> None:
    assert holds(f"notify_method_capability {arguments}") is result


def test_encodeurl_leaves_what_is_unreserved() -> None:
    assert filed('set :encodeurl "a" "Ä b&c~_-.%"; fileinto "x${a}";') == ["x%C3%84%20b%26c~_-.%25"]
    assert filed('set :encodeurl :length "a" "Ä"; fileinto "x${a}";') == ["x6"]
    assert filed('set :upper :encodeurl "a" "a b"; fileinto "x${a}";') == ["xA%20B"]


@pytest.mark.parametrize("value", ["", "none", "a b@c.d"])
def test_an_author_that_is_no_address_is_an_error_however_it_is_written(value: str) -> None:
    """RFC 5435 section 3.3."""
    assert errors(ALL + f'notify :from "{value}" "mailto:x@y.z";')
    plan = play(ALL + f'set "v" "{value}"; notify :from "${{v}}" "mailto:x@y.z";')
    assert plan.error is not None
    assert ":from address" in plan.error.text
