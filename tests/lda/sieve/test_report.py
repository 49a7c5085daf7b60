"""vnd.dovecot.report (spec-bosch-sieve-report): reports in the format of RFC 5965."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage

import pytest

from lda.sieve import Context, Plan
from lda.sieve.extensions.report import AbuseReport, ReportOptions
from lda.sieve.extensions.vacation import VacationOptions
from tests.lda.sieve.play import ALL, ENVELOPE, NOW, errors, names, play

MESSAGE = b"Received: by mx\nFrom: Spam <spam@b.c>\nTo: bob@example.com\nSubject: Buy\n\nThis!\n--x\n"
ME = replace(ENVELOPE, sender="spam@b.c", recipient="bob@example.com")
REPORT = 'report "abuse" "It is spam." "spam-report@example.org";'


def run(script: str, message: bytes = MESSAGE, *settings: object, **envelope: str) -> Plan:
    environment = {"host": "mx.example.com", "domain": "example.com"}
    context = Context(now=NOW, settings=settings, environment=environment)
    return play(ALL + script, message, envelope=replace(ME, **envelope), context=context)


def reports(script: str, message: bytes = MESSAGE, *settings: object, **envelope: str) -> list[AbuseReport]:
    plan = run(script, message, *settings, **envelope)
    assert plan.error is None, plan.error
    return [action for action in plan.actions if isinstance(action, AbuseReport)]


def raw(script: str = REPORT, message: bytes = MESSAGE, *settings: object, **envelope: str) -> bytes:
    (report,) = reports(script, message, *settings, **envelope)
    (letter,) = report.letters
    return letter.raw


def read(script: str = REPORT, message: bytes = MESSAGE, *settings: object, **envelope: str) -> EmailMessage:
    """The report as a mail program reads it."""
    parsed = email.message_from_bytes(
        raw(script, message, *settings, **envelope), policy=email.policy.default
    )
    assert isinstance(parsed, EmailMessage)
    return parsed


def test_a_report_is_complete() -> None:
    (report,) = reports(REPORT)
    (letter,) = report.letters
    assert (letter.sender, letter.recipient) == ("", "spam-report@example.org")
    message = read()
    assert message["From"] == "Postmaster <postmaster@example.com>"
    assert message["To"] == "spam-report@example.org"
    assert message["Subject"] == "Report: Buy"
    assert message["Auto-Submitted"] == "auto-generated (report)"
    assert message["Message-ID"].endswith("@mx.example.com>")
    assert message["Date"] == "Thu, 29 Feb 2024 23:30:15 +0000"
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "feedback-report"


def test_it_has_three_parts() -> None:
    """RFC 5965 section 2: for people, for machines, the message itself."""
    text, facts, original = read().iter_parts()
    assert isinstance(text, EmailMessage)
    assert (text.get_content_type(), text.get_content()) == ("text/plain", "It is spam.\n")
    assert facts.get_content_type() == "message/feedback-report"
    assert original.get_content_type() == "message/rfc822"
    assert MESSAGE in raw()


def test_the_facts() -> None:
    """RFC 5965 section 3.1: three fields that must be there; 3.2: where the message came from."""
    text = raw().decode()
    block = text.partition("Content-Type: message/feedback-report\n\n")[2].partition("\n\n")[0]
    assert block.splitlines() == [
        "Version: 1",
        "Feedback-Type: abuse",
        "User-Agent: Tamis",
        "Original-Mail-From: <spam@b.c>",
        "Original-Rcpt-To: <bob@example.com>",
        "Dovecot-Reporting-User: <bob@example.com>",
    ]
    assert "Original-Mail-From: <>\n" in raw(sender="").decode()
    assert "Original-Rcpt-To: <list@example.com>\n" in raw(original_recipient="list@example.com").decode()


def test_headers_only() -> None:
    message = read('report :headers_only "abuse" "x" "a@b.c";')
    original = list(message.iter_parts())[2]
    assert original.get_content_type() == "text/rfc822-headers"
    assert b"Received: by mx\nFrom: Spam <spam@b.c>\nTo: bob@example.com\nSubject: Buy\n" in raw(
        'report :headers_only "abuse" "x" "a@b.c";'
    )
    assert b"This!" not in raw('report :headers_only "abuse" "x" "a@b.c";')


def test_it_is_about_the_message_as_received() -> None:
    assert b"X-New" not in raw('addheader "X-New" "1"; deleteheader "subject"; ' + REPORT)
    assert b"Subject: Report: Buy\n" in raw('deleteheader "subject"; ' + REPORT)


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (b"", "Report: (message without subject)"),
        (b"Subject: \n", "Report: (message without subject)"),
        (b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n", "Report: Gr\u00fc\u00dfe"),
        (b"Subject: a\n b\n", "Report: a b"),
        (b"Subject: x\rBcc: v@w\n", "Report: x Bcc: v@w"),
    ],
)
def test_the_subject(subject: bytes, expected: str) -> None:
    message = read(REPORT, b"From: a@b.c\n" + subject + b"\nx\n")
    assert message["Subject"] == expected
    assert "Bcc" not in message


def test_the_script_cannot_end_a_part_or_a_field() -> None:
    script = 'report "abuse" text:\nHi.\n\n--x\nBcc: v@w\n.\n;'
    script = script.replace(".\n;", '.\n "a@b.c";')
    message = read(script)
    assert len(list(message.iter_parts())) == 3
    assert "Bcc" not in message


def test_octets_of_any_kind_survive() -> None:
    message = MESSAGE + b"\xff\xc3\xa4\n"
    text = raw('report "abuse" "Gr\u00fc\u00dfe" "a@b.c";', message)
    assert message in text
    assert text.partition(b"\n\n")[0].endswith(b"Content-Transfer-Encoding: 8bit")
    assert "Gr\u00fc\u00dfe\n".encode() in text


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_line_ends_are_those_of_local_submission(newline: bytes) -> None:
    assert b"\r" not in raw(REPORT, MESSAGE.replace(b"\n", newline))


def test_the_keep_is_left_alone_and_other_actions_too() -> None:
    """Section 3: compatible with all other actions."""
    plan = run(REPORT + 'fileinto "a"; redirect "x@y.z"; vacation "x";')
    assert names(plan) == ["report", "store", "redirect", "vacation"]
    assert run(REPORT).implicit_keep
    assert names(run(REPORT + 'reject "x";')) == ["report", "reject"]
    assert names(run(REPORT + "discard;")) == ["report", "discard"]


def test_one_report_of_a_type_to_a_recipient() -> None:
    """Section 3: only the first message counts."""
    found = reports(
        'report "abuse" "first" "a@b.c"; report :headers_only "Abuse" "second" "A <a@B.C>";'
        'report "fraud" "third" "a@b.c"; report "abuse" "fourth" "d@b.c";'
    )
    assert [(report.feedback_type, report.recipient) for report in found] == [
        ("abuse", "a@b.c"),
        ("fraud", "a@b.c"),
        ("abuse", "d@b.c"),
    ]
    assert b"first" in found[0].letters[0].raw


@pytest.mark.parametrize(
    ("recipient", "envelope", "settings"),
    [
        ("bob@example.com", {}, ()),
        ("Bob+spam@EXAMPLE.com", {}, ()),
        ("sales@example.com", {"original_recipient": "sales@example.com"}, ()),
        ("robert@example.com", {}, (VacationOptions(user_email="robert@example.com"),)),
    ],
)
def test_no_report_goes_to_the_user(
    recipient: str, envelope: dict[str, str], settings: tuple[object, ...]
) -> None:
    (report,) = reports(f'report "abuse" "x" "{recipient}";', MESSAGE, *settings, **envelope)
    assert report.letters == ()
    assert report.declined == "the report would go to the user"


def test_a_report_is_not_reported_but_other_automatic_mail_is() -> None:
    """Two users whose scripts report everything to each other must come to an end."""
    (report,) = reports('report "abuse" "x" "c@d.e";', raw())
    assert report.declined == "the message is itself a report"
    (report,) = reports(REPORT, b"Auto-Submitted: auto-generated\n" + MESSAGE)
    assert report.letters


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        ("postmaster", "Postmaster <pm@x.y>"),
        ("sender", "spam@b.c"),
        ("recipient", "bob@example.com"),
        ("orig_recipient", "bob@example.com"),
        ("user_email", "robert@example.com"),
        ("<reporter@x.y>", "reporter@x.y"),
        ("<>", "Postmaster <pm@x.y>"),
        ("nonsense", "Postmaster <pm@x.y>"),
    ],
)
def test_whose_report_it_is(sender: str, expected: str) -> None:
    options = ReportOptions(sender=sender, postmaster="pm@x.y")
    assert (
        read(REPORT, MESSAGE, options, VacationOptions(user_email="robert@example.com"))["From"] == expected
    )
    assert bool(list(options.problems())) == (sender in ("<>", "nonsense"))


def test_from_nobody_it_is_the_postmasters() -> None:
    assert read(REPORT, MESSAGE, ReportOptions(sender="sender"), sender="")["From"] == (
        "Postmaster <postmaster@example.com>"
    )


@pytest.mark.parametrize(
    "kind", ["a b", "", 'a\\"', "a/b", "a;b", "a:b", "\u00e4", "a\r\nX-Evil: 1", "x" * 129]
)
def test_a_feedback_type_is_a_token(kind: str) -> None:
    assert errors(f'{ALL}report "{kind}" "m" "a@b.c";')
    plan = run(f'keep; set "k" "{kind}"; report "${{k}}" "m" "a@b.c";')
    assert plan.error is not None
    assert "feedback type" in plan.error.text
    assert not plan.actions


@pytest.mark.parametrize("address", ["a", "", "a@", "\u00fc@b.c", "a@b.c, d@e.f", "@b.c"])
def test_a_recipient_is_an_address(address: str) -> None:
    assert errors(f'{ALL}report "abuse" "m" "{address}";')
    plan = run(f'set "a" "{address}"; report "abuse" "m" "${{a}}";')
    assert plan.error is not None
    assert "report address" in plan.error.text


def test_the_grammar() -> None:
    assert errors(f'{ALL}report "abuse" "m";') == [
        "the report command requires 3 positional argument(s), but 2 is/are specified"
    ]
    assert errors(f'{ALL}report :headers_only :headers_only "abuse" "m" "a@b.c";')
    assert errors(f'{ALL}report ["abuse"] "m" "a@b.c";')
    assert errors('report "abuse" "m" "a@b.c";')[0].startswith("unknown command 'report'")
    assert errors('require "vnd.dovecot.report"; report :headers_only "abuse" "m" "A <a@b.c>";') == []


def test_variables_stand_in_all_arguments() -> None:
    (report,) = reports('set "x" "fraud"; set "a" "a@b.c"; report "${x}" "about ${x}" "${a}";')
    assert (report.feedback_type, report.recipient) == ("fraud", "a@b.c")
    assert b"\nabout fraud\n" in report.letters[0].raw
