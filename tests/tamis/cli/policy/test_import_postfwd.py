"""Rule files of postfwd as checks: what each construct becomes, and what is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tamis.cli.policy.importing.postfwd import build
from tamis.cli.policy.importing.postfwd.lists import ANY
from tamis.cli.policy.importing.postfwd.lists import codes as masks
from tests.tamis.cli.policy.house import Imported, Workbench

RULE_ENDS = "action=REJECT no"


def rules(imported: Imported, table: str = "postfwd") -> list[dict[str, Any]]:
    return list(imported.checks[table]["rule"])


@pytest.mark.parametrize(
    ("item", "when"),
    [
        (
            "client_address=192.0.2.0/24, 198.51.100.7",
            {"client_address": ["192.0.2.0/24", "198.51.100.7/32"]},
        ),
        (
            "client_address=192.0.2.9/24 ; client_address=2001:db8::/32",
            {"client_address": ["192.0.2.0/24", "2001:db8::/32"]},
        ),
        ("client_address!=192.0.2.7", {"client_address": "!192.0.2.7/32"}),
        ("client_address=!!(192.0.2.0/24)", {"client_address": "!192.0.2.0/24"}),
        ("client_name==unknown", {"client_name": "unknown"}),
        ("client_name=^unknown$", {"client_name": "/^unknown$/"}),
        ("client_name~=\\.pool\\.", {"client_name": "/\\.pool\\./"}),
        ("client_name=/\\.pool\\./", {"client_name": "/\\.pool\\./"}),
        ("helo_name=~a/b", {"helo_name": "/a\\/b/"}),
        ("sender==Ann@Example.org", {"sender": "/^Ann@Example\\.org$/"}),
        ("sender==<>", {"sender": "<>"}),
        ("sender_domain==example.org", {"sender": "/@example\\.org$/"}),
        ("recipient_domain=^lists\\.", {"recipient": "/@(?:lists\\.)[^@]*$/"}),
        ("recipient_localpart=^(ann|bob)$", {"recipient": "/^(?:(ann|bob))@[^@]*$/"}),
        ("sasl_username!=bob", {"sasl_username": ["!", "!bob"]}),
        ("sasl_username=!!(bob)", {"sasl_username": "!/bob/"}),
        ("size=1000", {"size": ">=1000"}),
        ("size<=1000", {"size": "<=1000"}),
        ("size!>1000", {"size": "<1000"}),
        ("encryption_keysize!=128", {"encryption_keysize": "!128"}),
        ("recipient_count=>5", {"recipient_count": ">=5"}),
        ("protocol_state==END-OF-MESSAGE", {"stage": "end_of_message"}),
        ("days=Mon-Fri", {"weekday": "mon-fri"}),
        ("days=!!1-5", {"weekday": "!mon-fri"}),
        ("time=22:00:00-", {"time": "22:00-24:00"}),
        ("time=-07:30:00", {"time": "00:00-07:30"}),
        ("date=24.12.2007-26.12.2007", {"date": "2007-12-24..2007-12-26"}),
        ("compatibility_level==3.6", {"attribute": {"compatibility_level": "/^3\\.6$/"}}),
    ],
)
def test_items_are_conditions(bench: Workbench, item: str, when: dict[str, Any]) -> None:
    imported = bench.text("postfwd", f"id=R ; {item} ; {RULE_ENDS}\n")
    assert imported.left_out() == []
    assert rules(imported) == [{"name": "R", "when": when, "action": "REJECT no"}]


@pytest.mark.parametrize(
    "item",
    [
        "client_name==!!($$(helo_name))",
        "$$client_name~=$$(sender_domain)$",
        "client_address!=192.0.2.7 ; client_address!=192.0.2.8",
        "client_address=192.168.",
        "client_name=(?!mx)",
        "sender_domain=^a|b$",
        "client_name=(",
        "helo_address=0.0.0.0/0",
        "sender_ns_names=bad",
        "months=-Apr",
        "days=Sat-Sun",
        "time=22:00:00-06:00:00",
        "size=many",
        "client_name=file:/nowhere/at/all",
        "version=1",
    ],
)
def test_an_item_without_counterpart_leaves_its_rule_out_and_no_other(bench: Workbench, item: str) -> None:
    imported = bench.text("postfwd", f"# first\nid=R ; {item} ; {RULE_ENDS}\nid=S; sender==<>; {RULE_ENDS}\n")
    assert imported.status == 1
    assert imported.left_out() == ["2: rule R (REJECT no)"]
    assert [one["name"] for one in rules(imported)] == ["S"]


@pytest.mark.parametrize(
    ("action", "ours"),
    [
        ("dunno", "DUNNO"),
        ("OK", "OK"),
        ("permit", "OK"),
        ("reject", "REJECT Access denied"),
        (
            "450 4.7.1 helo '$$helo_name' of $$(client_address)",
            "450 4.7.1 helo '{helo_name}' of {client_address}",
        ),
        ("REJECT {why} $$nothing", "REJECT (why) -"),
        ("hold", "HOLD"),
        ("PREPEND X-Pfw: $$sender", "PREPEND X-Pfw: {sender}"),
        ("WARN look", "WARN look"),
    ],
)
def test_actions_of_postfix_are_ours(bench: Workbench, action: str, ours: str) -> None:
    imported = bench.text("postfwd", f"id=R ; sender==<> ; action={action}\n")
    assert imported.status == 0
    assert rules(imported)[0]["action"] == ours


@pytest.mark.parametrize(
    "action",
    ["450", "550", "greylisting", "permit_mynetworks, reject", "ask(127.0.0.1:10031)", "wait(3)", "note(seen)",
     "sendmail(a::b::c::d::e)", "nonsense(1)", "jump(NOWHERE)", "set(a=$$size)", "score(*2)", "quit(1)"],
)  # fmt: skip
def test_what_we_cannot_answer_is_left_out(bench: Workbench, action: str) -> None:
    """Digits alone mean PERMIT to Postfix: such a slip is not to be carried on."""
    imported = bench.text("postfwd", f"id=R ; sender==<> ; action={action}\n")
    assert imported.left_out() == [f"1: rule R ({action})"]


def test_macros_files_and_lines_that_go_on(bench: Workbench) -> None:
    more = bench.file("more", "198.51.100.0/24 # partner\n")
    table = bench.file("table", f"192.0.2.7 OK\nfile:{more} x\n")
    text = f"""\
