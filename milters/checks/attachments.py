"""attachments - what may be attached: by name, by real type, inside archives, with a password, with macros.

    [milter.checks.attachments]

    [[milter.checks.attachments.rule]]
    name = "locked"
    encrypted = true
    action = "hold"

Rules are tried in their order for each file, attached or in an archive; the first that holds counts for that file, and
the strictest of all files for the message. Behind them stands the bundled list of what a desktop runs (`dangerous`).
Files are opened in a process of their own (`milters.attachments.pool`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from milters.answers import answer, problems, values_of
from milters.attachments import uuencoded
from milters.attachments.inspect import Attachment, Report
from milters.attachments.limits import Limits
from milters.attachments.names import names_of
from milters.attachments.pool import CRASH, Pool
from milters.attachments.real_type import library
from milters.attachments.rules import MAX_RULES, PLACEHOLDERS, Rule, bundled
from tamis.check import Services
from tamis.config.schema import option
from tamis.mail.message import Message
from tamis.mail.mime import Part
from tamis.mail.view import MAX_TEXT_BYTES
from tamis.transaction import Stage, Transaction
from tamis.verdict import PASS, Verdict, strictest

_LIMITS = {
    "depth": "archives are nested too deep in it",
    "files": "too many files are in it",
    "unpacked": "it is too large when unpacked",
    "ratio": "it grows too much when unpacked",
    "seconds": "that takes too long",
    "memory": "that takes too much memory",
    "parts": "the message has too many parts",
    CRASH: "it is malformed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachments:
    """Its fields are its options: ``[milter.checks.attachments]``."""

    rule: tuple[Rule, ...] = option((), "the rules in their order")
    dangerous: str = option(
        "reject",
        "programs, scripts, disk images and deceptive names, if no rule says otherwise; see action of a rule",
    )
    on_limit: str = option("reject", "what cannot be inspected within the limits; see action of a rule")
    on_damaged: str = option(
        "tag damaged", "an archive or document that is not as its format wants it; see action of a rule"
    )
    processes: int = option(1, "that look into files, for each worker of the milter", at_least=1, at_most=64)
    limits: Limits = option(Limits(), "how far to look")

    name: ClassVar[str] = "attachments"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.END_OF_MESSAGE})
    _pool: Pool = field(init=False, repr=False, compare=False)
    _rules: tuple[Rule, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pool", Pool(self.processes))
        added = () if answer(self.dangerous).silent else bundled(self.dangerous)
        object.__setattr__(self, "_rules", (*self.rule, *added))

    def problems(self) -> Iterator[str]:
        """What is wrong among the rules, and a library that a rule needs and that is not there."""
        if len(self.rule) > MAX_RULES:
            yield f"rule: at most {MAX_RULES} rules"
        if not self._rules:
            yield "dangerous: says nothing, and there is no rule: the check does nothing"
        for key in ("dangerous", "on_limit", "on_damaged"):
            yield from problems(key, getattr(self, key), PLACEHOLDERS)
        wants = next((n for n, rule in enumerate(self.rule) if rule.needs_type), None)
        if wants is not None:
            try:
                library()
            except ImportError as exc:
                yield f"rule[{wants}].{'types' if self.rule[wants].types else 'disguised'}: {exc}"

    async def run(self, txn: Transaction, services: Services) -> Verdict:
        """What the rules come to. Raises TempFail where nothing can be inspected."""
        message = txn.message
        attachments = _attachments(message) if message else ()
        if message is None or not (attachments or not message.view.whole):
            return PASS
        if message.view.whole:
            report = await self._pool.inspect(message.raw, (attachments, self._rules, self.limits))
        else:
            report = Report(limit="parts")
        if report.limit:
            services.log.warning(
                "attachments not inspected", limit=report.limit, file=report.at, queue_id=txn.queue_id
            )
        return self._verdict(report, values_of(txn))

    async def close(self) -> None:
        """See `Closing`. Messages in flight are looked at all the same."""
        self._pool.close()

    def _verdict(self, report: Report, values: dict[str, str]) -> Verdict:
        """Of all that was found."""
        verdicts = [
            self._rules[n].answer.verdict({**values, "name": path}, self._rules[n].name)
            for n, path in report.held.items()
            if 0 <= n < len(self._rules)
        ]
        if report.limit:
            sentence = f"Attachment {{name}} cannot be inspected: {_LIMITS.get(report.limit, _LIMITS[CRASH])}"
            said = answer(self.on_limit, sentence=sentence)
            verdicts.append(
                said.verdict({**values, "name": report.at or "of this message"}, f"limit:{report.limit}")
            )
        if report.damaged:
            said = answer(self.on_damaged, sentence="Attachment {name} is damaged")
            verdicts.append(said.verdict({**values, "name": report.damaged}, "damaged"))
        return strictest(verdicts)


def _attachments(message: Message) -> tuple[Attachment, ...]:
    """Parts that are more than a text to read."""
    found = []
    for entity in message.view.entities:
        if entity.is_leaf:
            names = names_of(entity.part)
            if names or entity.part.content_type.main != "text" or _has_uuencoded(message, entity.part):
                found.append(Attachment(entity.part, names))
    return tuple(found)


def _has_uuencoded(message: Message, part: Part) -> bool:
    content = message.view.content(part, MAX_TEXT_BYTES) if part.content_type.sub == "plain" else None
    return content is not None and uuencoded.may_be(content)
