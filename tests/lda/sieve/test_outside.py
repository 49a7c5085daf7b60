"""What the host knows: RFC 5490 (metadata), RFC 6134 (lists), vnd.dovecot.environment; and vnd.dovecot.debug."""

from __future__ import annotations

import pytest

from lda.sieve import Answer, Context, MailboxExists, Plan, Question, Redirect, compile_script, run_scripts
from lda.sieve.extensions.extlists import FindInLists, ListMembers, ListsExist
from lda.sieve.extensions.metadata import Annotation
from lda.sieve.trace import Trace
from tamis.mail.message import Message
from tests.lda.sieve.play import ALL, ENVELOPE, MESSAGE, NOW, errors, filed, findings

ANNOTATIONS = {("INBOX", "/private/a"): "On", ("INBOX", "/shared/b"): "", (None, "/shared/motd"): "x y"}
LISTS = {"friends": ("alice@Example.ORG", "carol@example.net"), "none": ()}


def answer(question: Question) -> Answer:
    match question:
        case Annotation(mailbox, name):
            return ANNOTATIONS.get((mailbox, name.lower()))
        case FindInLists(lists, values):
            return next((v for v in values if any(v in LISTS.get(name, ()) for name in lists)), None)
        case ListsExist(lists):
            return all(name in LISTS for name in lists)
        case ListMembers(name):
            return LISTS.get(name)
        case MailboxExists():
            return True
    raise AssertionError(question)


def play(script: str, *, silent: bool = False, trace: Trace | None = None) -> Plan:
    """The plan of *script*. silent: the host answers nothing."""
    compiled = compile_script((ALL + script).encode(), "s", traced=trace is not None)
    run = run_scripts([compiled], Message(MESSAGE), ENVELOPE, Context(now=NOW), trace)
    try:
        question = next(run)
        while True:
            question = run.send(None if silent else answer(question))
    except StopIteration as stop:
        plan: Plan = stop.value
        return plan


def holds(test: str, *, silent: bool = False) -> bool:
    plan = play(f"if {test} {{ discard; }}", silent=silent)
    assert plan.error is None
    return [action.name for action in plan.actions] == ["discard"]


CASES = [
    ('metadata "INBOX" "/private/a" "on"', True),
    ('metadata :matches "INBOX" "/PRIVATE/a" "?n"', True),
    ('metadata "INBOX" "/shared/b" ""', True),
    ('metadata "INBOX" "/shared/none" ""', False),
    ('metadata "Other" "/private/a" "on"', False),
    ('metadata :count "eq" "INBOX" "/private/a" "1"', True),
    ('metadata "INBOX" "private/a" "on"', False),
    ('metadataexists "INBOX" ["/private/a", "/shared/b"]', True),
    ('metadataexists "INBOX" ["/private/a", "/private/c"]', False),
    ('servermetadata :contains "/shared/motd" "Y"', True),
    ('servermetadata "/private/motd" ""', False),
    ('servermetadataexists "/shared/motd"', True),
    ('servermetadataexists ["/shared/motd", "/shared/none"]', False),
    ('address :list "from" "friends"', True),
    ('address :list "from" ["none", "friends"]', True),
    ('address :list "from" ["none", "nosuch"]', False),
    ('header :list "x-none" "friends"', False),
    ('string :list "carol@example.net" "friends"', True),
    ('anyof (header :list "subject" "friends", envelope :list "from" "friends")', False),
    ('valid_ext_list ["friends", "none"]', True),
    ('valid_ext_list ["friends", "nosuch"]', False),
]


@pytest.mark.parametrize(("test", "result"), CASES)
def test_a_test_is_what_the_host_says(test: str, result: bool) -> None:
    assert holds(test) is result


@pytest.mark.parametrize("test", [test for test, _ in CASES])
def test_without_an_answer_no_test_holds(test: str) -> None:
    assert not holds(test, silent=True)