&&NETS {{ client_address=10.0.0.0/8 ; }};
&&HOSTS {{
        # those of ours
        &&NETS
        client_address=table:{table}
}}
id=R1
\t&&HOSTS
\taction=dunno
id=R2 ; \\
sender==<> ; \\
action=REJECT no "quotes"
"""
    imported = bench.text("postfwd", text)
    assert imported.status == 0
    networks = ["10.0.0.0/8", "192.0.2.7/32", "198.51.100.0/24"]
    assert rules(imported) == [
        {"name": "R1", "when": {"client_address": networks}, "action": "DUNNO"},
        {"name": "R2", "when": {"sender": "<>"}, "action": "REJECT no quotes"},
    ]
    assert ":7: id=R1; &&HOSTS; action=dunno\n[[policyd" in imported.text


def test_macros_and_files_that_name_themselves_end(bench: Workbench) -> None:
    loop = bench.directory / "loop"
    loop.write_text(f"file:{loop}\n")
    imported = bench.text(
        "postfwd",
        f"&&A {{ &&A ; }};\n&&A ; {RULE_ENDS}\nclient_address=file:{loop} ; {RULE_ENDS}\n&&B ; {RULE_ENDS}\n",
    )
    assert [one["line"] for one in imported.report["left_out"]] == [2, 4, 3]
    assert imported.checks == {}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (
            "protocol_state==DATA ; action=rate($$sasl_username/30/3600/450 4.7.1 sorry, max $$ratecount)",
            {"key": ["sasl_username"], "limits": ["30/1h"], "stage": "data", "cost": "message",
             "reply": "450 4.7.1 sorry, max more than 30"},
        ),
        (
            "action=rcpt(sasl_username/100/86400/REJECT too many for $$sasl_username)",
            {"key": ["sasl_username"], "limits": ["100/1d"], "stage": "data",
             "reply": "REJECT too many for {sasl_username}"},
        ),
        (
            "protocol_state==END-OF-MESSAGE; client_address!=10.1.1.1; action=size(client_address/1572864/600/450 no)",
            {"key": ["client_address"], "limits": ["1572864/10m"], "stage": "end_of_message", "cost": "byte",
             "exempt": ["10.1.1.1/32"], "reply": "450 no"},
        ),
        (
            "client_address=192.0.2.0/24 ; action=rate(client_address/3/60/WARN slow)",
            {"key": ["client_address"], "limits": ["3/1m"], "mode": "shadow", "exempt": ["0.0.0.0/0", "::/0"],
             "overrides": {"192.0.2.0/24": {"limits": ["3/1m"]}}},
        ),
        (
            "sasl_username=@example\\.org$ ; sasl_username==bob@example.net ; action=rcpt(sasl_username/9/60/450 no)",
            {"key": ["sasl_username"], "limits": ["9/1m"], "stage": "data", "exempt": ["0.0.0.0/0", "::/0"],
             "overrides": {"@example.org": {"limits": ["9/1m"]}, "bob@example.net": {"limits": ["9/1m"]}},
             "reply": "450 no"},
        ),
        (
            "sasl_username=~. ; action=rate(sasl_username/9/60/450 no)",
            {"key": ["sasl_username"], "limits": ["9/1m"], "reply": "450 no"},
        ),
    ],
)  # fmt: skip
def test_limits(bench: Workbench, rule: str, expected: dict[str, Any]) -> None:
    imported = bench.text("postfwd", f"id=LIMIT ; {rule}\n")
    assert imported.left_out() == []
    assert imported.checks == {"LIMIT": {"check": "ratelimit"} | expected}


@pytest.mark.parametrize(
    "rule",
    [
        "client_name==unknown ; action=rate(client_address/3/60/450 no)",
        "action=rate(client_name/3/60/450 no)",
        "action=rate(sender/3/60/wait(3))",
        "action=rate(sender/3/60/450)",
        "action=rate(sender/3)",
        "action=rate(sender/0/60/450 no)",
        "protocol_state==RCPT ; action=size(sender/3/60/450 no)",
        "protocol_state==DATA ; action=rate(recipient/3/60/450 no)",
    ],
)
def test_limits_that_are_not_for_us(bench: Workbench, rule: str) -> None:
    imported = bench.text("postfwd", f"id=LIMIT ; {rule}\n")
    assert imported.status == 1
    assert imported.checks == {}


def test_who_is_spared_the_rules_is_spared_the_limits_behind_them(bench: Workbench) -> None:
    text = f"""\
