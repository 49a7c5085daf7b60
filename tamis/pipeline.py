"""pipeline - runs the checks of a stage and writes down what came of it.

Order is the configuration's. The first verdict that is neither PASS nor HOLD ends the stage, and so does a final
PASS; edits of passes and holds add up. A held message is still asked about: what refuses it counts for more. The
stage has one deadline for all its checks, and each may have one of its own. A check in shadow mode runs, is counted
and is journalled, and its verdict is not obeyed. What a failing check means is its `on_error`. Log line, metrics and
journal of decisions are written here and nowhere else.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, replace
from time import monotonic
from types import TracebackType
from typing import Any

from tamis import metrics
from tamis.check import Services
from tamis.errors import PermFail, TempFail
from tamis.journal import Journal
from tamis.log import Log
from tamis.outcome import from_exception
from tamis.registry import Configured
from tamis.transaction import Stage, Transaction
from tamis.verdict import PASS, Edit, Kind, Verdict

# What the journal keeps of a policy request beside the fields of `Pipeline._record`, by Postfix's names and only what
# is known: enough to judge it again (`tamis policy replay`). Not kept is what our own Postfix says of itself.
REQUEST_FIELDS = (
    "client_name",
    "reverse_client_name",
    "client_port",
    "helo_name",
    "protocol_name",
    "recipient_count",
    "size",
    "sasl_method",
    "sasl_sender",
    "policy_context",
    "etrn_domain",
    "stress",
    "server_address",
    "server_port",
    "encryption_protocol",
    "encryption_cipher",
    "encryption_keysize",
    "ccert_subject",
    "ccert_issuer",
    "ccert_fingerprint",
    "ccert_pubkey_fingerprint",
)


@dataclass(frozen=True, slots=True)
class Result:
    """What one check said. *error*: the verdict stands for a failure. *obeyed*: false in shadow mode and for
    an error with on_error = "pass"."""

    label: str
    verdict: Verdict
    obeyed: bool = True
    error: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What the stage decided, and each check's part in it, in order."""

    verdict: Verdict
    results: tuple[Result, ...] = ()

    @property
    def label(self) -> str:
        """The check that decided; "" where all passed."""
        kind = self.verdict.kind
        if kind is Kind.PASS:
            return ""
        return next(r.label for r in self.results if r.obeyed and r.verdict.kind is kind)


class Deadline:
    """Ends what a task does in ``with`` when the time is up, as `asyncio.timeout` does, but with one timer for all the
    blocks of a stage, and what comes after the first that was ended has no time either."""

    __slots__ = ("_cancelling", "_expired", "_loop", "_task", "_timer")

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.Handle = self._loop.call_later(seconds, self._expire)
        task = asyncio.current_task(self._loop)
        assert task is not None
        self._task = task
        self._cancelling = 0
        self._expired = False

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()

    def __enter__(self) -> None:
        self._cancelling = self._task.cancelling()

    def __exit__(self, kind: type[BaseException] | None, exc: object, trace: TracebackType | None) -> None:
        """Raises TimeoutError, unless it is somebody else who cancels the task."""
        if self._expired:
            self._expired = False
            self._timer = self._loop.call_soon(self._expire)
            if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
                raise TimeoutError

    def close(self) -> None:
        """The stage has ended."""
        self._timer.cancel()


