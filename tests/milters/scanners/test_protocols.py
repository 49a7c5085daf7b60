"""The protocols of scanners as bytes: what is asked, and what counts as an answer."""

from __future__ import annotations

import json
import mmap
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milters.scanners import clamd, head, rspamd, spamd
from milters.scanners.clamd import CHUNK_BYTES, Scan
from milters.scanners.opinion import MAX_SYMBOLS, Envelope, Opinion
from milters.scanners.question import Declined, Question
from tamis.errors import ProtocolError
from tamis.transaction import Transaction

MESSAGE = b"Subject: x\r\n\r\nbody\r\n"


def sent(question: Question[Any]) -> bytes:
    return b"".join(bytes(piece) for piece in question.pieces())


def http(body: bytes, status: str = "HTTP/1.1 200 OK", fields: str = "") -> bytes:
    return f"{status}\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode() + body


# clamd


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_a_stream_is_the_message_in_counted_chunks_and_a_chunk_of_nothing(size: int) -> None:
    content, stream = b"x" * size, sent(clamd.instream(b"x" * size))
    command, stream = stream[:10], stream[10:]
    assert command == b"zINSTREAM\0"
    found = b""
    while length := struct.unpack(">I", stream[:4])[0]:
        assert length <= CHUNK_BYTES
        found, stream = found + stream[4 : 4 + length], stream[4 + length :]
    assert (found, stream) == (content, b"\0\0\0\0")


def test_a_message_on_disk_is_streamed_from_there() -> None:
    with mmap.mmap(-1, 2 * CHUNK_BYTES) as content:
        pieces = list(clamd.instream(content).pieces())
        assert [len(p) for p in pieces if isinstance(p, memoryview)] == [CHUNK_BYTES, CHUNK_BYTES]
        del pieces


def test_a_question_can_be_sent_again_to_another_server() -> None:
    question = clamd.instream(MESSAGE)
    assert sent(question) == sent(question)


@pytest.mark.parametrize(
    ("answer", "scan"),
    [
        (b"stream: OK\0", Scan()),
        (b"stream: Eicar-Test-Signature FOUND\0", Scan("Eicar-Test-Signature")),
        (b"stream: Win.Test.EICAR_HDB-1(44d88612:68) FOUND\0", Scan("Win.Test.EICAR_HDB-1(44d88612:68)")),
        (b"stream: {HEX}php.x.UNOFFICIAL FOUND\0", Scan("{HEX}php.x.UNOFFICIAL")),
        (b"INSTREAM size limit exceeded. ERROR\0", Scan(too_large=True)),
    ],
)
def test_answers_of_clamd(answer: bytes, scan: Scan) -> None:
    assert clamd.instream(b"").whole(answer)
    assert clamd.read(answer) == scan


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"stream: Can't allocate memory ERROR\0", "Can't allocate memory"),
        (b"COMMAND READ TIMED OUT ERROR\0", "COMMAND READ TIMED OUT"),
    ],
)
def test_an_error_of_clamd_is_no_clean_message(answer: bytes, sentence: str) -> None:
    with pytest.raises(Declined, match=sentence):
        clamd.read(answer)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"stream: OK",
        b"stream: OK\n",
        b"stream: OK\0\0",
        b"stream: OK\0stream: Evil FOUND\0",
        b"stream:  FOUND\0",
        b"stream: two words FOUND\0",
        b"stream: a\r\nInjected: b FOUND\0",
        b"stream: caf\xc3\xa9 FOUND\0",
        b"stream: " + b"x" * 201 + b" FOUND\0",
        b"/etc/passwd: OK\0",
        b"UNKNOWN COMMAND\0",
        b"PONG\0",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_what_is_no_answer_of_clamd_is_no_answer(answer: bytes) -> None:
    with pytest.raises(ProtocolError):
        clamd.read(answer)


@given(st.binary(max_size=60))
def test_clamd_is_never_read_as_anything_but_what_it_said(noise: bytes) -> None:
    """No octets before or after make an answer of what is none."""
    for answer in (noise, b"stream: " + noise, noise + b"stream: OK\0", b"stream: OK\0" + noise):
        try:
            scan = clamd.read(answer)
        except (ProtocolError, Declined):
            continue
        assert answer == b"stream: OK\0" or scan.signature or scan.too_large


# rspamd


def test_rspamd_is_told_the_envelope() -> None:
    txn = Transaction(
        client_address="192.0.2.1",
        client_name="mx.example.net",
        helo_name="helo.example.net",
        sender="a@example.net",
        recipients=("b@example.org", "c@example.org"),
        queue_id="4TEST",
        sasl_username="carla",
    )
    question = rspamd.check(MESSAGE, Envelope(txn, "mx.test"), "secret")
    start, _, body = sent(question).partition(b"\r\n\r\n")
    assert body == MESSAGE
    assert start.decode().split("\r\n") == [
        "POST /checkv2 HTTP/1.0",
        f"Content-Length: {len(MESSAGE)}",
        "Password: secret",
        "From: a@example.net",
        "Rcpt: b@example.org",
        "Rcpt: c@example.org",
        "IP: 192.0.2.1",
        "Helo: helo.example.net",
        "Hostname: mx.example.net",
        "User: carla",
        "Queue-Id: 4TEST",
        "MTA-Name: mx.test",
    ]


