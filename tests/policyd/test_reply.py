"""Verdicts to access(5) actions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyd.protocol import encode
from policyd.reply import NO_MESSAGE, NO_PREPEND, Worded, policy_action
from tamis.transaction import Stage
from tamis.verdict import PASS, AddHeader, Kind, RemoveHeader, Verdict, defer, passed, reject

HEADER = passed(AddHeader("X-Tamis", "seen"))


@pytest.mark.parametrize(
    ("verdict", "action"),
    [
        (PASS, "DUNNO"),
        (Verdict(Kind.PASS, reason="known"), "DUNNO"),
        (HEADER, "PREPEND X-Tamis: seen"),
        (
            passed(AddHeader("Received-SPF", "pass\r\n\tclient-ip=192.0.2.1")),
            "PREPEND Received-SPF: pass client-ip=192.0.2.1",
        ),
        (passed(RemoveHeader("X-Tamis", 1)), "DUNNO"),
        (passed(AddHeader("no name", "x")), "DUNNO"),
        (passed(AddHeader("X\nEvil", "x")), "DUNNO"),
        (defer("4.7.1", "Later"), "DEFER_IF_PERMIT 4.7.1 Later"),
        (defer("5.7.1", "Later"), "DEFER_IF_PERMIT 4.3.0 Later"),
        (defer("", ""), "DEFER_IF_PERMIT 4.3.0 defer"),
        (reject("5.1.1", "No such user"), "REJECT 5.1.1 No such user"),
        (reject("5.7.1", "a\r\naction=OK"), "REJECT 5.7.1 a action=OK"),
        (reject("5.7.1", "\0caf\u00e9 \udce9"), "REJECT 5.7.1 ?caf? ?"),
        (Verdict(Kind.HOLD, text="suspicious"), "HOLD suspicious"),
        (Verdict(Kind.HOLD), "HOLD"),
        (Verdict(Kind.DISCARD), "DISCARD"),
        (Worded(Kind.DEFER, "4.7.1", "Later", word="450"), "450 4.7.1 Later"),
        (Worded(Kind.DEFER, "4.7.1", "", word="450"), "450 4.7.1 defer"),
        (Worded(Kind.REJECT, "5.7.1", "No", word="521"), "521 5.7.1 No"),
    ],
)
def test_the_action_of_a_verdict_at_rcpt(verdict: Verdict, action: str) -> None:
    assert policy_action(verdict, Stage.RCPT) == action


@pytest.mark.parametrize("stage", Stage)
def test_a_header_is_prepended_only_while_it_still_can_be(stage: Stage) -> None:
    assert policy_action(HEADER, stage).startswith("PREPEND ") is (stage not in NO_PREPEND)
    assert Stage.END_OF_MESSAGE in NO_PREPEND


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("kind", [Kind.HOLD, Kind.DISCARD])
def test_nothing_is_held_or_discarded_where_there_is_no_message(stage: Stage, kind: Kind) -> None:
    expected = "DUNNO" if stage in NO_MESSAGE else kind.name
    assert policy_action(Verdict(kind), stage) == expected


@given(
    st.sampled_from(Kind),
    st.text(max_size=8),
    st.text(max_size=600),
    st.sampled_from(Stage),
    st.text(max_size=20),
)
def test_no_verdict_makes_a_reply_that_cannot_be_sent_or_that_permits(
    kind: Kind, status: str, text: str, stage: Stage, header: str
) -> None:
    verdict = Verdict(kind, status, text, edits=(AddHeader(header, text),))
    action = policy_action(verdict, stage)
    assert encode(action)
    assert len(action) <= 1000
    assert action.split()[0] in {"DUNNO", "PREPEND", "HOLD", "DISCARD", "DEFER_IF_PERMIT", "REJECT"}