id=WL ; client_address=10.0.0.0/8 ; action=dunno
id=LIMIT ; action=rate(client_address/3/60/450 no)
id=WL2 ; sender==<> ; action=dunno
id=R ; {RULE_ENDS}
id=NEVER ; sender==<> ; {RULE_ENDS}
"""
    imported = bench.text("postfwd", text)
    assert list(imported.checks) == ["postfwd", "LIMIT", "postfwd-2"]
    assert [one["action"] for one in rules(imported)] == ["OK"]
    assert [one["action"] for one in rules(imported, "postfwd-2")] == ["DUNNO", "REJECT no"]
    assert [one["line"] for one in imported.report["skipped"]] == [5]


def test_dns_lists_are_asked_by_a_check_and_rules_look_at_it(bench: Workbench) -> None:
    text = f"""\
id=RBL ; rblcount=2 ; rbl=one.example, two.example/^127\\.0\\.0\\.[2-8]$/1200, three.example/127.0.0.1[01] ; {RULE_ENDS}
id=BOTH ; rbl=one.example ; rhsbl_sender=names.example ; client_name==unknown ; {RULE_ENDS}
"""
    imported = bench.text("postfwd", text)
    assert imported.status == 0
    lists = imported.checks["RBL-lists"]
    assert (lists["check"], lists["reply"], lists["threshold"]) == ("dnsbl", "pass", 2.0)
    assert set(lists["lists"]) == {"one.example", "two.example", "three.example"}
    assert lists["lists"]["two.example"] == {"codes": ["127.0.0.[2..8]"]}
    assert lists["lists"]["three.example"] == {"codes": ["127.0.0.[10..11]"]}
    assert imported.checks["BOTH-lists-2"]["lists"]["names.example"]["of"] == ["sender"]
    assert [one["when"] for one in rules(imported)] == [
        {"check": {"RBL-lists": ["score_2", "score_3"]}},
        {"client_name": "unknown", "check": {"BOTH-lists": "score_1", "BOTH-lists-2": "score_1"}},
    ]


@pytest.mark.parametrize(
    ("pattern", "codes"),
    [
        ("^127", ANY),
        ("", ANY),
        ("^127\\.0\\.0\\.\\d+$", ("127.0.0.[0;2..255]",)),
        ("^127\\.0\\.[0-5]\\.2$", ("127.0.[0..5].2",)),
        ("127.0.0.(2|3|10)", ("127.0.0.[2..3;10]",)),
        ("^127\\.0\\.0\\.2$|^127\\.0\\.0\\.4$", ("127.0.0.2", "127.0.0.4")),
        ("^127\\.0\\.1\\.", ("127.0.1.[0..255]",)),
    ],
)
def test_answers_of_lists_are_masks(pattern: str, codes: tuple[str, ...]) -> None:
    assert masks(pattern) == codes


def test_an_answer_that_says_that_a_list_refuses_us_is_never_a_hit(bench: Workbench) -> None:
    imported = bench.text(
        "postfwd", f"id=R ; rbl=one.example/^127\\.0\\.0\\.1$ , two.example ; {RULE_ENDS}\n"
    )
    assert imported.left_out() == ["1: rule R: one.example/^127\\.0\\.0\\.1$"]
    assert set(imported.checks["R-lists"]["lists"]) == {"two.example"}


def test_what_rules_set_are_tags_and_numbers_of_hits(bench: Workbench) -> None:
    text = f"""\
