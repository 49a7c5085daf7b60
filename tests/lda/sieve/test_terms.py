"""envelope-dsn, redirect-dsn, envelope-deliverby, redirect-deliverby (RFC 6009)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from lda.sieve import Context, Envelope, Redirect
from lda.sieve.terms import NOTHING, Terms
from tests.lda.sieve.play import ALL, ENVELOPE, NOW, errors, holds, only, play

ASKED = Terms(
    notify=("SUCCESS", "DELAY"), ret="HDRS", envid="QQ314159", orcpt="rfc822;Bob@Example.com",
    deadline=NOW + timedelta(seconds=120), by_mode="R", by_trace=True,
)  # fmt: skip


def told(test: str, terms: Terms = ASKED, context: Context | None = None) -> bool:
    envelope = Envelope(sender="alice@example.org", recipient="bob@example.com", terms=terms)
    return holds(test, envelope=envelope, context=context or Context(now=NOW))


@pytest.mark.parametrize(
    ("test", "result"),
    [
        ('envelope "notify" "SUCCESS"', True), ('envelope "NOTIFY" "success"', True),
        ('envelope "notify" "FAILURE"', False), ('envelope :matches "notify" "SUCCESS,DELAY"', False),
        ('envelope :count "eq" :comparator "i;ascii-numeric" "notify" "2"', True), ('envelope "ret" "HDRS"', True),
        ('envelope :comparator "i;octet" "notify" "delay"', False),
        ('envelope "envid" "QQ314159"', True), ('envelope :matches "orcpt" "rfc822;*@example.com"', True),
        ('envelope "orcpt" "bob@example.com"', False), ('envelope ["from", "ret"] "hdrs"', True),
        ('envelope "bytimerelative" "120"', True), ('envelope "bymode" "R"', True), ('envelope "bytrace" "T"', True),
        ('envelope "bytimeabsolute" "2024-02-29T23:32:15Z"', True),
        ('envelope :zone "+0130" "bytimeabsolute" "2024-03-01T01:02:15+01:30"', True),
        ('envelope :zone "nonsense" "bytimeabsolute" "2024-02-29T23:32:15Z"', True),
        ('envelope :value "ge" :comparator "i;ascii-numeric" "bytimerelative" "100"', True),
    ],
)  # fmt: skip
def test_the_envelope_has_what_was_asked_for(test: str, result: bool) -> None:
    assert told(test) is result


PARTS = ("notify", "orcpt", "ret", "envid", "bytimeabsolute", "bytimerelative", "bymode", "bytrace")


@pytest.mark.parametrize("part", PARTS)
def test_what_is_not_known_has_no_value(part: str) -> None:
    assert not told(f'envelope :matches "{part}" "*"', NOTHING)
    assert told(f'envelope :count "eq" :comparator "i;ascii-numeric" "{part}" "0"', NOTHING)
    assert told(f'envelope :matches "{part}" "*"')


@pytest.mark.parametrize("part", PARTS)
def test_a_part_needs_its_extension_and_is_no_address(part: str) -> None:
    assert errors(f'require "envelope"; if envelope "{part}" "x" {{ keep; }}')
    assert errors(ALL + f'if envelope :domain "{part}" "x" {{ keep; }}')


def test_a_part_that_comes_out_of_a_variable() -> None:
    script = 'set "p" "notify"; if envelope {} "${{p}}" "SUCCESS" {{ discard; }}'
    envelope = Envelope(sender="a@b.example", terms=ASKED)
    assert only(play(ALL + script.format(":all"), envelope=envelope)).name == "discard"
    assert play(ALL + script.format(":localpart"), envelope=envelope).actions == ()


def test_a_deadline_that_has_passed_is_negative_and_in_the_local_zone() -> None:
    late = Terms(deadline=NOW - timedelta(seconds=5), by_mode="N")
    assert told('envelope "bytimerelative" "-5"', late)
    context = Context(now=NOW.astimezone(timezone(timedelta(hours=2))))
    assert told('envelope "bytimeabsolute" "2024-03-01T01:30:10+02:00"', late, context)
    assert not told('envelope "bytrace" "T"', late)


def redirected(tags: str, envelope: Envelope = ENVELOPE) -> Terms:
    action = only(
        play(ALL + f'redirect {tags} "x@example.net";', envelope=envelope, context=Context(now=NOW))
    )
    assert isinstance(action, Redirect)
    return action.terms


def test_redirect_asks_the_next_hop() -> None:
    assert redirected("") == NOTHING
    assert redirected(':notify "never"') == Terms(notify=("NEVER",))
    assert redirected(':ret "full" :notify "DELAY,success"') == Terms(notify=("DELAY", "SUCCESS"), ret="FULL")
    in_time = NOW + timedelta(seconds=600)
    assert redirected(":bytimerelative 600") == Terms(deadline=in_time, by_mode="N")
    assert redirected(':bymode "return" :bytrace :bytimerelative 600') == Terms(
        deadline=in_time, by_mode="R", by_trace=True
    )
    assert redirected(':copy :bytimeabsolute "2024-03-01T00:30:15+01:00" :bymode "NOTIFY"') == Terms(
        deadline=datetime(2024, 2, 29, 23, 30, 15, tzinfo=UTC), by_mode="N"
    )
    assert redirected(':bytimeabsolute "2024-03-01T10:00:00.5+0100"').deadline is not None


def test_the_sender_knows_notifications_by_the_name_that_he_gave() -> None:
    envelope = Envelope(sender="a@b.example", terms=ASKED)
    assert redirected(':notify "SUCCESS"', envelope) == Terms(notify=("SUCCESS",), envid="QQ314159")
    assert redirected("", envelope) == NOTHING


@pytest.mark.parametrize(
    "tags",
    [
        ':notify "NEVER,DELAY"', ':notify ""', ':notify "SUCCESS, DELAY"', ':notify ["SUCCESS", "DELAY"]', ':ret "ALL"',
        ':bymode "return"', ":bytrace", ':bymode "later" :bytimerelative 5', ":bytimerelative 1000000000",
        ':bytimerelative 0 :bymode "return"', ':bytimeabsolute "tomorrow"', ':bytimeabsolute "2024-02-30T10:00:00Z"',
        ':bytimeabsolute "2024-02-29T10:00:00Z" :bytimerelative 5', ':bytimerelative "5"',
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_an_error(tags: str) -> None:
    assert len(errors(ALL + f'redirect {tags} "x@example.net";')) == 1


@pytest.mark.parametrize(
    "tags",
    [
        ':notify "${x}"', ':ret "${x}"', ':bytimeabsolute "${x}"', ':bymode "return" :bytimeabsolute "${past}"',
        ':bytimeabsolute "${past}" :bymode "return"', ':bytimeabsolute "9999-12-31T00:00:00Z"',
    ],
)  # fmt: skip
def test_what_turns_out_wrong_while_running_keeps_the_message(tags: str) -> None:
    script = f'set "x" "nonsense"; set "past" "2024-01-01T00:00:00Z"; redirect {tags} "x@example.net";'
    plan = play(ALL + script)
    assert plan.error is not None
    assert plan.implicit_keep
    assert plan.actions == ()


@pytest.mark.parametrize("tag", [':notify "NEVER"', ':ret "FULL"', ":bytimerelative 5", ":bytrace"])
def test_a_tag_needs_its_extension(tag: str) -> None:
    assert errors(f'redirect {tag} "x@example.net";')
