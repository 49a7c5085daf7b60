"""vacation (RFC 5230), vacation-seconds (RFC 6131), and whom an automatic reply may go to (RFC 3834)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lda.sieve import Context, Envelope
from lda.sieve.extensions.vacation import DAY_S, VacationOptions, VacationReply
from tamis.mail.message import Message
from tests.lda.sieve.play import ALL, NOW, errors, findings, only, play

ENVELOPE = Envelope(
    sender="alice@example.org", recipient="Bob@example.com", original_recipient="info@example.com"
)
MESSAGE = b"""\
From: =?utf-8?q?Alice_=C3=84?= <Alice@Example.org>
To: bob@example.com
Subject: Hello
Message-ID: <1@example.org>
References: <a@x> <b@x>

Are you there?
"""


def reply(
    script: str = 'vacation "Away";',
    message: bytes = MESSAGE,
    envelope: Envelope = ENVELOPE,
    options: VacationOptions | None = None,
) -> VacationReply:
    """The action that *script* decides on."""
    context = Context(now=NOW, settings=(options,) if options else (), environment={"host": "mx.example.com"})
    plan = play(ALL + script, message, envelope=envelope, context=context)
    assert plan.error is None, plan.error
    assert plan.implicit_keep
    action = only(plan)
    assert isinstance(action, VacationReply)
    return action


def sent(script: str = 'vacation "Away";', message: bytes = MESSAGE, **options: object) -> Message:
    """The reply."""
    action = reply(script, message, **options)  # type: ignore[arg-type]
    assert action.declined == ""
    return Message(action.letters[0].raw)


def with_field(field: str) -> bytes:
    return field.encode() + b"\n" + MESSAGE


def test_the_reply_is_complete() -> None:
    action = reply()
    assert (action.letters[0].sender, action.letters[0].recipient) == ("", "alice@example.org")
    message = Message(action.letters[0].raw)
    headers = {field.name: field.value.strip().decode() for field in message.headers}
    identity = headers.pop("Message-ID")
    assert identity.startswith("<")
    assert identity.endswith("@mx.example.com>")
    assert headers == {
        "X-Sieve": "Tamis",
        "Date": "Thu, 29 Feb 2024 23:30:15 +0000",
        "From": "<Bob@example.com>",
        "To": "=?utf-8?q?Alice_=C3=84?= <Alice@Example.org>",
        "Subject": "Auto: Hello",
        "In-Reply-To": "<1@example.org>",
        "References": "<a@x> <b@x> <1@example.org>",
        "Auto-Submitted": "auto-replied (vacation)",
        "Precedence": "bulk",
        "X-Auto-Response-Suppress": "All",
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "7bit",
    }
    assert message.body == b"Away\n"


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ("List-Id: <x>", "mailing list"), ("List-Unsubscribe: x", "mailing list"), ("List-Archive:", "mailing list"),
        ("Auto-Submitted: auto-replied", "by a program"), ("Auto-Submitted: AUTO-generated; x=y", "by a program"),
        ("Precedence: Bulk", "bulk mail"), ("Precedence: list", "bulk mail"), ("Precedence: junk", "bulk mail"),
        ("X-Auto-Response-Suppress: DR, OOF", "no automatic reply"), ("X-Auto-Response-Suppress: all", "no automatic"),
    ],
)  # fmt: skip
def test_automatic_mail_is_not_answered(field: str, why: str) -> None:
    action = reply(message=with_field(field))
    assert why in action.declined
    assert action.letters == ()


@pytest.mark.parametrize(
    "field",
    ["Auto-Submitted: no", "Auto-Submitted: NO; x=y", "Precedence: normal", "X-Auto-Response-Suppress: DR"],
)
def test_other_mail_is(field: str) -> None:
    assert reply(message=with_field(field)).declined == ""


@pytest.mark.parametrize(
    "sender",
    [
        "", "bob@example.com", "MAILER-DAEMON@x.org", "owner-list@x.org", "list-request@x.org", "LISTSERV@x.org",
        "majordomo@x.org", "no-address",
    ],
)  # fmt: skip
def test_some_senders_are_never_answered(sender: str) -> None:
    assert reply(envelope=replace(ENVELOPE, sender=sender)).declined


def test_the_user_does_not_answer_to_his_other_addresses() -> None:
    assert (
        reply('vacation :addresses ["x@y.z", "ALICE@example.org"] "Away";').declined
        == "the sender is the user"
    )


@pytest.mark.parametrize("name", ["To", "Cc", "BCC", "Resent-To", "Resent-Cc", "Resent-Bcc"])
def test_the_message_must_name_the_user(name: str) -> None:
    assert reply(message=f"{name}: x <y@z>, grp: BOB@EXAMPLE.com;\n\n".encode()).declined == ""
    assert "not addressed" in reply(message=f"{name}: bobby@example.com\n\n".encode()).declined


def test_which_addresses_are_the_users() -> None:
    other = MESSAGE.replace(b"To: bob@example.com", b"To: Info@example.com")
    assert reply(message=other).declined
    assert reply(message=other, options=VacationOptions(check_recipient=False)).declined == ""
    assert reply(message=other, options=VacationOptions(user_email="info@example.com")).declined == ""
    used = VacationOptions(use_original_recipient=True)
    assert sent(message=other, options=used).headers.first("From") == b"<info@example.com>"
    assert (
        sent('vacation :addresses "Info@example.com" "Away";', other).headers.first("From")
        == b"<Info@example.com>"
    )


def test_no_recipient_no_reply() -> None:
    assert reply(
        envelope=replace(ENVELOPE, recipient=""), options=VacationOptions(check_recipient=False)
    ).declined


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        (':subject "Gone"', "Subject", b"Gone"),
        (':subject "Grüße"', "Subject", b"=?utf-8?q?Gr=C3=BC=C3=9Fe?="),
        (':subject "a\r\nBcc: x@y"', "Subject", b"a Bcc: x@y"),
        (':from "B <b@c.d>"', "From", b"B <b@c.d>"),
        (':subject ""', "Subject", b"Auto: Hello"),
        (':from ""', "From", b"<Bob@example.com>"),
        (':from "${1}no address"', "From", b"<Bob@example.com>"),
    ],
)
def test_fields_can_be_chosen(arguments: str, field: str, value: bytes) -> None:
    assert sent(f'vacation {arguments} "Away";').headers.first(field) == value


def test_the_subject_has_defaults() -> None:
    bare = MESSAGE.replace(b"Subject: Hello\n", b"")
    assert sent(message=bare).headers.first("Subject") == b"Automated reply"
    options = VacationOptions(default_subject="Gone", subject_template="Re: %{subject}!")
    assert sent(message=bare, options=options).headers.first("Subject") == b"Gone"
    assert sent(options=options).headers.first("Subject") == b"Re: Hello!"


def test_the_name_comes_from_the_field_that_has_the_sender() -> None:
    message = MESSAGE + b""
    message = b"Sender: Secretary <sec@example.org>\n" + message
    assert sent(message=message).headers.first("To") == b"=?utf-8?q?Alice_=C3=84?= <Alice@Example.org>"
    ignore = VacationOptions(to_header_ignore_envelope=True)
    assert sent(message=message, options=ignore).headers.first("To") == b"Secretary <sec@example.org>"
    stranger = replace(ENVELOPE, sender="bounce+1@list.example")
    assert sent(message=message, envelope=stranger).headers.first("To") == b"<bounce+1@list.example>"


@pytest.mark.parametrize("name", [b'"a\\"b, c"', b"\xc3\x84rger", b'"\xc3\x84, x"', b"a.b (c)"])
def test_no_name_breaks_the_field(name: bytes) -> None:
    message = MESSAGE.replace(b"=?utf-8?q?Alice_=C3=84?=", name)
    to = sent(message=message).headers.first("To")
    assert to.endswith(b" <Alice@Example.org>")
    assert to.isascii()


@given(name=st.binary(max_size=40), subject=st.binary(max_size=80), identity=st.binary(max_size=40))
def test_nothing_in_a_message_adds_a_field_to_the_reply(name: bytes, subject: bytes, identity: bytes) -> None:
    values = [value.replace(b"\n", b"") for value in (name, subject, identity)]
    fields = b"From: %s <alice@example.org>\nSubject: %s\nMessage-ID: %s\n" % tuple(values)
    head, _, body = reply(message=fields + b"To: bob@example.com\n\n").letters[0].raw.partition(b"\n\n")
    assert head.isascii()
    assert b"\r" not in head
    assert body == b"Away\n"
    names = [line.partition(b":")[0] for line in head.split(b"\n") if line[:1] not in {b" ", b"\t"}]
    assert len(names) == len(set(names))
    assert set(names) <= {
        b"X-Sieve", b"Date", b"Message-ID", b"From", b"To", b"Subject", b"In-Reply-To", b"References",
        b"Auto-Submitted", b"Precedence", b"X-Auto-Response-Suppress", b"MIME-Version", b"Content-Type",
        b"Content-Transfer-Encoding",
    }  # fmt: skip


def test_the_envelope_sender_can_be_the_recipient() -> None:
    assert reply(options=VacationOptions(send_from_recipient=True)).letters[0].sender == "Bob@example.com"


def test_a_mime_entity_is_the_body_with_its_own_fields_only() -> None:
    entity = "Content-Type: text/html\r\nFrom: x@y\r\nContent-Transfer-Encoding: 7bit\r\n\r\n<b>Away</b>"
    message = sent(f'vacation :mime "{entity}";')
    assert message.headers.all("Content-Type")[0].value == b" text/html"
    assert len(message.headers.all("From")) == len(message.headers.all("MIME-Version")) == 1
    assert message.headers.first("Content-Transfer-Encoding") == b"7bit"
    assert message.body == b"<b>Away</b>"


def test_long_lines_and_other_octets_get_through() -> None:
    long = sent(f'vacation "{"ä" * 600}";')
    assert long.headers.first("Content-Transfer-Encoding") == b"quoted-printable"
    assert max(map(len, long.body.split(b"\n"))) <= 76
    assert sent('vacation "ä\r\nb";').body == "ä\nb\n".encode()


# -- how often


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [
        ("", 7 * DAY_S), (":days 3", 3 * DAY_S), (":days 0", DAY_S), (":days 365", 60 * DAY_S),
        (":seconds 100000", 100_000), (":seconds 5", DAY_S),
    ],
)  # fmt: skip
def test_the_period_is_kept_within_bounds(arguments: str, seconds: int) -> None:
    assert reply(f'vacation {arguments} "Away";').keep_s == seconds


def test_the_bounds_are_the_sites() -> None:
    options = VacationOptions(min_period_s=0, max_period_s=0, default_period_s=10)
    assert reply(options=options).keep_s == 10
    assert reply('vacation :seconds 0 "Away";', options=options).keep_s == 0
    assert reply('vacation :days 1000 "Away";', options=options).keep_s == 1000 * DAY_S


def test_what_makes_a_reply_another_one() -> None:
    """The same handle is the same reply whatever it says; without handles the whole text counts (section 4.2)."""
    assert reply('vacation :handle "h" "a";').once == reply('vacation :handle "h" :subject "s" "b";').once
    scripts = [
        'vacation "a";', 'vacation "b";', 'vacation :subject "s" "a";', 'vacation :from "b@c.d" "a";',
        'vacation :mime "a";', 'vacation :handle "a" "a";',
    ]  # fmt: skip
    keys = {reply(script).once for script in scripts}
    assert len(keys) == len(scripts)
    assert reply(envelope=replace(ENVELOPE, sender="ALICE@example.org")).once == reply().once
    assert reply(envelope=replace(ENVELOPE, sender="carol@example.org")).once != reply().once


# -- what is wrong


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ('vacation :from "a b" "x";', "specified :from address 'a b' is invalid for vacation action"),
        (
            'vacation :days 1 :seconds 1 "x";',
            "encountered duplicate :seconds argument for the vacation command",
        ),
    ],
)
def test_errors(script: str, text: str) -> None:
    assert errors(ALL + script) == [text]


def test_seconds_need_their_own_require_which_brings_vacation() -> None:
    assert errors('require "vacation"; vacation :seconds 1 "x";')
    assert not errors('require "vacation-seconds"; vacation :seconds 1 "x";')


def test_warnings() -> None:
    assert len(findings(ALL + 'vacation :days 0 :addresses ["a b", "c@d"] "x";')) == 2


@pytest.mark.parametrize(
    "script", ['vacation "a"; vacation "b";', 'vacation "a"; reject "b";', 'reject "a"; vacation "b";']
)
def test_one_answer_only(script: str) -> None:
    plan = play(ALL + script, MESSAGE)
    assert plan.error is not None
    assert "not allowed" in plan.error.text or "conflicts" in plan.error.text


def test_one_reply_in_a_sequence_of_scripts() -> None:
    plan = play(ALL + 'vacation "b";', MESSAGE, envelope=ENVELOPE, before='require "vacation"; vacation "a";')
    assert isinstance(reply_ := only(plan), VacationReply)
    assert reply_.letters[0].raw.endswith(b"\na\n")
    assert len(plan.warnings) == 1


def test_the_reply_answers_the_message_as_it_was_received() -> None:
    script = 'deleteheader "subject"; addheader "List-Id" "x"; vacation "Away";'
    assert sent(script).headers.first("Subject") == b"Auto: Hello"
