"""policyd-rate-limit.yaml as `ratelimit` checks."""

from __future__ import annotations

import pytest

from tests.tamis.cli.policy.house import Workbench

ALL = """\
debug: True
user: "policyd-rate-limit"
SOCKET: "/var/spool/postfix/ratelimit/policy"
socket_permission: 0666
sqlite_config:
    database: "/var/lib/policyd-rate-limit/db.sqlite3"
limits:
    - [10, 60] # limit to 10 mails by minutes
    - [150, 86400]
limits_by_id:
    newsletter@example.org: [[5000, 3600]]
    robot@example.org: []
    192.0.2.7: [[1, 60]]
limit_by_sasl: True
limit_by_ip: True
limited_networks: ["192.0.2.0/24", "2001:db8::/32"]
success_action: "dunno"
fail_action: "450 4.7.1 Too many, wait"
db_error_action: "defer_if_permit Database"
count_mode: 1
report: False
report_from: null
smtp_server: ["localhost", 25]
"""


def test_all_of_a_usual_file_is_carried_over(bench: Workbench) -> None:
    imported = bench.text("policyd-rate-limit", ALL)
    assert imported.status == 0
    common = {
        "check": "ratelimit",
        "limits": ["10/1m", "150/1d"],
        "stage": "data",
        "reply": "450 4.7.1 Too many, wait",
    }
    assert imported.checks == {
        "users": common
        | {
            "key": ["sasl_username"],
            "overrides": {
                "newsletter@example.org": {"limits": ["5000/1h"]},
                "robot@example.org": {"exempt": True},
            },
        },
        "clients": common
        | {
            "key": ["client_address"],
            "exempt": ["0.0.0.0/0", "::/0"],
            "overrides": {
                "192.0.2.0/24": {"limits": ["10/1m", "150/1d"]},
                "2001:db8::/32": {"limits": ["10/1m", "150/1d"]},
                "192.0.2.7": {"limits": ["1/1m"]},
            },
        },
    }


def test_without_a_word_about_it_recipients_are_counted_at_rcpt_and_a_lost_database_lets_pass(
    bench: Workbench,
) -> None:
    [users] = bench.text("policyd-rate-limit", "limits: [[1, 1]]\n").checks.values()
    assert "stage" not in users
    assert "cost" not in users
    assert users["on_error"] == "pass"


def test_count_mode_2_counts_messages(bench: Workbench) -> None:
    [users] = bench.text("policyd-rate-limit", "limits: [[1, 1]]\ncount_mode: 2\n").checks.values()
    assert (users["stage"], users["cost"]) == ("data", "message")


def test_everybody_s_address_needs_no_exemption(bench: Workbench) -> None:
    text = 'limit_by_sasl: false\nlimit_by_ip: true\nlimited_networks: ["0.0.0.0/0", "::/0"]\n'
    imported = bench.text("policyd-rate-limit", text)
    assert set(imported.checks) == {"clients"}
    assert not {"exempt", "overrides"} & set(imported.checks["clients"])


@pytest.mark.parametrize("value", ['"OK"', '"permit"'])
def test_an_ok_for_who_is_below_the_limit_becomes_dunno(bench: Workbench, value: str) -> None:
    imported = bench.text("policyd-rate-limit", f"limits: [[1, 1]]\nsuccess_action: {value}\n")
    assert imported.status == 0
    assert any(one["what"].startswith("success_action") for one in imported.report["different"])


@pytest.mark.parametrize("action", ["450", "", "nonsense", "OK"])
def test_an_action_that_would_let_pass_is_not_carried_over(bench: Workbench, action: str) -> None:
    """A numeric or empty reply means PERMIT to Postfix."""
    imported = bench.text("policyd-rate-limit", f'limits: [[1, 1]]\nfail_action: "{action}"\n')
    assert imported.status == 1
    assert "reply" not in imported.checks["users"]


@pytest.mark.parametrize(
    "text",
    [
        "count_mode: [1]",
        "count_mode: yes",
        "limited_networks: [x]\nlimit_by_ip: 1",
        "limits_by_id: {a: }",
        "1: 2",
    ],
)
def test_strange_values_do_no_harm(bench: Workbench, text: str) -> None:
    bench.text("policyd-rate-limit", f"limits: [[1, 1]]\n{text}\n")