id=SET ; client_name==unknown ; action=set(HIT_dyn=1)
id=LISTS ; rblcount=all ; rbl=one.example, two.example ; action=set(HIT_rbl=$$rblcount,TXT=$$dnsbltext)
id=R1 ; HIT_dyn==1 ; HIT_rbl>=1 ; {RULE_ENDS}
id=R2 ; HIT_rbl>1 ; HIT_dyn!=1 ; {RULE_ENDS}
id=R3 ; HIT_dyn=!!1 ; sender==<> ; {RULE_ENDS}
id=R4 ; HIT_rbl==1 ; {RULE_ENDS}
"""
    imported = bench.text("postfwd", text)
    assert imported.left_out() == ["4: rule R2 (REJECT no)", "6: rule R4 (REJECT no)"]
    assert [{k: one[k] for k in ("when", "tags") if k in one} for one in rules(imported)] == [
        {"when": {"client_name": "unknown"}, "tags": ["HIT_dyn.1"]},
        {"when": {"tag": "HIT_dyn.1", "check": {"LISTS-lists": ["score_1", "score_2"]}}},
        {"when": {"tag": "!HIT_dyn.1", "sender": "<>"}},
    ]


def test_one_of_several_or_not_another_is_two_rules(bench: Workbench) -> None:
    imported = bench.text("postfwd", "id=R ; helo_name=!!\\. ; helo_name=[0-9]{7} ; action=set(bad=1)\n")
    assert imported.status == 0
    assert rules(imported) == [
        {"name": "R", "when": {"helo_name": "/[0-9]{7}/"}, "tags": ["bad.1"]},
        {"name": "R-or", "when": {"helo_name": "!/\\./"}, "tags": ["bad.1"]},
    ]


def test_two_attributes_that_must_both_be_set(bench: Workbench) -> None:
    """Of the tags of a condition one is enough, so the lack of the other is made a tag that is barred."""
    text = f"""\
