"""The small extensions: copy, subaddress, mailbox, index, reject, ihave, environment; and the table of all."""

from __future__ import annotations

import pytest

from lda.sieve import LANGUAGE, Context, FileInto, Reject
from tests.lda.sieve.play import ALL, NOW, errors, filed, findings, holds, names, only, play

# -- the table


def test_every_extension_is_a_row_and_no_two_rows_share_a_capability() -> None:
    assert len(LANGUAGE.capabilities) == len(set(LANGUAGE.capabilities))
    assert set(LANGUAGE.capabilities) >= {
        "fileinto", "envelope", "encoded-character", "copy", "relational", "subaddress", "variables", "imap4flags",
        "mailbox", "regex", "date", "index", "body", "reject", "ereject", "ihave", "environment",
        "comparator-i;octet", "comparator-i;ascii-casemap", "comparator-i;ascii-numeric",
    }  # fmt: skip


@pytest.mark.parametrize("capability", LANGUAGE.capabilities)
def test_requiring_alone_changes_nothing(capability: str) -> None:
    beside = LANGUAGE.extensions[capability].wants
    plan = play("".join(f'require "{name}";' for name in (capability, *beside)))
    assert plan.implicit_keep
    assert plan.actions == ()


@pytest.mark.parametrize(
    "statement",
    [
        'fileinto "x";', 'redirect :copy "a@b.c";', 'set "a" "b";', 'setflag "x";', 'keep :flags "x";', 'reject "x";',
        'ereject "x";', 'error "x";', 'if envelope "to" "x" { }', 'if string "a" "b" { }', 'if hasflag "x" { }',
        'if mailboxexists "x" { }', 'if body "x" { }', 'if date "date" "year" "x" { }', 'if currentdate "year" "x" { }',
        'if environment "name" "x" { }', 'if ihave "x" { }', 'if header :regex "a" "b" { }',
        'if header :count "eq" "a" "1" { }', 'if header :index 1 "a" "b" { }', 'if address :user "to" "b" { }',
    ],
)  # fmt: skip
def test_nothing_of_an_extension_is_there_without_require(statement: str) -> None:
    """RFC 5228 section 2.10.5; and the hint names the capability."""
    found = findings(statement)
    assert found
    assert "require" in found[0].hint
    assert not errors(ALL + statement)


# -- subaddress (RFC 5233)


@pytest.mark.parametrize(
    ("test", "result"),
    [
        ('address :user "to" "carol"', True),
        ('address :detail "to" "list"', True),
        ('address :user "from" "alice"', True),
        ('address :detail :contains "from" ""', False),
        ('address :detail :count "eq" "to" "4"', True),
        ('envelope :detail "to" "list"', True),
        ('envelope :user "to" "bob"', True),
    ],
)
def test_user_and_detail(test: str, result: bool) -> None:
    assert holds(test) is result


def test_an_empty_detail_is_not_no_detail() -> None:
    assert holds('address :detail "to" ""', b"To: foo+@b.example\r\n\r\n")
    assert not holds('address :detail "to" ""', b"To: foo@b.example\r\n\r\n")


@pytest.mark.parametrize(("delimiter", "user"), [("+-", "a"), ("-", "a+b"), ("", "a+b-c"), ("]^", "a+b-c")])
def test_the_first_of_the_delimiters_splits(delimiter: str, user: str) -> None:
    context = Context(now=NOW, recipient_delimiter=delimiter)
    assert holds(f'address :user "to" "{user}"', b"To: a+b-c@d.example\r\n\r\n", context=context)


# -- mailbox (RFC 5490)


def test_create_goes_with_the_action() -> None:
    action = only(play(ALL + 'fileinto :create "x";'))
    assert isinstance(action, FileInto)
    assert action.create


def test_mailboxexists_needs_all() -> None:
    assert holds('mailboxexists ["a", "b"]', mailboxes={"a", "b"})
    assert not holds('mailboxexists ["a", "b"]', mailboxes={"a"})
    assert not holds('mailboxexists ""', mailboxes={""})


# -- index (RFC 5260 section 6)


@pytest.mark.parametrize(
    ("test", "result"),
    [
        ('header :index 1 "x-multi" "one"', True),
        ('header :index 2 "x-multi" "one"', False),
        ('header :index 1 :last "x-multi" "three  spaced"', True),
        ('header :last :index 3 "x-multi" "one"', True),
        ('header :index 4 :contains "x-multi" ""', False),
        ('header :index 4 ["x-multi", "x-num"] "15 apples"', True),
        ('address :index 1 :domain "to" "example.net"', True),
        ('address :index 2 "to" "bob@example.com"', False),
        ('date :index 2 :originalzone "received" "hour" "23"', True),
        ('date :index 1 :last :originalzone "received" "hour" "23"', True),
        ('header :index 1 :count "eq" "x-multi" "1"', True),
    ],
)
def test_index_picks_one_field(test: str, result: bool) -> None:
    assert holds(test) is result


