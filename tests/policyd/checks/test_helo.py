"""The check helo: each question by itself, what is left in peace, and DNS that does not answer."""

from __future__ import annotations

from typing import Any

import pytest

from policyd.checks.helo import SENTENCES, Helo
from tamis.errors import TempFail
from tamis.verdict import Kind
from tests.policyd.checks.world import HOSTNAME, STRANGER, Zone, complaints, configured, world

OFF = dict.fromkeys(SENTENCES, "pass")
ZONE: dict[str, Any] = {
    "mail.example.org": [{"A": "203.0.113.7"}],
    "six.example.org": [{"AAAA": "2001:db8::7"}],
    "other.example.org": [{"A": "198.51.100.1"}],
    "mx-only.example.org": [{"MX": [10, "mail.example.org"]}],
    "slow.example.org": ["TIMEOUT"],
    "half.example.org": [{"A": "TIMEOUT"}, {"AAAA": "2001:db8::7"}],
}


def only(*questions: str, **options: Any) -> Helo:
    return Helo(**{**OFF, **dict.fromkeys(questions, "reject"), **options})


@pytest.mark.parametrize(
    ("name", "question"),
    [
        ("", "syntax"),
        ("-mail.example.org", "syntax"),
        ("mail..example.org", "syntax"),
        ("a b.example.org", "syntax"),
        ("mail.example.123", "syntax"),
        ("[999.1.1.1]", "syntax"),
        ("[]", "syntax"),
        ("x" * 64 + ".example.org", "syntax"),
        ("x" * 2000, "syntax"),
        ("m\udce9il.example.org", "syntax"),
        ("mail.example.org\r\nRCPT", "syntax"),
        ("198.51.100.1", "address"),
        ("203.0.113.7", "address"),
        ("2001:db8::1", "address"),
        ("localhost", "unqualified"),
        ("WIN-1234", "unqualified"),
        (HOSTNAME, "own_name"),
        ("MX.Ours.Example.", "own_name"),
        ("ours.test", "own_name"),
        ("a.ours.test", "own_name"),
        ("192.0.2.25", "own_name"),
        ("[192.0.2.25]", "own_name"),
        ("[203.0.113.7]", "literal"),
        ("[198.51.100.1]", "literal"),
        ("[IPv6:2001:db8::1]", "literal"),
        ("[198.51.100.1]", "literal_mismatch"),
        ("[IPv6:2001:db8::1]", "literal_mismatch"),
        ("nosuch.example.org", "unresolvable"),
        ("other.example.org", "mismatch"),
        ("mx-only.example.org", "mismatch"),
        ("six.example.org", "mismatch"),
    ],
)
def test_each_question_refuses_what_it_asks_about_and_can_be_switched_off(name: str, question: str) -> None:
    server = {"server_address": "192.0.2.25"}
    own = ("ours.test", ".ours.test")
    here = world(ZONE)
    verdict = here.verdict(only(question, own_names=own), helo_name=name, attributes=server)
    assert (verdict.kind, verdict.reason) == (Kind.REJECT, question)
    assert world(ZONE).verdict(only(own_names=own), helo_name=name, attributes=server).kind is Kind.PASS


@pytest.mark.parametrize(
    ("name", "client"),
    [
        ("mail.example.org", "203.0.113.7"),
        ("MAIL.example.org.", "203.0.113.7"),
        ("six.example.org", "2001:db8::7"),
        ("half.example.org", "2001:db8::7"),
        ("[203.0.113.7]", "203.0.113.7"),
        ("[203.0.113.7]", "::ffff:203.0.113.7"),
        ("[IPv6:2001:db8:0::7]", "2001:db8::7"),
        ("under_score.example.org", "203.0.113.7"),
    ],
)
def test_who_says_the_truth_passes_every_question(name: str, client: str) -> None:
    zone = {**ZONE, "under_score.example.org": [{"A": "203.0.113.7"}]}
    check = only(*set(SENTENCES) - {"literal", "many_names"})
    assert world(zone).action(check, helo_name=name, client_address=client) == "DUNNO"


def test_our_own_server_may_use_its_own_address() -> None:
    server = {"server_address": "203.0.113.7"}
    check = only("own_name")
    assert world().action(check, helo_name="[203.0.113.7]", attributes=server) == "DUNNO"