def test_what_is_not_known_is_not_said_and_the_null_sender_is() -> None:
    txn = Transaction(client_address="unknown", client_name="unknown")
    start = sent(rspamd.check(b"", Envelope(txn, ""), "")).decode()
    assert start == "POST /checkv2 HTTP/1.0\r\nContent-Length: 0\r\nFrom: <>\r\n\r\n"


@given(st.text(max_size=40))
def test_no_word_of_a_client_makes_a_line_of_its_own(word: str) -> None:
    txn = Transaction(helo_name=word, sender=word, recipients=(word,), sasl_username=word)
    start, _, body = sent(rspamd.check(MESSAGE, Envelope(txn, word), word)).partition(b"\r\n\r\n")
    assert body == MESSAGE
    for line in start.split(b"\r\n")[1:]:
        name, colon, _value = line.partition(b": ")
        assert colon
        assert name in {b"Content-Length", b"Password", b"From", b"Rcpt", b"Helo", b"User", b"MTA-Name"}
        assert not any(octet < 32 for octet in line)


def test_an_opinion_of_rspamd() -> None:
    body = {
        "is_skipped": False,
        "score": 7.25,
        "required_score": 15.0,
        "action": "add header",
        "symbols": {"LIGHT": {"score": -0.1}, "HEAVY": {"score": 6.5}, "bad name": {}, "NONE": None},
        "messages": {"smtp_message": "Try\r\nagain  later"},
        "subject": "*** SPAM *** x",
        "unknown": [],
    }
    answer = http(json.dumps(body).encode())
    assert rspamd.read(answer) == Opinion(
        7.25, 15.0, ("HEAVY", "LIGHT", "NONE"), "add header", False, "Try again later", "*** SPAM *** x"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"{}",
        b'{"score": 1, "required_score": 2}',
        b'{"score": true, "required_score": 2, "action": "reject"}',
        b'{"score": "1", "required_score": 2, "action": "reject"}',
        b'{"score": NaN, "required_score": 2, "action": "reject"}',
        b'{"score": 1e999, "required_score": 2, "action": "reject"}',
        b'{"score": 1, "action": "reject"}',
        b'{"score": 1, "required_score": 2, "action": 3}',
        b"[" * 100_000,
        b"\xff\xfe{}",
    ],
)
def test_what_is_no_opinion_is_no_answer(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        rspamd.read(http(body))


@pytest.mark.parametrize("length", [400, 10_000])
def test_huge_numbers_of_rspamd_are_no_trap(length: int) -> None:
    digits = b"9" * length
    with pytest.raises(ProtocolError):
        rspamd.read(http(b'{"score": ' + digits + b', "required_score": 2, "action": "reject"}'))


@pytest.mark.parametrize(
    ("thresholds", "needed"), [({"reject": 15, "add header": 6.5}, 6.5), ({"reject": 15}, 15.0), ([], 15.0)]
)
def test_what_is_needed_is_where_marks_begin_if_rspamd_tells(thresholds: Any, needed: float) -> None:
    body = {"score": 1, "required_score": 15, "action": "reject", "thresholds": thresholds}
    assert rspamd.read(http(json.dumps(body).encode())).needed == needed


@pytest.mark.parametrize("symbols", [[], "x", {"A": {"score": "x"}}, {"A": {"score": 1e999}}, {"A": []}])
def test_symbols_are_a_comment_and_never_a_reason_to_fail(symbols: Any) -> None:
    body = {"score": 1, "required_score": 2, "action": "reject", "symbols": symbols}
    assert rspamd.read(http(json.dumps(body).encode())).score == 1.0


def test_symbols_are_bounded() -> None:
    many: dict[str, Any] = {f"S{n}": {"score": n} for n in range(1000)}
    body = {"score": 1, "required_score": 2, "action": "reject", "symbols": many}
    found = rspamd.read(http(json.dumps(body).encode())).symbols
    assert (len(found), found[0]) == (MAX_SYMBOLS, "S999")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (http(b'{"error": "Unauthorized"}', "HTTP/1.1 403 Unauthorized"), "Unauthorized"),
        (http(b"<html>", "HTTP/1.1 502 Bad Gateway"), "502 Bad Gateway"),
        (http(b'{"error": "no message"}'), "no message"),
    ],
)
def test_an_error_of_rspamd_is_a_refusal(answer: bytes, sentence: str) -> None:
    with pytest.raises(Declined, match=sentence):
        rspamd.read(answer)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (http(b'{"success": true}'), "learned"),
        (
            http(
                b'{"error": "<undef> has been already learned as spam, ignore it"}',
                "HTTP/1.1 208 Already reported",
            ),
            "known already",
        ),
        (http(b'{"error": "x has been already learned as ham"}', "HTTP/1.1 404 x"), "known already"),
        (http(b"", "HTTP/1.1 204 No Content"), "nothing to learn"),
    ],
)
def test_answers_to_learning(answer: bytes, outcome: str) -> None:
    question = rspamd.learn(MESSAGE, "spam", "secret")
    assert sent(question).startswith(b"POST /learnspam HTTP/1.0\r\n")
    assert question.read(answer) == outcome


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"SPAMD/1.1 0 EX_OK\r\n\r\n",
        b"stream: OK\0",
        b"HTTP/1.1 2x0 OK\r\n\r\n{}",
    ],
)
def test_what_is_no_answer_of_rspamd_is_no_answer(answer: bytes) -> None:
    with pytest.raises(ProtocolError):
        rspamd.read(answer)


