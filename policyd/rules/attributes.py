"""attributes - what conditions can look at, by the names of the policy protocol (SMTPD_POLICY_README), and how each is
read."""

from __future__ import annotations

import re
from collections.abc import Callable

from policyd.request import number
from policyd.rules.seen import Get, Seen
from policyd.rules.texts import (
    Predicate,
    Subject,
    address_of,
    condition,
    mailbox_of,
    name_of,
    text_of,
)
from policyd.rules.times import Test, day, moment, time_of_day, weekday
from policyd.tables.lines import BadLine
from policyd.tables.source import Source
from tamis.conditions.logic import both, sides
from tamis.conditions.marks import tagged
from tamis.conditions.numbers import comparison
from tamis.transaction import Stage

Number = Callable[[Seen], float]
Meaning = Callable[[tuple[str, ...], list[Source]], Predicate]
"""Texts of a condition to what they mean; files are appended to the list. Raises BadLine."""

PASSED = "pass"
_PLACES = {"country": re.compile(r"[A-Za-z]{2}|unknown"), "asn": re.compile(r"AS[0-9]{1,10}")}
_EXAMPLES = {"country": "FR, or unknown", "asn": "AS64500"}
STAGES: dict[str, Stage] = {stage.value.lower().replace("-", "_"): stage for stage in Stage}


def attribute(name: str) -> Get:
    """Any attribute that the transaction has no field for."""
    return lambda txn: txn.attributes.get(name, "")


SUBJECTS: dict[str, Subject] = {
    "client_address": address_of(lambda txn: txn.client_address),
    "client_name": name_of(lambda txn: txn.client_name),
    "reverse_client_name": name_of(lambda txn: txn.reverse_client_name),
    "helo_name": name_of(lambda txn: txn.helo_name),
    "sender": mailbox_of(lambda txn: txn.sender or "<>"),
    "recipient": mailbox_of(lambda txn: txn.recipient),
    "sasl_username": mailbox_of(lambda txn: txn.sasl_username),
    "sasl_sender": mailbox_of(attribute("sasl_sender")),
    "sasl_method": text_of(lambda txn: txn.sasl_method),
    "server_address": address_of(attribute("server_address")),
    "etrn_domain": name_of(attribute("etrn_domain")),
    "protocol_name": text_of(lambda txn: txn.protocol_name),
    "queue_id": text_of(lambda txn: txn.queue_id),
    "policy_context": text_of(lambda txn: txn.policy_context),
    "stress": text_of(attribute("stress")),
    "encryption_protocol": text_of(attribute("encryption_protocol")),
    "encryption_cipher": text_of(attribute("encryption_cipher")),
    "ccert_subject": text_of(attribute("ccert_subject")),
    "ccert_issuer": text_of(attribute("ccert_issuer")),
    "ccert_fingerprint": text_of(attribute("ccert_fingerprint")),
    "ccert_pubkey_fingerprint": text_of(attribute("ccert_pubkey_fingerprint")),
}
NUMBERS: dict[str, Number] = {
    "size": lambda seen: seen.txn.size_bytes,
    "recipient_count": lambda seen: seen.txn.recipient_count,
    "encryption_keysize": lambda seen: number(seen.txn.attributes.get("encryption_keysize", "")),
    "client_port": lambda seen: number(seen.txn.attributes.get("client_port", "")),
    "server_port": lambda seen: number(seen.txn.attributes.get("server_port", "")),
    "score": lambda seen: seen.score,
}
TIMES: dict[str, Callable[[str], Test]] = {"time": time_of_day, "weekday": weekday, "date": day}

# What Postfix does not know at a stage; there only "" would fit, or everything that has a "!".
UNKNOWN_AT: dict[str, frozenset[Stage]] = {
    "helo_name": frozenset({Stage.CONNECT}),
    "sender": frozenset({Stage.CONNECT, Stage.HELO, Stage.VRFY, Stage.ETRN}),
    "recipient": frozenset({Stage.CONNECT, Stage.HELO, Stage.MAIL, Stage.ETRN}),
    "size": frozenset({Stage.CONNECT, Stage.HELO, Stage.VRFY, Stage.ETRN}),
    "recipient_count": frozenset(Stage) - {Stage.DATA, Stage.END_OF_MESSAGE},
    "etrn_domain": frozenset(Stage) - {Stage.ETRN},
}


def result(label: str, texts: tuple[str, ...]) -> Predicate:
    """What the check *label* found: its reason. Where it was not asked nothing fits, not even with ``!``: a check that
    is switched off must not make a rule hold. Raises BadLine."""
    fits = condition(text_of(lambda txn: txn.findings.results[label][1] or PASSED), texts, [])

    def holds(seen: Seen) -> bool:
        return label in seen.txn.findings.results and fits(seen)

    return holds


def _number(name: str, get: Number) -> Meaning:
    return lambda texts, _: comparison(get, texts, size=name == "size")


def _moment(read: Callable[[str], Test]) -> Meaning:
    return lambda texts, _: moment(read, texts)


def _text(name: str, subject: Subject) -> Meaning:
    def meaning(texts: tuple[str, ...], sources: list[Source]) -> Predicate:
        if name == "sender" and ("" in texts or "!" in texts):
            raise BadLine('the null sender is "<>"')
        return condition(subject, texts, sources)

    return meaning


def _place(name: str) -> Meaning:
    """Where the client is: `policyd.keys`, which says unknown and AS0 for an address that no file knows."""

    def meaning(texts: tuple[str, ...], _: list[Source]) -> Predicate:
        for text in texts:
            if not _PLACES[name].fullmatch(text.removeprefix("!")):
                raise BadLine(f"{text!r} is no {name}, such as {_EXAMPLES[name]}")
        wanted, barred = (frozenset(text.lower() for text in side) for side in sides(texts))
        return both(
            (lambda seen: seen.places[name](seen.txn).lower() in wanted) if wanted else None,
            (lambda seen: seen.places[name](seen.txn).lower() in barred) if barred else None,
        )

    return meaning


# Cheap ones first, for they are tried in this order.
MEANINGS: dict[str, Meaning] = {
    **{name: _number(name, get) for name, get in NUMBERS.items()},
    "tag": lambda texts, _: tagged(texts),
    **{name: _text(name, subject) for name, subject in SUBJECTS.items()},
    **{name: _moment(read) for name, read in TIMES.items()},
    **{name: _place(name) for name in _PLACES},
}