@pytest.mark.parametrize("changes", [{"sasl_username": "a"}, {"client_address": "127.0.0.1"}])
def test_logins_and_own_networks_may_say_anything(changes: dict[str, str]) -> None:
    assert world().action(only(*SENTENCES), helo_name=HOSTNAME, **changes) == "DUNNO"


def test_dns_that_does_not_answer_is_no_refusal() -> None:
    for question, name in (
        ("unresolvable", "slow.example.org"),
        ("mismatch", "slow.example.org"),
        ("mismatch", "half.example.org"),
    ):
        with pytest.raises(TempFail):
            world(ZONE).verdict(only(question), helo_name=name)


def test_half_an_answer_is_enough_to_know_that_a_name_exists() -> None:
    assert world(ZONE).action(only("unresolvable"), helo_name="half.example.org") == "DUNNO"


def test_dns_is_not_asked_where_nobody_wants_to_know() -> None:
    here = world(ZONE)
    here.verdict(Helo())
    assert isinstance(here.dns, Zone)
    assert not here.dns.asked


def test_by_default_a_name_that_leads_elsewhere_is_left_in_peace() -> None:
    """RFC 5321 section 4.1.4 forbids to refuse for that alone."""
    for name in ("other.example.org", "nosuch.example.org", "localhost", "[203.0.113.7]"):
        assert world(ZONE).action(Helo(), helo_name=name) == "DUNNO"


def test_a_client_that_makes_up_names_is_found_out() -> None:
    """However its names look; one that says few passes, and so does one that has said many long ago."""
    here, check = world(), only("many_names", names_at_most=3)
    kinds = [here.verdict(check, helo_name=f"mail{n}.example.org").kind for n in range(6)]
    assert kinds == [Kind.PASS] * 3 + [Kind.REJECT] * 3
    verdict = here.verdict(check, helo_name="mail0.example.org")
    assert (verdict.kind, verdict.text) == (Kind.REJECT, "203.0.113.7 says too many names at HELO")
    assert here.action(check, client_address="203.0.113.8", helo_name="mail9.example.org") == "DUNNO"
    here.now += 3601
    assert here.action(check, helo_name="mail9.example.org") == "DUNNO"


def test_a_name_is_the_same_however_it_is_written_and_however_often() -> None:
    here, check = world(), only("many_names", names_at_most=1)
    for name in ("mail.example.org", "MAIL.Example.org", "mail.example.org.") * 20:
        assert here.action(check, helo_name=name) == "DUNNO"


def test_of_ipv6_a_network_is_one_client() -> None:
    here, check = world(), only("many_names", names_at_most=1)
    assert here.action(check, client_address="2001:db8::1", helo_name="a.example.org") == "DUNNO"
    assert here.action(check, client_address="2001:db8::2", helo_name="b.example.org") != "DUNNO"


def test_names_are_counted_whatever_else_is_wrong_with_them() -> None:
    here = world()
    check = Helo(**{**OFF, "many_names": "reject", "syntax": "score 1", "names_at_most": 2})
    kinds = [here.verdict(check, helo_name=f"a b{n}").kind for n in range(3)]
    assert kinds == [Kind.PASS, Kind.PASS, Kind.REJECT]


def test_the_store_is_asked_only_where_names_are_counted() -> None:
    class Nobody:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    here = world()
    here.store = Nobody()
    assert here.action(Helo()) == "DUNNO"


def test_words_are_the_admins_and_values_harmless() -> None:
    check = configured('[policyd.checks.helo]\nsyntax = "504 5.5.2 {helo_name}: no name, {sender}"\n')
    action = world().action(check, helo_name="%s%n\udce9{recipient}", sender="{client_address}\n@x")
    assert action == "504 5.5.2 %s%n?{recipient}: no name, {client_address}?@x"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ('syntax = "504"', "digits only, which Postfix takes for PERMIT"),
        ('mismatch = "PREPEND Broken"', "PREPEND needs a header field"),
        ('own_names = ["a b"]', "is no host name"),
        ('synatx = "reject"', 'did you mean "syntax"'),
    ],
)
def test_a_bad_option_is_refused(words: str, said: str) -> None:
    assert said in complaints(f"[policyd.checks.helo]\n{words}\n")


def test_a_tag_is_a_header() -> None:
    check = Helo(**{**OFF, "unqualified": "PREPEND X-Helo: {helo_name}"})
    assert world().action(check, STRANGER, helo_name="localhost") == "PREPEND X-Helo: localhost"