def test_a_value_found_in_a_list_is_left_in_the_match_variable() -> None:
    plan = play('if address :list "from" "friends" { fileinto "${0}|${1}"; }')
    assert [getattr(action, "mailbox", "") for action in plan.actions] == ["alice@Example.ORG|"]


def test_the_match_can_be_explained() -> None:
    trace = Trace()
    play('if address :list "from" "friends" { discard; }', trace=trace)
    assert getattr(trace.entries[0], "match", "") == ":list"
    assert getattr(trace.entries[0], "result", None) is True


def test_redirect_to_a_list_is_a_redirect_to_each_member() -> None:
    plan = play('keep; redirect :list :copy "friends";')
    assert [a.address for a in plan.actions if isinstance(a, Redirect)] == [
        "alice@example.org",
        "carol@example.net",
    ]
    assert all(not a.cancels_keep for a in plan.actions if isinstance(a, Redirect))
    assert play('redirect :list "none";').implicit_keep
    failed = play('redirect :list "nosuch";')
    assert failed.error is not None
    assert not failed.actions
    assert play('redirect :list "friends";', silent=True).error is not None


def test_a_name_that_no_annotation_has_is_a_warning() -> None:
    for name in ("private/a", "/foo/a", "/private//a", "/private/a/", "/private/*", "/private/%", "/private"):
        script = ALL + f'if metadata "INBOX" "{name}" "x" {{ }}'
        assert [d.severity.value for d in findings(script)] == ["warning"]
        script = ALL + f'if servermetadataexists "{name}" {{ }}'
        assert [d.severity.value for d in findings(script)] == ["warning"]


def test_arguments() -> None:
    assert errors(ALL + 'if metadata ["INBOX"] "/private/x" "y" { }') == [
        "the metadata test expects a string as argument 1 (mailbox), but a string list was found"
    ]
    assert errors(ALL + 'if metadata "INBOX" ["/private/x"] "y" { }') == [
        "the metadata test expects a string as argument 2 (annotation-name), but a string list was found"
    ]
    assert errors(ALL + 'debug_log ["a", "b"];')
    assert errors(ALL + 'redirect "not an address";')
    assert errors('redirect :list "a";')


DOVECOT = 'require ["variables", "fileinto", "vnd.dovecot.environment"];'


def test_dovecots_items_are_items_and_variables() -> None:
    items = {"vnd.dovecot.config.quota_mb": "7", "vnd.dovecot.config.a-b": "ab", "host": "mx"}
    context = Context(now=NOW, user="bob", default_mailbox="In", environment=items)
    script = (
        'if environment :matches "vnd.dovecot.username" "*" { set "u" "${1}"; }'
        'if environment :matches "vnd.dovecot.default-mailbox" "*" { set "m" "${1}"; }'
        'fileinto "${u} ${m} ${env.vnd.dovecot.username} ${env.VND.dovecot.default_mailbox} '
        '${env.host} ${env.vnd.dovecot.config.a_b} ${env.nosuch}.";'
    )
    assert filed(script, context=context) == ["bob In bob In mx ab ."]


def test_they_must_be_required() -> None:
    script = (
        'require ["environment", "fileinto"]; if environment :contains "vnd.dovecot.username" "" { discard; }'
    )
    compiled = compile_script(script.encode(), "s")
    run = run_scripts([compiled], Message(MESSAGE), ENVELOPE, Context(now=NOW, user="bob"))
    with pytest.raises(StopIteration) as stop:
        next(run)
    assert stop.value.value.actions == ()
    assert errors(DOVECOT + 'if environment "name" "x" { }') == []
    assert errors('require ["variables", "fileinto"]; fileinto "${env.name}";')
    assert errors(DOVECOT + 'set "env.name" "x";') == ["cannot assign to variable 'env.name'"]


def test_debug_log_is_for_the_users_log_and_decides_nothing() -> None:
    plan = play('set "a" "b"; debug_log "hi ${a}";')
    assert plan.actions == ()
    assert plan.implicit_keep
    assert [w.text for w in plan.warnings] == ["DEBUG: hi b"]
