"""rooms - who has room for a message, as the delivery engine says: asked once for all, in bounded time.

An answer is good for seconds: long enough for the recipients and repetitions of one message, too short for a user to
notice who has just tidied up. Whatever goes wrong is an answer too, `unsure`. An engine that keeps silent is left alone
for a while, so that it does not slow down every recipient.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from policyd.engine import Engine
from tamis.errors import ProtocolError
from tamis.log import Log
from tamis.room import Answer, Question

MAX_REMEMBERED = 10_000
SILENCES = 3  # in a row
PAUSE_S = 5.0
TELL_S = 60.0

_PAUSED = Answer("4.3.0", "The delivery engine is silent")


@dataclass(frozen=True, slots=True)
class _Known:
    until_s: float
    size_bytes: int
    answer: Answer

    def covers(self, size_bytes: int) -> bool:
        """Whether a message of that size is answered too: less fits where more does, and more does not where less
        does not."""
        meaning = self.answer.meaning
        return (
            meaning == "unknown"
            or (meaning == "room" and size_bytes <= self.size_bytes)
            or (meaning == "full" and size_bytes >= self.size_bytes)
        )


class Rooms:
    """All questions to one engine. Times in seconds of the loop's clock."""

    def __init__(self, path: str, timeout_s: float, remember_s: float) -> None:
        self._engine = Engine(path)
        self._timeout_s = timeout_s
        self._remember_s = remember_s
        self._known: dict[str, _Known] = {}  # the oldest first
        self._asking: dict[Question, asyncio.Task[Answer]] = {}
        self._silences = 0
        self._paused_until_s = 0.0
        self._told_s = float("-inf")

    async def ask(self, question: Question, log: Log) -> Answer:
        """Never raises but for cancellation."""
        now_s = asyncio.get_running_loop().time()
        known = self._known.get(question.address)
        if known is not None and now_s < known.until_s and known.covers(question.size_bytes):
            return known.answer
        if now_s < self._paused_until_s:
            return _PAUSED
        task = self._asking.get(question)
        if task is None:
            task = self._asking[question] = asyncio.create_task(self._learn(question, log))
            task.add_done_callback(lambda _: self._asking.pop(question, None))
        return await asyncio.shield(task)  # others may wait for it too

    async def _learn(self, question: Question, log: Log) -> Answer:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._engine.ask(question)
            self._silences = 0
        except TimeoutError:
            self._silences += 1
            if self._silences >= SILENCES:
                self._paused_until_s = loop.time() + PAUSE_S
            answer = Answer("4.3.0", f"no answer in {self._timeout_s:g} s")
        except (OSError, ProtocolError, ValueError) as exc:
            answer = Answer("4.3.0", str(exc))
        if answer.meaning == "unsure":
            self._tell(answer, log, loop.time())
        elif self._remember_s:
            self._remember(question, answer, loop.time() + self._remember_s)
        return answer

    def _remember(self, question: Question, answer: Answer, until_s: float) -> None:
        self._known.pop(question.address, None)
        if len(self._known) >= MAX_REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[question.address] = _Known(until_s, question.size_bytes, answer)

    def _tell(self, answer: Answer, log: Log, now_s: float) -> None:
        """Not each time: it comes with every recipient."""
        if now_s - self._told_s >= TELL_S:
            self._told_s = now_s
            log.warning("quota not known", status=answer.status, error=answer.text)

    def close(self) -> None:
        """Hang up."""
        self._engine.close()
