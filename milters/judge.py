"""judge - the answers to an MTA's questions about a session: the pipeline asked, its decision put into an answer.

Both transports ask it. It never raises: a failure is a verdict, and a defect of ours defers the message.
"""

from __future__ import annotations

import time

from milters.build import Program
from milters.quarantine import mark
from milters.session import CONTINUE, Answer, Session, answer
from tamis import metrics
from tamis.errors import TempFail
from tamis.log import Log
from tamis.mail.message import Memory
from tamis.outcome import from_exception
from tamis.pipeline import Decision
from tamis.transaction import Stage, Transaction
from tamis.verdict import Kind, RemoveHeader, passed

MEMORY_BYTES = 8 << 20  # of messages that are being received or judged; more go to disk

_ACTIONS = {"CONTINUE": "accept", "TEMPFAIL": "defer", "REJECT": "reject", "DISCARD": "discard"}


class Judge:
    """Of one process. It is asked by one event loop. memory: for the messages of all sessions."""

    def __init__(self, program: Program, log: Log) -> None:
        self.memory = Memory(MEMORY_BYTES)
        self._program = program
        self._log = log

    @property
    def deadline_s(self) -> float:
        """How long a question may take."""
        return self._program.pipeline.deadline_s

    def asks(self, stage: Stage) -> bool:
        """Whether a check is asked at *stage*."""
        return self._program.pipeline.asks(stage)

    async def judge(self, stage: Stage, session: Session, recipient: str = "") -> Answer:
        """The answer of the checks before there is a message."""
        try:
            said = answer(await self._program.pipeline.run(stage, session.transaction(recipient=recipient)))
        except Exception as exc:  # the MTA gets an answer whatever happens
            said = self.failed(stage.value, exc, session)
        if recipient and said.code:
            session.refused()
        return said

    async def end(self, session: Session) -> Answer:
        """The answer at the end of the message, which `Session.reset` is to follow.

        What could not be taken in is answered for that, unjudged."""
        started, size_bytes = time.monotonic(), 0
        said = CONTINUE
        try:
            if not session.whole and self.asks(Stage.END_OF_MESSAGE):  # a reload has brought it meanwhile
                session.failure = TempFail("4.3.0", "New checks have come meanwhile, try again later")
            if session.failure is not None:
                said = answer(Decision(from_exception(session.failure)))
            else:
                message = session.finish() if session.whole else None
                size_bytes = message.size_bytes if message else 0
                txn = session.transaction(message=message)
                said = await self._judged(txn)
        except Exception as exc:  # see judge
            said = self.failed("end of message", exc, session)
        action = "hold" if said.quarantine or said.kept else _ACTIONS[said.action]
        metrics.observe_milter_message(action, time.monotonic() - started, size_bytes)
        return said

    async def _judged(self, txn: Transaction) -> Answer:
        """What an admin has released is not judged again; what is held goes where the configuration says."""
        keeper = self._program.keeper
        if await keeper.released(txn):
            return answer(Decision(passed(RemoveHeader(mark.NAME, 1))))
        decision = await self._program.pipeline.run(Stage.END_OF_MESSAGE, txn)
        if not keeper.keeps or txn.message is None or decision.verdict.kind is not Kind.HOLD:
            return answer(decision)
        try:
            return Answer("DISCARD", kept=await keeper.keep(txn, txn.message, decision))
        except TempFail as exc:
            return answer(Decision(from_exception(exc)))

    def failed(self, step: str, exc: BaseException, session: Session) -> Answer:
        """A question that could not be answered."""
        self.defect(step, exc, session)
        return answer(Decision(from_exception(exc)))

    def aborted(self) -> None:
        """A message ended before its end."""
        metrics.count_milter_aborted()

    def defect(self, step: str, exc: BaseException, session: Session) -> None:
        """A step failed."""
        metrics.count_milter_error()
        self._log.exception("milter step failed", exc, step=step, queue_id=session.queue_id)
