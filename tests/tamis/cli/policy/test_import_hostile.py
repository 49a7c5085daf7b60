"""Whatever a file holds, an import ends, says where it is wrong, or writes something that loads."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policyd.checks import CHECKS
from tamis.cli.policy.importing import iredapd, policyd_rate_limit, postfwd, postgrey
from tamis.cli.policy.importing.fit import settle
from tamis.cli.policy.importing.result import Result, Source, Unreadable
from tamis.cli.policy.importing.toml import written
from tamis.config.load import Loader, parse
from tamis.registry import configure_checks

PIECES = (
    *(
        "id=",
        "action=",
        "REJECT no",
        "sender",
        "==",
        ";",
        "\n",
        "\n ",
        "\\\n",
        "&&A",
        "&&A {",
        "}",
        "#",
        '"',
        "{",
        "\x00",
    ),
    *("rblcount=all", "rbl=x.example", "score=2", "\udcff", "é", ",", " ", "$$", "!!"),
)
NAMES = (
    *(
        "sender",
        "client_address",
        "client_name",
        "size",
        "HIT",
        "rbl",
        "rhsbl_sender",
        "recipient_count",
        "date",
        "days",
    ),
    *(
        "time",
        "protocol_state",
        "sender_domain",
        "recipient_localpart",
        "rblcount",
        "rhsblcount",
        "x",
        "helo_name",
        "id",
    ),
    *("request_score", "score", "$$sender", "stress", "encryption_keysize", "sasl_username"),
)
OPERATORS = ("=", "==", "=~", "!=", "!~", "=>", ">=", "<", ">", "!<", "=!!", "==!!(", "~=")
VALUES = (
    *(
        "1",
        "2",
        "all",
        "<>",
        "192.0.2.0/24",
        "2001:db8::/32",
        "x.example",
        "^a|b$",
        "/a/b/",
        "$$sender",
        "(?=",
        "[",
        "é",
    ),
    *(
        "file:/x",
        "table:/x",
        "DATA",
        "END-OF-MESSAGE",
        "Mon-Fri",
        "Sat-Sun",
        "01.01.2020-",
        "08:00:00-",
        "\udcff",
        "!",
        "/",
    ),
    *(
        "x.example/127.0.0.[2-4]/60",
        "x.example/^127\\.0\\.0\\.1$",
        "a@b.example",
        "@b\\.example$",
        "-5",
        "1e9",
        '"',
        "\\",
    ),
)
ACTIONS = (
    *(
        "dunno",
        "OK",
        "reject",
        "450",
        "450 4.7.1 {no} $$x",
        "HOLD",
        "PREPEND X: y",
        "PREPEND y",
        "FILTER x",
        "WARN",
        "cls",
    ),
    *(
        "set(HIT=1)",
        "set(HIT=2,x=$$rblcount,x+=$$rhsblcount)",
        "score(1)",
        "score(-1.5)",
        "jump(A)",
        "jump(B)",
        "note()",
    ),
    *(
        "rate(sender/1/2/450 no)",
        "rcpt(sasl_username/9/60/REJECT $$ratecount)",
        "size(client_address/9/9/dunno)",
        "x(1)",
    ),
)
items = st.tuples(*map(st.sampled_from, (NAMES, OPERATORS, VALUES))).map("".join)
lines = st.tuples(st.sampled_from("AB"), st.lists(items, max_size=4), st.sampled_from(ACTIONS)).map(
    lambda rule: " ; ".join([f"id={rule[0]}", *rule[1], f"action={rule[2]}"])
)
OTHERS = (
    *(
        "limits",
        ":",
        "\n",
        " ",
        "- ",
        "[",
        "]",
        "1",
        ",",
        "limits_by_id",
        "{",
        "}",
        "&a",
        "*a",
        "!!python/object",
        "'",
    ),
    *(
        "plugins",
        "=",
        "['throttle']",
        "MYNETWORKS",
        "'1.2.*'",
        "INSERT INTO throttle VALUES (1,'@.','outbound',0,1,1,1)",
    ),
    *(
        "account,kind,period,max_msgs\n",
        "a@b.c,outbound,1,2\n",
        "POSTGREY_OPTS=",
        '"',
        "--delay=",
        "-i",
        "--max-age",
        "h",
    ),
    *(
        "/a(/",
        "192.168",
        "@",
        "postmaster@",
        "count_mode",
        "true",
        "null",
        "\udcff",
        "é",
        "\\",
        "\t",
        "%s",
        "GREYLISTING_",
    ),
)


def loads(result: Result) -> None:
    settle(result)
    loader = Loader(parse("import", written(result.tables)))
    configure_checks(loader, "policyd.checks", CHECKS)
    assert loader.problems() == []


@settings(max_examples=150, deadline=None)
@given(
    st.lists(lines, max_size=12).map("\n".join), st.lists(st.sampled_from(PIECES), max_size=20).map("".join)
)
def test_any_rules_of_postfwd(good: str, odd: str) -> None:
    text = f"{good}\n{odd}"
    loads(postfwd.read([Source("f", text)], lambda _: "192.0.2.1\nx.example\n"))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([policyd_rate_limit.read, postgrey.read, iredapd.read]),
    st.sampled_from(["f", "f.py", "whitelist_recipients", "f.yaml"]),
    st.lists(st.sampled_from(OTHERS), max_size=30).map("".join),
)
def test_any_file_of_the_others(read: object, name: str, text: str) -> None:
    assert callable(read)
    try:
        result = read([Source(name, text)])
    except Unreadable:
        return
    loads(result)


@pytest.mark.parametrize(
    "text",
    [
        "&&A { " + "&&B " * 50 + "; };\n&&B { " + "x==1 ; " * 1000 + "};\n" + "&&A ; action=dunno\n" * 3,
        "id=R ; sender=~" + "(" * 5000 + " ; action=dunno\n",
        "id=R" + "\n  client_address=192.0.2.1" * 5000 + "\n  action=dunno\n",
        ("id=R ; client_name=a{1000}{1000} ; action=dunno\n") * 5,
        "\\\n" * 10000,
        "{\n" * 10000,
    ],
    ids=["macros", "brackets", "items", "repetitions", "backslashes", "braces"],
)
def test_rules_made_to_take_long_do_not(text: str) -> None:
    loads(postfwd.read([Source("f", text)], lambda _: None))
