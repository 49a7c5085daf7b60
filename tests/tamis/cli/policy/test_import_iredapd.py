"""settings.py of iRedAPD and its table throttle as checks."""

from __future__ import annotations

import pytest

from tamis.cli.__main__ import main
from tests.tamis.cli.policy.house import Workbench

SETTINGS = """\
listen_address = '127.0.0.1'
plugins = ['reject_null_sender', 'greylisting', 'throttle', 'senderscore']
MYNETWORKS = ['192.0.2.*', '10.0.0.0/8', '1.*.2.3']
GREYLISTING_BLOCK_EXPIRE = 10
GREYLISTING_AUTH_TRIPLET_EXPIRE = 30
GREYLISTING_UNAUTH_TRIPLET_EXPIRE = 2
GREYLISTING_TRAINING_MODE = True
GREYLISTING_MESSAGE = 'Intentional policy rejection, please try again later'
SENDERSCORE_REJECT_SCORE = 20
"""

HEAD = "account,kind,priority,period,msg_size,max_msgs,max_quota,max_rcpts"
ROWS = (
    "@.,outbound,0,3600,-1,100,1000000,50",
    "shop@example.org,outbound,100,3600,-1,500,0,-1",
    "@example.net,outbound,60,60,-1,20,-1,-1",
    "@.example.com,outbound,50,60,-1,20,-1,-1",
)
AS_SQL = "INSERT INTO `throttle` VALUES " + ",".join(
    "({}, '{}','{}',{})".format(n, *row.split(",", 2)) for n, row in enumerate(ROWS, 1)
)
AS_PG = "COPY public.throttle ({}) FROM stdin;\n{}\n\\.\n".format(
    HEAD.replace(",", ", "), "\n".join(row.replace(",", "\t") for row in ROWS)
)


def test_greylisting_and_senderscore(bench: Workbench) -> None:
    imported = bench.text("iredapd", SETTINGS, "settings.py")
    assert imported.checks["greylist"] == {
        "delay": "10m",
        "remember": "30d",
        "retry_within": "2d",
        "mode": "shadow",
        "reply": "DEFER_IF_PERMIT 4.7.1 Intentional policy rejection, please try again later",
        "trusted_networks": ["127.0.0.0/8", "::1/128", "192.0.2.0/24", "10.0.0.0/8"],
    }
    lists = imported.checks["senderscore"]["lists"]
    assert lists == {"score.senderscore.com": {"codes": ["127.0.4.[0..20]"]}}
    assert imported.status == 1
    assert "3: MYNETWORKS: 1.*.2.3" in imported.left_out()
    assert "2: throttle" in imported.left_out()


def test_logins_and_their_senders(bench: Workbench) -> None:
    text = """\
plugins = ['reject_null_sender', 'reject_sender_login_mismatch']
MYNETWORKS = ['10.0.0.1']
ALLOWED_LOGIN_MISMATCH_SENDERS = ['root@example.org', 'example.net']
"""
    imported = bench.text("iredapd", text, "settings.py")
    assert imported.checks == {
        "sender_login": {
            "mismatch": "reject",
            "null_sender": "reject",
            "exempt": ["root@example.org", "@example.net"],
            "trusted_networks": ["127.0.0.0/8", "::1/128", "10.0.0.1/32"],
        }
    }
    assert imported.left_out() == ["1: reject_sender_login_mismatch: aliases and local domains"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", "\n".join([HEAD, *ROWS])),
        ("t.tsv", "\n".join([HEAD, *ROWS]).replace(",", "\t")),
        ("t.sql", AS_SQL),
        ("pg.sql", AS_PG),
    ],
)
def test_rows_of_the_throttle_in_every_form_that_databases_write(
    bench: Workbench, name: str, text: str
) -> None:
    settings = bench.file("settings.py", "plugins = ['throttle']\n")
    imported = bench.run("iredapd", settings, bench.file(name, text))
    common = {"check": "ratelimit", "key": ["sasl_username"], "stage": "end_of_message", "action": "reject"}
    assert imported.checks == {
        "users": common
        | {
            "limits": ["100/1h"],
            "early": True,
            "max_recipients": 50,
            "overrides": {
                "shop@example.org": {"limits": ["500/1h"]},
                "@example.net": {"limits": ["20/1m"]},
            },
        },
        "users-bytes": common
        | {
            "limits": ["1000000/1h"],
            "cost": "byte",
            "overrides": {"shop@example.org": {"exempt": True}},
        },
    }
    [left] = imported.left_out()
    assert left.endswith("@.example.com: max_msgs = 20")


def test_where_no_row_is_everybody_s_the_others_are_not_counted(bench: Workbench) -> None:
    text = f"{HEAD}\n@example.net,inbound,60,60,-1,20,-1,-1\n"
    [table] = bench.run("iredapd", bench.file("t.csv", text)).checks.values()
    assert table["key"] == ["recipient"]
    assert table["exempt"] == ["0.0.0.0/0", "::/0"]
    assert table["overrides"] == {"@example.net": {"limits": ["20/1m"]}}


def test_nobody_gets_other_limits_by_what_he_says_he_is(bench: Workbench) -> None:
    text = f"{HEAD}\n@.,external,0,60,-1,20,-1,-1\nbig@example.com,external,100,60,-1,9999,-1,-1\n"
    imported = bench.run("iredapd", bench.file("t.csv", text))
    assert imported.status == 1
    assert "overrides" not in imported.checks["senders"]


def test_a_score_that_is_reckoned_is_not_guessed(bench: Workbench) -> None:
    imported = bench.text("iredapd", "plugins = ['senderscore']\nSENDERSCORE_REJECT_SCORE = 10 + 1\n", "s.py")
    assert imported.checks == {}
    assert imported.left_out() == ["2: SENDERSCORE_REJECT_SCORE"]


@pytest.mark.parametrize("text", ["account,kind\n", "nothing\n", f"{HEAD}\n@.,outbound,0,many,1,1,1,1\n"])
def test_a_dump_without_rows_is_none(bench: Workbench, text: str) -> None:
    assert main(["policy", "import", "iredapd", str(bench.file("t.csv", text))]) == 65
