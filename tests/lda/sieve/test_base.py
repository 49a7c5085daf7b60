"""RFC 5228: control, actions and tests of the base language, with the traps of the field."""

from __future__ import annotations

import pytest

from lda.sieve import Discard, Envelope, FileInto, Keep, Redirect
from tests.lda.sieve.play import MESSAGE, filed, holds, names, only, play

FILE = 'require ["fileinto", "copy"];\n'

# -- implicit keep and the meeting of actions (sections 2.10.1 to 2.10.4)


@pytest.mark.parametrize(
    ("script", "actions", "implicit"),
    [
        ("", [], True),
        ("stop;", [], True),
        ("keep;", ["keep"], False),
        ("discard;", ["discard"], False),
        ("stop; discard;", [], True),
        ('redirect "a@b.example";', ["redirect"], False),
        ('fileinto "x";', ["store"], False),
        ('fileinto :copy "x";', ["store"], True),
        ('redirect :copy "a@b.example";', ["redirect"], True),
        ("discard; keep;", ["discard", "keep"], False),
        ('discard; fileinto "x";', ["discard", "store"], False),
        ("keep; keep; discard; discard;", ["keep", "discard"], False),
        ('fileinto "x"; fileinto "y"; fileinto "x";', ["store", "store"], False),
        ('fileinto "INBOX"; keep;', ["keep"], False),
        ('keep; fileinto "inbox";', ["keep"], False),
        (
            'redirect "a@B.example"; redirect "X <a@b.example>"; redirect "A@b.example";',
            ["redirect"] * 2,
            False,
        ),
        ('redirect :copy "a@b.example"; redirect "a@b.example";', ["redirect"], True),
    ],
)
def test_equal_actions_merge_and_only_some_cancel_the_implicit_keep(
    script: str, actions: list[str], implicit: bool
) -> None:
    plan = play(FILE + script)
    assert (names(plan), plan.implicit_keep, plan.error) == (actions, implicit, None)


def test_an_implicit_keep_beside_a_copy_in_the_inbox_makes_no_second_copy() -> None:
    plan = play(FILE + 'fileinto :copy "INBOX";')
    assert (names(plan), plan.implicit_keep) == (["store"], False)


def test_mailboxes_differ_by_case_but_the_inbox_does_not() -> None:
    assert filed('fileinto "a"; fileinto "A"; fileinto "Inbox"; fileinto "INBOX";') == ["a", "A", "Inbox"]


def test_too_many_actions_are_an_error_and_nothing_of_the_script_is_done() -> None:
    script = FILE + "".join(f'fileinto "f{n}";' for n in range(33))
    plan = play(script)
    assert plan.actions == ()
    assert plan.implicit_keep
    assert plan.error is not None
    assert plan.error.text == "total number of actions exceeds policy limit (33 > 32)"


def test_too_many_redirects_are_an_error_and_nothing_is_sent() -> None:
    plan = play("\n".join(f'redirect "u{n}@b.example";' for n in range(5)))
    assert plan.actions == ()
    assert plan.error is not None
    assert plan.error.text == "number of redirect actions exceeds policy limit (5 > 4)"
    assert plan.error.source.line == 5


def test_an_action_says_where_it_stands() -> None:
    action = only(play("\n  keep;"))
    assert (action.source.script, action.source.line, action.source.column) == ("script", 2, 3)


@pytest.mark.parametrize(
    ("address", "sent_to"),
    [
        ("a@B.Example", "a@b.example"),
        ("Foo Bar <a@b.example>", "a@b.example"),
        ('"a b"@c.example', '"a b"@c.example'),
        (" a@b ", "a@b"),
        ("a@[192.0.2.1]", "a@[192.0.2.1]"),
    ],
)
def test_redirect_takes_one_mailbox(address: str, sent_to: str) -> None:
    escaped = address.replace('"', '\\"')
    action = only(play(f'redirect "{escaped}";'))
    assert isinstance(action, Redirect)
    assert action.address == sent_to


@pytest.mark.parametrize(
    "address", ["", "a", "a@b, c@d", "g: a@b;", "@x:a@b", "<@x:a@b>", "ü@b", "a@b\r\nBcc: x@y"]
)
def test_redirect_to_anything_else_fails_when_it_is_reached(address: str) -> None:
    plan = play(f'require "variables"; set "a" "{address}"; redirect "${{a}}";')
    assert plan.error is not None
    assert plan.error.text == f"specified redirect address '{address}' is invalid"
    assert plan.implicit_keep