# -- reject, ereject (RFC 5429)


@pytest.mark.parametrize(("command", "protocol_only"), [("reject", False), ("ereject", True)])
def test_a_refusal_carries_its_reason(command: str, protocol_only: bool) -> None:
    plan = play(ALL + f"{command} text:\none\n..two\n.\n;")
    action = only(plan)
    assert isinstance(action, Reject)
    assert (action.reason, action.protocol_only) == ("one\r\n.two\r\n", protocol_only)
    assert not plan.implicit_keep


@pytest.mark.parametrize("other", ["keep;", 'fileinto :copy "x";', 'redirect "a@b.example";'])
def test_a_refusal_and_a_delivery_exclude_each_other_in_either_order(other: str) -> None:
    for script in (f'reject "no"; {other}', f'{other} ereject "no";'):
        plan = play(ALL + script)
        assert plan.actions == ()
        assert plan.implicit_keep
        assert plan.error is not None
        assert "conflicts with other action" in plan.error.text


def test_refusing_twice_is_an_error_and_discarding_too_is_none() -> None:
    assert play(ALL + 'reject "a"; ereject "b";').error is not None
    assert names(play(ALL + 'discard; reject "a"; discard;')) == ["discard", "reject"]


# -- ihave (RFC 5463)


@pytest.mark.parametrize(
    ("script", "mailboxes"),
    [
        ('if ihave "fileinto" { fileinto "a"; }', ["a"]),
        ('if ihave "fileinto" { } fileinto "a";', ["a"]),
        ('if ihave "nosuch" { frob "x"; } elsif ihave "fileinto" { fileinto "b"; } else { }', ["b"]),
        ('if not ihave "nosuch" { if ihave "fileinto" { fileinto "c"; } } else { frob; }', ["c"]),
        ('if ihave ["fileinto", "nosuch"] { frob; }', []),
        ('if allof (ihave "nosuch", frob "x") { frob; }', []),
        ('if anyof (ihave "nosuch", ihave "fileinto") { fileinto "d"; }', ["d"]),
        ('if ihave "variables" { frob; }', []),
        ('if ihave "encoded-character" { frob; }', []),
        ('if ihave "" { frob; }', []),
    ],
)
def test_code_behind_what_is_not_there_is_not_looked_at(script: str, mailboxes: list[str]) -> None:
    plan = play('require "ihave";' + script)
    assert [action.mailbox for action in plan.actions if isinstance(action, FileInto)] == mailboxes


def test_code_behind_what_is_there_is_looked_at() -> None:
    """RFC 5463 section 4 spares only what is not there."""
    assert errors('require "ihave"; if ihave "fileinto" { } else { frob; }')
    assert errors('require "ihave"; if not ihave "fileinto" { frob; }')


def test_an_extension_is_not_there_before_its_ihave() -> None:
    assert errors('require "ihave"; fileinto "x"; if ihave "fileinto" { }')


def test_what_is_required_is_had_unless_it_changes_how_scripts_are_read() -> None:
    """RFC 5463 section 4."""
    assert holds('ihave "fileinto"', require='require ["ihave", "fileinto"];')
    assert not holds('ihave "variables"', require='require ["ihave", "variables"];')


def test_error_ends_the_script_with_its_text() -> None:
    plan = play(ALL + 'fileinto "x"; error "nothing ${none}works";')
    assert plan.error is not None
    assert plan.error.text == "nothing works"
    assert plan.actions == ()


# -- environment (RFC 5183)


def test_environment_items_are_the_hosts_and_unknown_ones_match_nothing() -> None:
    context = Context(now=NOW, environment={"domain": "example.com", "remote-host": ""})
    assert holds('environment "domain" "Example.com"', context=context)
    assert holds('environment :contains "remote-host" ""', context=context)
    assert holds('environment :count "eq" "remote-host" "0"', context=context)
    assert not holds('environment :contains "nosuch" ""', context=context)
    assert holds('environment "name" "Tamis"', context=context)
    assert filed('if environment :matches "domain" "*.com" { fileinto "${1}"; }', context=context) == [
        "example"
    ]
