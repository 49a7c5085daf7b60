"""Rules: order, what adds up, what is said; and that a configuration which cannot mean what it says does not load."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policyd.checks.rules import Rules
from policyd.config import assemble
from policyd.reply import policy_action
from policyd.rules.rule import Rule
from policyd.rules.when import When
from tamis.config.load import Loader, parse
from tamis.config.schema import Texts
from tamis.config.toml import toml
from tamis.errors import ConfigError, TempFail
from tamis.transaction import Findings, Stage
from tamis.verdict import Kind, PostfixAction
from tests.policyd.checks.world import STRANGER, complaints, configured, world
from tests.policyd.mmdb import write_mmdb


def rules(*tables: str, options: str = "") -> Any:
    text = f"[policyd.checks.rules]\n{options}\n"
    for n, table in enumerate(tables):
        name = "" if "name =" in table else f'name = "r{n}"\n'
        text += f"[[policyd.checks.rules.rule]]\n{name}{table}\n"
    return text


def check(*tables: str, options: str = "") -> Rules:
    made = configured(rules(*tables, options=options))
    assert isinstance(made, Rules)
    return made


def found(score: float = 0.0, *tags: str, **reasons: str) -> Findings:
    return Findings(score, set(tags), {label: ("pass", reason) for label, reason in reasons.items()})


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("REJECT", "REJECT 5.7.1 Access denied"),
        ("REJECT 5.7.1 not {sender}", "REJECT 5.7.1 not alice@example.org"),
        ("DEFER", "DEFER 4.7.1 Access denied"),
        ("DEFER_IF_PERMIT 4.7.1 later", "DEFER_IF_PERMIT 4.7.1 later"),
        ("DEFER_IF_REJECT later", "DEFER_IF_REJECT 4.7.1 later"),
        ("450 later, score {score}", "450 4.7.1 later, score 1.5"),
        ("521 5.7.1 go", "521 5.7.1 go"),
        ("HOLD", "HOLD"),
        ("hold looks odd", "HOLD looks odd"),
        ("DISCARD", "DISCARD"),
        ("FILTER smtp:[127.0.0.1]:10025", "FILTER smtp:[127.0.0.1]:10025"),
        ("filter scan:", "FILTER scan:"),
        ("REDIRECT trap@ours.example", "REDIRECT trap@ours.example"),
        ("BCC archive@ours.example", "BCC archive@ours.example"),
        ("PREPEND X-Odd: yes", "PREPEND X-Odd: yes"),
        ("WARN look at {sender}", "WARN look at alice@example.org"),
        ("WARN", "WARN"),
        ("INFO {helo_name}", "INFO mail.example.org"),
        ("DUNNO", "DUNNO"),
        ("OK", "DUNNO"),
        ("relay", "DUNNO"),
    ],
)
def test_every_action_of_access5_is_said_in_its_words(action: str, told: str) -> None:
    assert world().action(check(f'action = "{action}"\nscore = 1.5')) == told


def test_ok_spares_a_message_the_checks_behind_and_dunno_does_not() -> None:
    assert world().verdict(check('action = "OK"')).final
    assert not world().verdict(check('action = "DUNNO"')).final


def test_the_first_rule_with_an_action_ends_them() -> None:
    one = check(
        'when.sender = "bob@"\naction = "REJECT a"',
        'when.sender = "alice@"\naction = "REJECT b"',
        'action = "REJECT c"',
    )
    assert world().verdict(one).text == "b"
    assert world().verdict(one).reason == "r1"
    assert world().verdict(one, sender="bob@x.example").text == "a"
    assert world().verdict(one, sender="").text == "c"


def test_all_conditions_of_a_rule_must_hold() -> None:
    one = check('when = { sender = "alice@", recipient = "bob@" }\naction = "REJECT"')
    assert world().verdict(one).kind is Kind.REJECT
    assert world().verdict(one, recipient="carol@ours.example").kind is Kind.PASS


@given(st.lists(st.tuples(st.booleans(), st.integers(-9, 9), st.sampled_from("abc")), max_size=8))
def test_scores_and_tags_of_the_rules_that_hold_add_up(listed: list[tuple[bool, int, str]]) -> None:
    made = [
        Rule(name=f"r{n}", when=When(sender=Texts(("alice@" if hit else "bob@",))), score=score, tags=(tag,))
        for n, (hit, score, tag) in enumerate(listed)
    ]
    verdict = world().verdict(Rules(rule=tuple(made)), findings=found(5))
    assert verdict.score == sum(score for hit, score, _ in listed if hit)
    assert set(verdict.tags) == {tag for hit, _, tag in listed if hit}
    assert verdict.reason == ",".join(f"r{n}" for n, (hit, _, _) in enumerate(listed) if hit)


def test_rules_see_the_score_and_tags_of_those_before_and_of_earlier_checks() -> None:
    one = check(
        'score = 2\ntags = ["odd"]',
        'when = { score = ">=5", tag = ["odd"] }\naction = "HOLD"',
        'when = { tag = "!slow" }\nscore = 1',
    )
    assert world().verdict(one, findings=found(2.9)).kind is Kind.PASS
    verdict = world().verdict(one, findings=found(3))
    assert (verdict.kind, verdict.reason, verdict.score, verdict.tags) == (Kind.HOLD, "r1", 2.0, ("odd",))
    assert world().verdict(one, findings=found(0, "slow")).score == 2
    assert world().verdict(one).score == 3


def test_findings_are_the_pipelines_to_write() -> None:
    findings = found(1, "a")
    world().verdict(check('score = 2\ntags = ["odd"]'), findings=findings)
    assert findings == found(1, "a")


def test_a_check_that_was_not_asked_meets_no_condition_at_all() -> None:
    text = "[policyd.checks.spf]\nmode = 'shadow'\n" + rules(
        'when.check.spf = "!mfrom_pass"\naction = "REJECT"'
    )
    loader = Loader(parse("tamis.toml", text))
    _, (_, made) = assemble(loader)
    loader.finish()
    assert world().verdict(made.check).kind is Kind.PASS
    assert world().verdict(made.check, findings=found(spf="mfrom_fail")).kind is Kind.REJECT
    assert world().verdict(made.check, findings=found(spf="mfrom_pass")).kind is Kind.PASS


def test_a_pass_without_a_reason_is_pass() -> None:
    text = "[policyd.checks.helo]\n" + rules('when.check.helo = "pass"\naction = "INFO"')
    loader = Loader(parse("tamis.toml", text))
    _, (_, made) = assemble(loader)
    assert world().action(made.check, findings=found(helo="")) == "INFO"
    assert world().action(made.check, findings=found(helo="syntax")) == "DUNNO"


def test_a_rule_is_asked_at_its_stages_only() -> None:
    one = check(
        'when.stage = "data"\naction = "REJECT data"',
        'when.stage = "!data"\naction = "REJECT else"',
        options='asked_at = ["rcpt", "data", "end_of_message"]',
    )
    for state, text in (("RCPT", "else"), ("DATA", "data"), ("END-OF-MESSAGE", "else")):
        assert world().verdict(one, attributes={"protocol_state": state}).text == text
    assert one.stages == {Stage.RCPT, Stage.DATA, Stage.END_OF_MESSAGE}


def test_the_zone_moves_the_day() -> None:
    at = world()
    at.now = 1_700_002_800.0  # Tuesday 23:00 UTC
    wednesday = 'when.weekday = "wed"\naction = "INFO"'
    assert at.action(check(wednesday)) == "DUNNO"
    assert at.action(check(wednesday, options='zone = "Europe/Paris"')) == "INFO"


def test_a_file_is_read_again(tmp_path: Path) -> None:
    table = tmp_path / "bad"
    table.write_text("example.org OK\n")
    one = check(f'when.sender = "texthash:{table}"\naction = "REJECT"')
    assert world().verdict(one).kind is Kind.REJECT
    table.unlink()
    assert world().verdict(one).kind is Kind.REJECT
    with pytest.raises(TempFail):
        world().verdict(
            Rules(rule=(Rule(name="x", when=When(sender=Texts((f"texthash:{table}",))), score=1),))
        )


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        (
            ['when.sendr = "x"\naction = "REJECT"'],
            '5: rule[0].when.sendr: unknown option, did you mean "sender"?',
        ),
        (['action = "450"'], "5: rule[0].action: '450' is digits only, which Postfix takes for PERMIT"),
        (['action = "   "'], "5: rule[0].action: is empty, which Postfix takes for PERMIT"),
        (['action = "REJCT no"'], "did you mean REJECT?"),
        (['action = "permit_mynetworks, reject"'], "no action of access(5)"),
        (['action = "HANGUP"'], "no action of access(5)"),
        (['action = "OK really"'], "lets the message pass"),
        (['action = "FILTER smtp"'], "FILTER needs TRANSPORT:DESTINATION"),
        (['action = "FILTER smtp:[{client_address}]"'], "FILTER needs TRANSPORT:DESTINATION"),
        (['action = "REDIRECT nobody"'], "REDIRECT needs an address"),
        (['action = "BCC a@x.example b@x.example"'], "BCC needs an address"),
        (['action = "BCC {sender}@x.example"'], "BCC takes no placeholder"),
        (['action = "REDIRECT x+{score}@x.example"'], "REDIRECT takes no placeholder"),
        (
            ["score = 1", 'action = "PREPEND X-A: {recipient}"'],
            "8: rule[1].action: PREPEND must not name the recipient",
        ),
        (["when = {}"], "the rule does nothing"),
        (["when.sender = []\nscore = 1"], "an empty list, which nothing fits"),
        (["when.sender = true\nscore = 1"], "expected a text in quotes or a number, not true"),
        (
            ['name = "a"\nscore = 1', 'name = "a"\nscore = 1'],
            "rule[1].name: 'a' is the name of an earlier rule",
        ),
        (['name = "a b"\nscore = 1'], "must be 1 to 64 letters"),
        (['score = 1\ntags = ["{x}"]'], "rule[0].tags: '{x}' must be"),
        (
            ['action = "HOLD"', "score = 1"],
            "rule[1]: is never reached, for 'r0' has an action and no conditions",
        ),
        (['when.stage = "data"\nscore = 1'], "rule[0].when.stage: is none of asked_at"),
        (['when.stage = "dta"\nscore = 1'], 'when.stage: unknown stage, did you mean "data"?'),
        (
            ['when.recipient_count = ">5"\naction = "REJECT"'],
            "rule[0].when.recipient_count: is not known at RCPT",
        ),
        (
            ['when.sender = "texthash:/nonexistent"\nscore = 1'],
            "rule[0].when.sender: /nonexistent: No such file",
        ),
        (
            ['when.attribute.sender = "x"\nscore = 1'],
            "when.attribute.sender: sender is a condition of its own",
        ),
        (["score = inf"], "expected a number of 64 bits or less"),
        ([], "needs 1 to 2000 rules"),
    ],
)
def test_what_cannot_be_meant_does_not_load(tables: list[str], sentence: str) -> None:
    said = complaints(rules(*tables))
    line, _, rest = sentence.partition(": ") if sentence[0].isdigit() else ("", "", sentence)
    assert rest in said
    assert not line or f"tamis.toml:{line}: policyd.checks.rules.{rest}" in said


@pytest.mark.parametrize(
    ("action", "stage", "fits"),
    [
        ("PREPEND X-A: b", "end_of_message", False),
        ("PREPEND X-A: b", "data", True),
        ("HOLD", "etrn", False),
        ("FILTER a:b", "etrn", False),
        ("BCC a@b", "vrfy", False),
        ("REDIRECT a@b", "end_of_message", True),
        ("WARN", "etrn", True),
        ("REJECT", "connect", True),
    ],
)
def test_an_action_without_effect_at_a_stage_of_its_rule_is_refused(
    action: str, stage: str, fits: bool
) -> None:
    text = rules(f'action = "{action}"', options=f'asked_at = ["{stage}"]')
    if fits:
        configured(text)
    else:
        assert "rule[0].action: " in complaints(text)
        elsewhere = f'when.stage = "!{stage}"\naction = "{action}"'
        configured(rules(elsewhere, options=f'asked_at = ["rcpt", "{stage}"]'))


@pytest.mark.parametrize(
    ("before", "behind", "sentence"),
    [
        ("[policyd.checks.spf]", "", 'when.check.sfp: unknown check, did you mean "spf"?'),
        ("", "[policyd.checks.sfp]\ncheck = 'spf'", "when.check.sfp: is asked behind these rules"),
    ],
)
def test_a_condition_on_a_check_that_is_not_asked_before_does_not_load(
    before: str, behind: str, sentence: str
) -> None:
    conditional = rules('when.check.sfp = "x"\nscore = 1')
    loader = Loader(parse("tamis.toml", f"{before}\n{conditional}\n{behind}\n"))
    assemble(loader)
    with pytest.raises(ConfigError) as caught:
        loader.finish()
    assert sentence in str(caught.value)


def test_where_a_message_goes_is_told_before_a_header_and_that_before_a_remark() -> None:
    said = [PostfixAction("WARN", "w"), PostfixAction("BCC", "a@b"), PostfixAction("REDIRECT", "c@d")]
    header = world().verdict(check('action = "PREPEND X-A: b"'))
    told = {
        n: policy_action(replace(header, edits=(*said[:n], *header.edits)), Stage.RCPT) for n in (0, 1, 2, 3)
    }
    assert told == {0: "PREPEND X-A: b", 1: "PREPEND X-A: b", 2: "BCC a@b", 3: "BCC a@b"}
    assert policy_action(replace(header, edits=(*said, *header.edits)), Stage.ETRN) == "WARN w"


@given(st.text(max_size=60))
def test_no_value_of_a_client_makes_a_second_line(value: str) -> None:
    for action in ("WARN {helo_name}", "INFO {sender}", "REJECT no {helo_name}", "PREPEND X-A: {helo_name}"):
        made = Rules(rule=(Rule(name="r", action=action),))
        told = world().action(made, replace(STRANGER, helo_name=value, sender=value))
        assert told.isprintable()
        assert told.isascii()
        assert told.startswith(action.split()[0])


def test_conditions_are_printed_as_they_can_be_read_again() -> None:
    texts = {
        "sender": '"a@"',
        "client_address": '["192.0.2.7", "!10.0.0.0/8"]',
        "check": '{spf = "x"}',
        "size": '">5"',
    }
    given = ", ".join(f"{key} = {value}" for key, value in texts.items())
    made = check(f"when = {{ {given} }}\nscore = 1")
    printed = toml(tuple[Rule, ...], made.rule, {})
    for key, value in texts.items():
        assert f"{key} = {value}" in printed
    assert configured(f"[policyd.checks.rules]\nrule = {printed}\n") == made


COOKBOOK = (
    (Path(__file__).parents[3] / "docs/policy.md").read_text().split("### Ten rules")[1].split("```")[1]
)


@pytest.mark.parametrize(
    ("state", "changes", "score", "told"),
    [
        ("RCPT", {"client_address": "192.0.2.7", "sender": "x@ours.example"}, 9.0, "DUNNO"),
        ("RCPT", {}, 6.0, "REJECT 5.7.1 203.0.113.7 has a bad reputation (6)"),
        ("RCPT", {"sasl_username": "ann"}, 6.0, "FILTER scan:[127.0.0.1]:10025"),
        ("RCPT", {"sender": "x@sub.ours.example"}, 0.0, "REJECT 5.7.1 Log in to send as x@sub.ours.example"),
        ("DATA", {"sender": "", "recipient_count": 2}, 0.0, "REJECT 5.5.3 A bounce has one recipient"),
        ("DATA", {"sender": "", "recipient_count": 1}, 0.0, "DUNNO"),
        ("DATA", {"sasl_username": "ann", "recipient_count": 101}, 0.0, "HOLD more than 100 recipients"),
        ("END-OF-MESSAGE", {"size_bytes": 26 << 20}, 0.0, "452 4.3.4 Large messages after six, please"),
        ("END-OF-MESSAGE", {"size_bytes": 25 << 20}, 0.0, "DUNNO"),
        ("RCPT", {"recipient": "john.trap@ours.example"}, 0.0, "REDIRECT quarantine@ours.example"),
        ("DATA", {"sasl_username": "trader@ours.example"}, 0.0, "BCC audit@ours.example"),
        ("RCPT", {}, 3.0, "FILTER scan:[127.0.0.1]:10025"),
    ],
)
def test_the_ten_rules_of_the_manual_do_what_it_says(
    state: str, changes: dict[str, Any], score: float, told: str
) -> None:
    loader = Loader(parse("tamis.toml", COOKBOOK.removeprefix("toml")))
    _, checks = assemble(loader)
    loader.finish()
    at = world()
    at.now = 1_700_038_800.0  # Wednesday 10:00 in Paris
    asked = replace(STRANGER, attributes={"protocol_state": state}, findings=found(score), **changes)
    stage = next(stage for stage in Stage if stage.value == state)
    assert policy_action(at.verdict(checks[-1].check, asked), stage) == told


def test_old_tls_is_noted() -> None:
    loader = Loader(parse("tamis.toml", COOKBOOK.removeprefix("toml")))
    _, checks = assemble(loader)
    attributes = {"protocol_state": "DATA", "encryption_protocol": "TLSv1"}
    assert world().action(checks[-1].check, attributes=attributes) == "WARN old TLS from mail.example.org"


def test_where_a_client_comes_from(tmp_path: Path) -> None:
    """An address that no file knows is of a country too: unknown."""
    path = tmp_path / "geo.mmdb"
    write_mmdb(
        path,
        {"192.0.2.0/24": {"country": {"iso_code": "FR"}, "autonomous_system_number": 64500}},
    )
    made = check(
        'when = { country = ["FR", "BE"] }\nscore = 1.0',
        'when = { asn = "AS64500" }\nscore = 2.0',
        'when = { country = "!unknown" }\nscore = 4.0',
        options=f'geoip = ["{path}"]',
    )
    services = world().services()
    scores = {
        client: asyncio.run(made.run(replace(STRANGER, client_address=client), services)).score
        for client in ("192.0.2.9", "198.51.100.1", "2001:db8::1", "unknown")
    }
    assert scores == {"192.0.2.9": 7.0, "198.51.100.1": 0.0, "2001:db8::1": 0.0, "unknown": 0.0}


def test_what_can_be_no_place_is_told() -> None:
    told = str(complaints(rules('when = { country = "France", asn = "64500" }\nscore = 1.0')))
    assert "'France' is no country, such as FR, or unknown" in told
    assert "'64500' is no asn, such as AS64500" in told
    assert "geoip: must name a MaxMind file that knows asn" in told