@pytest.mark.parametrize("length", ["-1", "1_0", "x", "", "99999999999", "1048577", "\xb2"])
def test_a_length_that_cannot_be_is_refused_at_once(length: str) -> None:
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode("latin-1")
    with pytest.raises(ProtocolError):
        head.whole(answer)


def test_a_counted_answer_is_whole_when_all_of_it_is_there() -> None:
    answer = http(b"{}")
    assert [end for end in range(len(answer) + 1) if head.whole(answer[:end])] == [len(answer)]
    assert not head.whole(b"HTTP/1.1 200 OK\r\n\r\n{}"), "without a length it ends with the connection"


# spamd


def test_spamd_is_asked_for_symbols() -> None:
    assert sent(spamd.check(MESSAGE, "ann\r\nX: y")) == (
        b"SYMBOLS SPAMC/1.5\r\nContent-length: %d\r\nUser: ann??X: y\r\n\r\n%b" % (len(MESSAGE), MESSAGE)
    )
    assert b"User" not in sent(spamd.check(MESSAGE, ""))


def test_spamd_is_taught() -> None:
    assert sent(spamd.learn(MESSAGE, "ham", "")) == (
        b"TELL SPAMC/1.5\r\nContent-length: %d\r\nMessage-class: ham\r\nSet: local\r\n\r\n%b"
        % (len(MESSAGE), MESSAGE)
    )


def spamd_answer(spam: str, body: bytes = b"A,B\r\n") -> bytes:
    return f"SPAMD/1.1 0 EX_OK\r\nContent-length: {len(body)}\r\nSpam: {spam}\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("answer", "opinion"),
    [
        (spamd_answer("True ; 15.5 / 5.0"), Opinion(15.5, 5.0, ("A", "B"))),
        (spamd_answer("False ; -1.2 / 5.0", b"\r\n"), Opinion(-1.2, 5.0)),
        (spamd_answer("Yes ; 1000 / 5", b"A, B,C\r\n"), Opinion(1000.0, 5.0, ("A", "C"))),
    ],
)
def test_opinions_of_spamd(answer: bytes, opinion: Opinion) -> None:
    assert spamd.read(answer) == opinion


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        spamd_answer("True"),
        spamd_answer("True ; nan / 5.0"),
        spamd_answer("True ; 1e9 / 5.0"),
        spamd_answer("True ; 1 / "),
        spamd_answer("Maybe ; 1 / 5"),
        b"SPAMD/1.1 0 EX_OK\r\n\r\n",
        b"SPAMD/1.1 0 EX_OK\r\nContent-length: 9\r\nSpam: True ; 1 / 5\r\n\r\nA",
        b"SPAMD/1.1 x EX_OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_what_is_no_answer_of_spamd_is_no_answer(answer: bytes) -> None:
    with pytest.raises(ProtocolError):
        spamd.read(answer)


def test_an_error_of_spamd_is_a_refusal_with_nothing_but_its_first_line() -> None:
    with pytest.raises(Declined, match="Bad header line"):
        spamd.read(b"SPAMD/1.0 76 Bad header line: x\r\n")


@pytest.mark.parametrize(
    ("question", "good"),
    [
        (clamd.ping(), b"PONG\0"),
        (rspamd.ping(), http(b"pong\r\n")),
        (spamd.ping(), b"SPAMD/1.5 0 PONG\r\n"),
    ],
)
def test_who_is_asked_whether_he_is_there_answers_in_his_own_words(
    question: Question[None], good: bytes
) -> None:
    assert question.whole(good)
    question.read(good)
    for answer in (b"PONG\0", http(b"pong\r\n"), b"SPAMD/1.5 0 PONG\r\n", b"", b"\xff" * 99):
        if answer != good:
            with pytest.raises(ProtocolError):
                question.read(answer)