id=A ; client_name==unknown ; action=set(a=1)
id=B ; helo_name==x ; action=set(b=1)
id=BOTH ; a==1 ; b==1 ; {RULE_ENDS}
"""
    imported = bench.text("postfwd", text)
    assert imported.status == 0
    assert rules(imported)[2:] == [
        {"name": "BOTH-without-b.1", "when": {"tag": "!b.1"}, "tags": ["BOTH-without-b.1"]},
        {"name": "BOTH", "when": {"tag": ["a.1", "!BOTH-without-b.1"]}, "action": "REJECT no"},
    ]


def test_a_score_is_answered_as_soon_as_it_is_reached(bench: Workbench) -> None:
    text = """\
id=S1 ; score=2.5 ; action=450 4.7.1 suspicious
id=A ; client_name==unknown ; action=score(2.5)
id=B ; sender==<> ; action=score(-1)
"""
    imported = bench.text("postfwd", text)
    assert imported.status == 0
    assert rules(imported) == [
        {"name": "A", "when": {"client_name": "unknown"}, "score": 2.5},
        {"name": "A-score-5.0", "when": {"score": ">=5.0"}, "action": "554 5.7.1 postfwd score exceeded"},
        {"name": "A-score-2.5", "when": {"score": ">=2.5"}, "action": "450 4.7.1 suspicious"},
        {"name": "B", "when": {"sender": "<>"}, "score": -1.0},
    ]


def test_a_jump_forward_is_a_tag_that_those_in_between_ask_to_be_missing(bench: Workbench) -> None:
    text = f"""\
id=J ; sasl_username==ann ; action=jump(R100)
id=R99 ; size=10000000 ; {RULE_ENDS}
id=R100 ; size=30000000 ; {RULE_ENDS}
id=BACK ; sender==<> ; action=jump(R99)
"""
    imported = bench.text("postfwd", text)
    assert imported.left_out() == ["4: rule BACK (jump(R99))"]
    assert [one["when"] for one in rules(imported)] == [
        {"sasl_username": "ann"},
        {"size": ">=10000000", "tag": "!jump.R100"},
        {"size": ">=30000000"},
    ]


def test_rules_are_asked_at_the_commands_that_they_name(bench: Workbench) -> None:
    text = f"protocol_state==END-OF-MESSAGE ; size=9 ; {RULE_ENDS}\nsender==<> ; action=PREPEND X-A: b\n"
    imported = bench.text("postfwd", text)
    assert imported.status == 0
    assert imported.checks["postfwd"]["asked_at"] == ["rcpt", "end_of_message"]
    assert rules(imported)[1]["when"] == {"sender": "<>", "stage": "!end_of_message"}


def test_more_rules_than_a_table_holds_are_two_tables(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "MAX_RULES", 3)
    text = "".join(f"id=R{n} ; sender==a{n}@example.org ; action=dunno\n" for n in range(5))
    imported = bench.text("postfwd", text)
    assert [(one["name"], one["action"]) for name in imported.checks for one in rules(imported, name)] == [
        *(("R0", "OK"), ("R1", "OK"), ("R2", "OK")),
        *(("R3", "DUNNO"), ("R4", "DUNNO")),
    ]


def test_the_example_that_postfwd_comes_with_loads(bench: Workbench) -> None:
    example = Path("/usr/share/doc/postfwd/examples/postfwd.cf.sample")
    if not example.exists():
        pytest.skip("postfwd is not installed")
    imported = bench.run("postfwd", example)
    assert imported.configured()
    assert {"WL_001", "RBL_002", "RBL_003"} <= {one["name"] for one in rules(imported)}
