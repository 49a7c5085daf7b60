"""The spam check: marks, thresholds, greylisting. rspamd and spamd are real sockets; the store is the one in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from lda.sieve.extensions.spamtest import SpamTest
from milters.checks.spam import Spam
from milters.edits import operations
from tamis.check import SelfTesting, Services
from tamis.config.schema import Secret
from tamis.dns import ZoneResolver
from tamis.errors import PermFail, TempFail
from tamis.mail.headers import Headers
from tamis.mail.headers import split as split_headers
from tamis.mail.message import Message
from tamis.store import Store, open_store
from tamis.store.config import StoreConfig
from tamis.transaction import Transaction
from tamis.verdict import AddHeader, ChangeHeader, Kind, RemoveHeader, Verdict
from tests.milters.scanners.fakes import Fake, counted_request, opinion, says

RAW = b"Subject: x\r\n\r\nhello\r\n"
FORGED = (
    b"X-Spam-Flag: NO\r\nx-spam-status: No, score=-99\r\nX-Spam: No\r\nX-Spamd-Result: fine\r\n"
    b"X-SPAM-FLAG: NO\r\nSubject: x\r\n\r\n"
)
REFUSED = b'HTTP/1.1 403 Forbidden\r\nContent-Length: 22\r\n\r\n{"error": "forbidden"}'


@pytest.fixture
def fake() -> Iterator[Fake]:
    with Fake(counted_request, says(opinion(1.0))) as fake:
        yield fake


class Site:
    """A check with its filter and its store; time stands still until it is told."""

    def __init__(self, fake: Fake, **options: Any) -> None:
        self.check = Spam(**{"servers": (fake.address,), **options})
        assert not list(self.check.problems())
        self.now = 1_700_000_000.0
        self.store: Store = open_store(StoreConfig(url="memory://"))

    def judge(self, raw: bytes = RAW, **known: Any) -> Verdict:
        txn = Transaction(
            **{
                "client_address": "192.0.2.1",
                "sender": "a@example.net",
                "recipients": ("b@example.org",),
                "message": Message(raw),
                **known,
            }
        )
        services = Services(self.store, ZoneResolver({}), lambda: self.now, "mx.test")
        return asyncio.run(self.check.run(txn, services))


def judge(fake: Fake, raw: bytes = RAW, known: dict[str, Any] | None = None, **options: Any) -> Verdict:
    return Site(fake, **options).judge(raw, **(known or {}))


def added(verdict: Verdict) -> dict[str, str]:
    return {edit.name: edit.value for edit in verdict.edits if isinstance(edit, AddHeader)}


def as_headers(verdict: Verdict) -> Headers:
    lines = "".join(f"{name}: {value}\n" for name, value in added(verdict).items())
    return split_headers(lines.encode())[0]


def spamd_says(score: float, needed: float = 5.0, body: str = "A,B") -> bytes:
    spam = score >= needed
    return (
        f"SPAMD/1.1 0 EX_OK\r\nContent-length: {len(body)}\r\nSpam: {spam} ; {score} / {needed}\r\n\r\n{body}"
    ).encode()


def test_a_message_is_marked_and_the_filter_hears_the_envelope(fake: Fake) -> None:
    verdict = judge(fake, known={"helo_name": "helo.example"}, password=Secret("open"))
    assert verdict.kind is Kind.PASS
    assert added(verdict) == {
        "X-Spam-Flag": "NO",
        "X-Spam-Score": "1.00",
        "X-Spam-Level": "*",
        "X-Spam-Status": "No, score=1.00 required=15.00\n\ttests=LARGE,SMALL",
    }
    assert verdict.reason == "score_1.0:LARGE,SMALL"
    (request,) = fake.requests
    assert request.endswith(b"\r\n\r\n" + RAW)
    for line in (b"Password: open", b"From: a@example.net", b"Rcpt: b@example.org", b"Helo: helo.example"):
        assert line + b"\r\n" in request


@pytest.mark.parametrize(
    ("score", "action", "options", "flag"),
    [
        (7.0, "add header", {}, "YES"),
        (7.0, "greylist", {}, "NO"),
        (7.0, "no action", {"spam": 7.0}, "YES"),
        (6.9, "reject", {"spam": 7.0}, "NO"),
        (-3.5, "no action", {}, "NO"),
    ],
)
def test_what_is_spam_says_the_filter_or_the_threshold(
    fake: Fake, score: float, action: str, options: dict[str, Any], flag: str
) -> None:
    fake.deed = says(opinion(score, action))
    verdict = judge(fake, **options)
    assert added(verdict)["X-Spam-Flag"] == flag
    assert verdict.tags == (("spam",) if flag == "YES" else ())


THRESHOLDS = {"greylist": 4.0, "hold": 8.0, "reject": 12.0}


@pytest.mark.parametrize(
    ("score", "kind", "status"),
    [
        (3.9, Kind.PASS, ""),
        (4.0, Kind.DEFER, "4.7.1"),
        (8.0, Kind.HOLD, ""),
        (12.0, Kind.REJECT, "5.7.1"),
        (1e6, Kind.REJECT, "5.7.1"),
    ],
)
def test_thresholds(fake: Fake, score: float, kind: Kind, status: str) -> None:
    fake.deed = says(opinion(score))
    verdict = judge(fake, **THRESHOLDS)
    assert (verdict.kind, verdict.status) == (kind, status)
    assert bool(verdict.edits) == (kind in {Kind.PASS, Kind.HOLD})


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("no action", Kind.PASS),
        ("add header", Kind.PASS),
        ("rewrite subject", Kind.PASS),
        ("greylist", Kind.DEFER),
        ("soft reject", Kind.DEFER),
        ("quarantine", Kind.HOLD),
        ("discard", Kind.DISCARD),
        ("reject", Kind.REJECT),
        ("whatever comes", Kind.PASS),
    ],
)
def test_rspamds_action_is_obeyed_where_the_option_says_so(fake: Fake, action: str, kind: Kind) -> None:
    fake.deed = says(opinion(1.0, action))
    assert judge(fake, obey=True).kind is kind
    assert judge(fake).kind is Kind.PASS
    assert judge(fake, obey=True, reject=1.0).kind is Kind.REJECT, "the gravest counts"


def test_a_greylisted_sender_passes_marked_when_it_comes_back(fake: Fake) -> None:
    fake.deed = says(opinion(5.0))
    site = Site(fake, greylist=4.0, wait=300.0)
    first = site.judge()
    assert (first.kind, first.text) == (Kind.DEFER, "Greylisted, try again in 300 seconds")
    assert first.reason.startswith("greylist:score_5.0")
    site.now += 200
    assert site.judge().text == "Greylisted, try again in 100 seconds"
    site.now += 101
    assert added(site.judge(client_address="192.0.2.77"))["X-Spam-Score"] == "5.00", "its neighbour"
    assert site.judge(sender="c@example.net").kind is Kind.DEFER
    assert site.judge(recipients=("d@example.org",)).kind is Kind.DEFER
    assert site.judge(client_address="198.51.100.1").kind is Kind.DEFER
    assert site.judge().kind is Kind.PASS


def test_the_order_of_recipients_makes_no_stranger(fake: Fake) -> None:
    fake.deed = says(opinion(5.0))
    site = Site(fake, greylist=4.0)
    site.judge(recipients=("b@example.org", "C@example.org"))
    site.now += 301
    assert site.judge(recipients=("c@example.org", "b@example.org")).kind is Kind.PASS


def test_who_logged_in_is_not_asked_about_and_marks_are_removed(fake: Fake) -> None:
    verdict = judge(fake, FORGED, {"sasl_username": "carla"}, reject=0.5)
    assert (verdict.kind, verdict.reason, fake.requests) == (Kind.PASS, "login", [])
    assert [type(edit) for edit in verdict.edits] == [RemoveHeader] * 5
    assert judge(fake, known={"sasl_username": "carla"}, logins=True, reject=0.5).kind is Kind.REJECT


def test_trusted_networks_keep_their_marks(fake: Fake) -> None:
    for client in ("127.0.0.1", "::1"):
        verdict = judge(fake, FORGED, {"client_address": client}, reject=0.5)
        assert (verdict.kind, verdict.edits) == (Kind.PASS, ())
    networks = (ip_network("192.0.2.0/24"),)
    assert judge(fake, FORGED, trusted_networks=networks).reason == "trusted"
    assert fake.requests == []


def test_forged_marks_go_in_every_spelling_and_before_any_verdict(fake: Fake) -> None:
    verdict = judge(fake, FORGED)
    removed = [(e.name.lower(), e.occurrence) for e in verdict.edits if isinstance(e, RemoveHeader)]
    assert removed == [
        ("x-spam-flag", 1), ("x-spam-status", 1), ("x-spam", 1), ("x-spamd-result", 1), ("x-spam-flag", 2)
    ]  # fmt: skip
    assert operations(verdict.edits)
    with pytest.raises(PermFail):
        judge(fake, b"X-Spam: No\r\n" * 201 + b"\r\n")


def test_a_large_message_is_not_asked_about_and_says_so(fake: Fake) -> None:
    verdict = judge(fake, RAW + b"x" * 1000, max_size=1000, reject=0.5)
    assert (verdict.kind, verdict.reason, fake.requests) == (Kind.PASS, "too_large", [])
    assert added(verdict) == {"X-Spam-Status": "No, skipped=size"}


@pytest.mark.parametrize(
    ("raw", "subject", "new"),
    [
        (b"Subject: hello\r\n\r\n", "[SPAM]", ChangeHeader("Subject", 1, "[SPAM] hello")),
        (b"Subject: [SPAM] hello\r\n\r\n", "[SPAM]", None),
        (b"From: a@b.example\r\n\r\n", "[SPAM]", AddHeader("Subject", "[SPAM]", at_top=False)),
        (
            b"Subject: =?iso-8859-1?q?caf=E9?=\r\n\r\n",
            "[SPAM]",
            ChangeHeader("Subject", 1, "[SPAM] =?utf-8?q?caf=C3=A9?="),
        ),
        (
            "Subject: grüße\r\n\r\n".encode(),
            "¡!",
            ChangeHeader("Subject", 1, "=?utf-8?q?=C2=A1!_gr=C3=BC=C3=9Fe?="),
        ),
    ],
)
def test_the_subject_of_spam_may_be_marked_once(
    fake: Fake, raw: bytes, subject: str, new: ChangeHeader | AddHeader | None
) -> None:
    fake.deed = says(opinion(7.0, "add header"))
    edits = judge(fake, raw, subject=subject).edits
    assert [e for e in edits if e.name == "Subject"] == ([new] if new else [])  # type: ignore[union-attr]
    fake.deed = says(opinion(3.0))
    assert not [e for e in judge(fake, raw, subject=subject).edits if isinstance(e, ChangeHeader)]


def test_a_subject_of_rspamds_replaces_ours_where_it_is_obeyed(fake: Fake) -> None:
    body = b'{"score": 9, "required_score": 15, "action": "rewrite subject", "subject": "***\\r\\nX: y"}'
    fake.deed = says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    changed = [e for e in judge(fake, obey=True, subject="[SPAM]").edits if isinstance(e, ChangeHeader)]
    assert changed == [ChangeHeader("Subject", 1, "*** X: y")]


@pytest.mark.parametrize(
    "answer", [b"", REFUSED, b"HTTP/1.1 200 OK\r\n\r\n{}", b"stream: OK\0", opinion(1.0)[:-1]]
)
def test_without_an_opinion_there_is_a_failure(fake: Fake, answer: bytes) -> None:
    fake.deed = says(answer)
    with pytest.raises(TempFail) as failure:
        judge(fake)
    assert failure.value.text == "No answer from rspamd, try again later"


def test_a_message_that_the_filter_skipped_is_not_judged(fake: Fake) -> None:
    body = b'{"score": 99, "required_score": 15, "action": "reject", "is_skipped": true}'
    fake.deed = says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    assert added(judge(fake, reject=10.0)) == {"X-Spam-Status": "No, skipped=rspamd"}


def test_spamd_is_asked_in_its_own_words(fake: Fake) -> None:
    fake.deed = says(spamd_says(7.5))
    verdict = judge(fake, scanner="spamd", user="{recipient}", reject=12.0)
    assert added(verdict)["X-Spam-Status"] == "Yes, score=7.50 required=5.00\n\ttests=A,B"
    assert added(verdict)["X-Spam-Level"] == "*******"
    assert b"\r\nUser: b@example.org\r\n" in fake.requests[0]
    fake.deed = says(spamd_says(12.5))
    several = {"recipients": ("b@example.org", "c@example.org")}
    assert judge(fake, known=several, scanner="spamd", user="{recipient}", reject=12.0).kind is Kind.REJECT
    assert b"User" not in fake.requests[1], "whose would it be?"


def test_reasons_and_fields_stay_short_whatever_the_filter_finds(fake: Fake) -> None:
    body = ",".join(f"SYMBOL_{n}" for n in range(5000))
    fake.deed = says(spamd_says(1e8, body=body))
    verdict = judge(fake, scanner="spamd")
    assert len(verdict.reason) <= 200
    fields = added(verdict)
    assert fields["X-Spam-Level"] == "*" * 50
    assert len(fields["X-Spam-Status"]) < 2000
    assert all(len(line) < 80 for line in fields["X-Spam-Status"].split("\n"))


@pytest.mark.parametrize(("score", "ratio"), [(-5.0, 0.0), (0.0, 0.0), (7.5, 0.5), (15.0, 1.0), (99.0, 1.0)])
def test_sieves_spamtest_reads_what_is_written(fake: Fake, score: float, ratio: float) -> None:
    """The three configurations in docs/scanners.md."""
    fake.deed = says(opinion(score))
    headers = as_headers(judge(fake))
    by_score = SpamTest(status_header="X-Spam-Score", max_value=15.0)
    by_status = SpamTest(
        status_header="X-Spam-Status: score=(-?[0-9.]+)",
        max_header="X-Spam-Status: required=([0-9.]+)",
    )
    assert by_score.ratio(headers) == by_status.ratio(headers) == ratio
    by_flag = SpamTest(status_header="X-Spam-Flag", status_type="text", text_values={0: "NO", 10: "YES"})
    assert by_flag.ratio(headers) == 0.0
    assert by_score.ratio(split_headers(b"X-Spam-Status: No, skipped=size\r\n")[0]) is None


def test_contradictions_are_problems() -> None:
    def keys(**options: Any) -> list[str]:
        return [problem.partition(":")[0] for problem in Spam(**options).problems()]

    assert keys() == []
    assert keys(servers=("localhost:11333",)) == ["servers"]
    assert keys(scanner="spamd", obey=True, password=Secret("x")) == ["password", "obey"]
    assert keys(user="ann") == ["user"]
    assert keys(greylist=9.0, hold=8.0) == ["greylist"]
    assert keys(greylist=9.0, reject=9.0) == ["greylist"]
    assert keys(hold=13.0, reject=12.0) == ["hold"]


@pytest.mark.parametrize(
    ("scanner", "pong"),
    [("rspamd", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npong\r\n"), ("spamd", b"SPAMD/1.5 0 PONG\r\n")],
)
def test_the_doctor_may_ask(fake: Fake, scanner: Any, pong: bytes) -> None:
    fake.deed = says(pong)
    check = Spam(scanner=scanner, servers=(fake.address,))
    assert isinstance(check, SelfTesting)
    assert asyncio.run(check.self_test(ZoneResolver({}))) == [(f"{scanner} at {fake.address} answers", "")]