@pytest.mark.parametrize("name", ["", "a\\tb", "a\x7fb", "a\r\nb"])
def test_a_name_that_no_mailbox_can_have_fails_when_it_is_reached(name: str) -> None:
    script = f'require ["fileinto", "variables"]; if true {{ fileinto "{name}"; }}'.replace("\\t", "\t")
    plan = play(script)
    assert plan.error is not None
    assert plan.error.text.startswith("invalid folder name")
    assert play(f'require "fileinto"; if exists "x-none" {{ fileinto "{name}"; }}').error is None


# -- control (section 3)


@pytest.mark.parametrize(
    ("script", "mailboxes"),
    [
        (
            'if true { fileinto "a"; } elsif true { fileinto "b"; } else { fileinto "c"; } fileinto "d";',
            ["a", "d"],
        ),
        ('if false { fileinto "a"; } elsif true { fileinto "b"; } else { fileinto "c"; }', ["b"]),
        ('if false { fileinto "a"; } elsif false { fileinto "b"; } else { fileinto "c"; }', ["c"]),
        (
            'if false { fileinto "a"; } elsif exists "to" { fileinto "b"; } elsif exists "to" { fileinto "c"; }',
            ["b"],
        ),
        (
            'if true { if false { keep; } else { fileinto "a"; } fileinto "b"; } else { fileinto "c"; }',
            ["a", "b"],
        ),
        ('if false { if true { } else { keep; } } else { fileinto "c"; }', ["c"]),
        ('if true { } if false { } else { fileinto "x"; }', ["x"]),
        ('if true { if true { fileinto "a"; stop; } fileinto "b"; } fileinto "c";', ["a"]),
    ],
)
def test_exactly_one_branch_of_a_chain_runs(script: str, mailboxes: list[str]) -> None:
    assert filed(script) == mailboxes


# -- tests (section 5)


@pytest.mark.parametrize(
    ("test", "result"),
    [
        ("true", True),
        ("false", False),
        ("not not false", False),
        ("allof (true, true)", True),
        ("allof (true, false)", False),
        ("anyof (false, true)", True),
        ("anyof (false, false)", False),
        ('exists ["from", "TO"]', True),
        ('exists ["from", "x-none"]', False),
        ('exists "x-empty"', True),
        # header: whole, part, wildcards; unfolded, decoded, stripped, inner blanks kept
        ('header :is "subject" "Grüße [acme] version 1.0"', True),
        ('header "SUBJECT" "GRüßE [ACME] VERSION 1.0"', True),
        ('header :is "subject" "GRÜßE [acme] version 1.0"', False),
        ('header :comparator "i;octet" "subject" "grüße [acme] version 1.0"', False),
        ('header :is "x-multi" "three  spaced"', True),
        ('header :is "x-multi" "three spaced"', False),
        ('header :is ["x-none", "x-multi"] ["zzz", "two"]', True),
        ('header :contains "x-empty" ""', True),
        ('header :is "x-empty" ""', True),
        ('header :contains "x-none" ""', False),
        ('header :matches "x-none" "*"', False),
        ('not header :matches "x-empty" "?*"', True),
        ('header :contains ["x-none", "x-num"] ["pears", "apples"]', True),
        ('header "subject:" "x"', False),
        ('header :contains "received" "z.example"', True),
        # address
        ('address "from" "alice@example.org"', True),
        ('address :comparator "i;octet" "from" "alice@example.org"', False),
        ('address :localpart "from" "ALICE"', True),
        ('address :domain "from" "example.org"', True),
        ('address :contains "from" "Alice Example"', False),
        ('address ["cc", "to"] "dave@example.com"', True),
        ('address "to" "grp"', False),
        ('address :domain :contains "to" "sub"', True),
        ('address :all :contains "to" "+list@"', True),
    ],
)
def test_tests_compare_as_they_should(test: str, result: bool) -> None:
    assert holds(test) is result


