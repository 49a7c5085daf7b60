"""wire - a delivery and its outcome as JSON, between a worker that talks to peers and a child that becomes the user.

The child is root while it reads this, and what the worker says may be what a peer made it say: data of known types,
never code. Pure.
"""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from lda.envelope import Envelope
from lda.execute import Done
from lda.local import Job
from lda.sieve.terms import Terms
from lda.users import User
from tamis.errors import PermFail, StatusError, TempFail
from tamis.mail.message import Message
from tamis.verdict import Kind, Verdict

_OPEN = {"create", "subscribe"}  # what the caller may leave to the configuration


def encode_job(job: Job) -> bytes:
    """Everything but the message."""
    terms = job.envelope.terms
    told = {field.name: getattr(job.envelope, field.name) for field in dataclasses.fields(Envelope)}
    told["terms"] = {field.name: getattr(terms, field.name) for field in dataclasses.fields(Terms)}
    if terms.deadline is not None:
        told["terms"]["deadline"] = terms.deadline.isoformat()
    account = _account(job.user)
    return json.dumps({"user": account, "envelope": told, "forward_sender": job.forward_sender}).encode()


def encode_user(user: User) -> bytes:
    """An account alone."""
    return json.dumps(_account(user)).encode()


def decode_user(raw: bytes) -> User:
    """What `encode_user` wrote. Raises as `decode_job` does."""
    return _user(json.loads(raw))


def _account(user: User) -> dict[str, Any]:
    fields = {"name": user.name, "home": str(user.home), "uid": user.uid, "gid": user.gid, "mail": user.mail}
    return {**fields, "fields": dict(user.fields)}


def decode_job(raw: bytes, message: Message) -> Job:
    """Raises ValueError, TypeError, KeyError for what `encode_job` cannot have written, and for root's mail."""
    told = json.loads(raw)
    user = _user(told["user"])
    sender = told["forward_sender"]
    if not isinstance(sender, str | None):
        raise TypeError("forward_sender is no text")
    return Job(user=user, envelope=_envelope(told["envelope"]), message=message, forward_sender=sender)


def _user(told: dict[str, Any]) -> User:
    uid, gid = told["uid"], told["gid"]
    home, fields = _text(told["home"]), told["fields"]
    if type(uid) is not int or type(gid) is not int or uid <= 0 or gid <= 0:
        raise ValueError("mail is delivered to root by nobody")
    if not home.startswith("/") or not isinstance(fields, dict):
        raise ValueError("not a user")
    return User(
        name=_text(told["name"]),
        home=Path(home),
        uid=uid,
        gid=gid,
        mail=_text(told["mail"]),
        fields={_text(name): _text(value) for name, value in fields.items()},
    )


def _envelope(told: dict[str, Any]) -> Envelope:
    terms = dict(told["terms"])
    deadline = terms.pop("deadline")
    notify = tuple(map(_text, terms.pop("notify")))
    by_trace = terms.pop("by_trace") is True
    texts = {name: _text(value) for name, value in terms.items()}
    asked = Terms(
        **texts,  # type: ignore[arg-type]  # by_mode is one of three words, or of no consequence
        notify=notify,
        by_trace=by_trace,
        deadline=None if deadline is None else datetime.fromisoformat(_text(deadline)),
    )
    plain = {name: value for name, value in told.items() if name != "terms"}
    if not all(
        isinstance(value, str | bool) or (value is None and name in _OPEN) for name, value in plain.items()
    ):
        raise TypeError("not an envelope")
    return Envelope(**plain, terms=asked)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def encode_done(done: Done) -> bytes:
    """What happened."""
    verdict = done.verdict
    return json.dumps(
        {
            "verdict": [verdict.kind.value, verdict.status, verdict.text, verdict.reason],
            "actions": done.actions,
            "notes": done.notes,
            "sieve": [done.sieve, done.sieve_s],
        }
    ).encode()


def encode_failure(failure: TempFail, why: str) -> bytes:
    """Nothing has been delivered. why: for the log."""
    return json.dumps({"fail": [failure.status, failure.text], "why": why}).encode()


def decode_done(raw: bytes) -> Done:
    """What the child says. Raises TempFail, with the child's reason as its cause; ValueError, TypeError, KeyError."""
    answer = _succeeded(raw)
    kind, status, text, reason = map(str, answer["verdict"])
    verdict = Verdict(Kind(kind), status, text, reason)
    actions, notes = (list(map(str, answer[name])) for name in ("actions", "notes"))
    sieve, sieve_s = answer["sieve"]
    return Done(verdict, actions, notes, str(sieve), float(sieve_s))


def encode_room(refusal: StatusError | None) -> bytes:
    """Whether there is room: None, or why not."""
    return json.dumps({"room": [refusal.status, refusal.text] if refusal else []}).encode()


def decode_room(raw: bytes) -> None:
    """What the child says. Raises PermFail, TempFail, and as `decode_done` does."""
    if refusal := _succeeded(raw)["room"]:
        status, text = map(str, refusal)
        raise (PermFail if status.startswith("5") else TempFail)(status, text)


def _succeeded(raw: bytes) -> dict[str, Any]:
    """The answer of a child that did its work. Raises TempFail."""
    answer: dict[str, Any] = json.loads(raw)
    if "fail" in answer:
        status, text = map(str, answer["fail"])
        raise TempFail(status, text) from RuntimeError(str(answer["why"]))
    return answer