class Pipeline:
    """The configured checks of one program."""

    def __init__(
        self,
        program: str,
        checks: Iterable[Configured],
        services: Services,
        log: Log,
        journal: Journal,
        deadline_s: float,
    ) -> None:
        self.program = program
        self.services = services
        self.log = log
        self.journal = journal
        self.deadline_s = deadline_s
        active = [c for c in checks if c.mode != "off"]
        self._of_stage = {s: tuple(c for c in active if s in c.check.stages) for s in Stage}
        for configured in active:
            metrics.declare_check(program, configured.label)

    def asks(self, stage: Stage) -> bool:
        """Whether any check wants *stage*."""
        return bool(self._of_stage[stage])

    async def run(self, stage: Stage, txn: Transaction) -> Decision:
        """Judge *txn* at *stage*. Never raises but for cancellation: a failure is a verdict."""
        checks = self._of_stage[stage]
        started = monotonic()
        decision = await self._judge(checks, txn) if checks else Decision(PASS)
        self._record(stage, txn, decision, monotonic() - started)
        return decision

    async def _judge(self, checks: tuple[Configured, ...], txn: Transaction) -> Decision:
        results: list[Result] = []
        edits: list[Edit] = []
        held: Verdict | None = None
        deadline = Deadline(self.deadline_s)
        try:
            for configured in checks:
                result = await self._run_one(configured, txn, deadline)
                results.append(result)
                if not result.obeyed:
                    continue
                txn.findings.add(configured.label, result.verdict)
                if result.verdict.kind is Kind.HOLD:
                    held = held or result.verdict
                elif result.verdict.kind is not Kind.PASS:
                    return Decision(result.verdict, tuple(results))
                edits += result.verdict.edits
                if result.verdict.final:
                    break
        finally:
            deadline.close()
        if held is not None:
            return Decision(replace(held, edits=tuple(edits)), tuple(results))
        return Decision(Verdict(Kind.PASS, edits=tuple(edits)) if edits else PASS, tuple(results))

    async def _run_one(self, configured: Configured, txn: Transaction, deadline: Deadline) -> Result:
        obeyed = configured.mode == "enforce"
        try:
            with deadline:
                asked = configured.check.run(txn, self.services)
                if configured.deadline_s < math.inf:
                    asked = _within(configured.deadline_s, asked)
                verdict = _proper(await asked)
        except PermFail as exc:
            return Result(configured.label, from_exception(exc), obeyed)
        except Exception as exc:  # whatever a check does wrong, the mail gets an answer
            if not isinstance(exc, TempFail | TimeoutError):
                self.log.exception("check failed", exc, check=configured.label, queue_id=txn.queue_id)
            return Result(
                configured.label, from_exception(exc), obeyed and configured.on_error == "defer", error=True
            )
        return Result(configured.label, verdict, obeyed)

    def _record(self, stage: Stage, txn: Transaction, decision: Decision, took_s: float) -> None:
        stage_name, kind = stage.value, decision.verdict.kind.value
        metrics.observe_stage(self.program, stage_name, kind, took_s)
        for result in decision.results:
            metrics.count_check(
                self.program, result.label, result.verdict.kind.value, result.obeyed, result.error
            )
        fields = {
            "stage": stage_name,
            "queue_id": txn.queue_id,
            "instance": txn.instance,
            "message_id": txn.message_id,
            "client_address": txn.client_address,
            "sasl_username": txn.sasl_username,
            "sender": txn.sender,
            "recipient": txn.recipient,
            "verdict": kind,
            "check": decision.label,
            "status": decision.verdict.status,
            "reason": decision.verdict.reason,
        }
        self.log.info("decision", **fields)
        request = _request(txn.attributes) if txn.attributes else {}
        checks = [_brief(r) for r in decision.results]
        self.journal.append(
            self.program, {**fields, "text": decision.verdict.text, "checks": checks, **request}
        )


async def _within(seconds: float, asked: Coroutine[Any, Any, Verdict]) -> Verdict:
    async with asyncio.timeout(seconds):
        return await asked


def _proper(verdict: object) -> Verdict:
    """What a check returned. Raises TypeError: a plugin may be written without types."""
    if not isinstance(verdict, Verdict):
        raise TypeError(f"a check returns a Verdict, not {type(verdict).__name__}")
    return verdict


def _request(attributes: Mapping[str, str]) -> dict[str, str]:
    """What is known of `REQUEST_FIELDS`; a number 0 means that it is not."""
    get = attributes.get
    return {name: value for name in REQUEST_FIELDS if (value := get(name)) and value != "0"}


def _brief(result: Result) -> str:
    """``label=kind`` with the reason, and a mark where it was not obeyed: one word of the journal."""
    reason = f":{result.verdict.reason}" if result.verdict.reason else ""
    mark = "" if result.obeyed else "(error)" if result.error else "(shadow)"
    return f"{result.label}={result.verdict.kind.value}{reason}{mark}"