@pytest.mark.parametrize(
    ("field", "whole", "local", "domain"),
    [
        ("undisclosed-recipients:;", ["undisclosed-recipients:;"], [], []),
        ("not an address", ["not an address"], [], []),
        ("junk junk, a@b.example", ["a@b.example"], ["a"], ["b.example"]),
        ('"john doe"@b.example', ['"john doe"@b.example'], ["john doe"], ["b.example"]),
        ("(c) a (c) @ b (c) . example (c)", ["a@b.example"], ["a"], ["b.example"]),
        ("=?utf-8?q?x=40y=2Ez?= <a@b.example>", ["a@b.example"], ["a"], ["b.example"]),
        ("<@relay.example:a@b.example>", ["a@b.example"], ["a"], ["b.example"]),
    ],
)
def test_a_field_of_addresses_gives_its_addresses_or_itself(
    field: str, whole: list[str], local: list[str], domain: list[str]
) -> None:
    message = f"To: {field}\r\n\r\n".encode()
    for part, expected in ((":all", whole), (":localpart", local), (":domain", domain)):
        keys = ["nothing", *expected]
        for key in keys:
            quoted = key.replace("\\", "\\\\").replace('"', '\\"')
            assert holds(f'address {part} "to" "{quoted}"', message) is (key in expected)


@pytest.mark.parametrize(
    ("raw", "limit", "over", "under"),
    [
        (b"A: b\r\n\r\n1234", 12, False, False),
        (b"A: b\r\n\r\n12345", 12, True, False),
        (b"A: b\n\n1234", 12, False, False),
    ],
)
def test_size_counts_every_line_end_as_two_and_equal_is_neither(
    raw: bytes, limit: int, over: bool, under: bool
) -> None:
    assert holds(f"size :over {limit}", raw) is over
    assert holds(f"size :under {limit}", raw) is under


# -- envelope (section 5.4)


@pytest.mark.parametrize(
    ("test", "result"),
    [
        ('envelope "from" "alice@example.org"', True),
        ('envelope :localpart "to" "bob+list"', True),
        ('envelope :domain ["from", "to"] "example.com"', True),
        ('envelope "FROM" "alice@example.org"', True),
        ('envelope :is "from" ""', False),
        ('envelope :contains "from" ""', True),
    ],
)
def test_the_envelope_is_compared_like_addresses(test: str, result: bool) -> None:
    assert holds(test) is result


@pytest.mark.parametrize("part", [":all", ":localpart", ":domain"])
def test_the_null_sender_is_the_empty_string_for_every_part(part: str) -> None:
    nobody = Envelope(sender="", recipient="bob@example.com")
    assert holds(f'envelope {part} "from" ""', envelope=nobody)
    assert not holds(f'envelope {part} :matches "from" "?*"', envelope=nobody)
    assert holds('envelope :count "eq" "from" "0"', envelope=nobody)


def test_source_routes_are_dropped_and_the_original_recipient_is_seen() -> None:
    routed = Envelope(
        sender="<@relay.example:a@b.example>", recipient="final@x", original_recipient="first@x"
    )
    assert holds('envelope "from" "a@b.example"', envelope=routed)
    assert holds('envelope "to" "first@x"', envelope=routed)


# -- examples of the RFC


def test_the_extended_example_of_section_9() -> None:
    script = """
        require ["fileinto"];
        if header :is "Sender" "owner-ietf-mta-filters@imc.org" { fileinto "filter"; }
        elsif address :DOMAIN :is ["From", "To"] "example.com" { keep; }
        elsif anyof (NOT address :all :contains ["To", "Cc", "Bcc"] "me@example.com",
                     header :matches "subject" ["*make*money*fast*", "*university*dipl*mas*"])
        { fileinto "spam"; }
        else { fileinto "personal"; }
    """

    def where(message: str) -> object:
        return only(play(script, message.replace("\n", "\r\n").encode()))

    assert isinstance(where("From: a@example.com\n\n"), Keep)
    spam = where("From: a@other.example\nTo: you@other.example\n\n")
    assert isinstance(spam, FileInto)
    assert spam.mailbox == "spam"
    personal = where("From: a@other.example\nCc: me@example.com.example\nSubject: hi\n\n")
    assert isinstance(personal, FileInto)
    assert personal.mailbox == "personal"
    money = where(
        "From: a@other.example\nCc: me@example.com.example\nSubject: MAKE lots of MONEY really FAST\n\n"
    )
    assert isinstance(money, FileInto)
    assert money.mailbox == "spam"


def test_a_message_without_header_or_body_is_a_message() -> None:
    for message in (b"", b"\r\n", b"no header at all", b"\xff\xfe\x00"):
        assert isinstance(only(play('if not exists "from" { discard; }', message)), Discard)


def test_a_missing_field_matches_nothing_in_whatever_message() -> None:
    assert not holds('header :matches ["x-none"] ["*", ""]', MESSAGE)
