"""part - the conditions that one MIME part of a message must fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from milters.rules.files import expanded
from milters.rules.seen import SeenPart
from milters.rules.texts import heavy, matching, part_values
from tamis.conditions.logic import Predicate
from tamis.conditions.numbers import comparison
from tamis.config.schema import Texts, option
from tamis.config.units import Unfit

_MEANINGS: Mapping[str, Callable[[tuple[str, ...]], Predicate[SeenPart]]] = {
    "depth": lambda texts: comparison(lambda part: part.entity.depth, texts),
    "size": lambda texts: comparison(lambda part: part.size, texts, size=True),
    "type": matching(part_values(lambda part: str(part.entity.part.content_type).encode())),
    "charset": matching(part_values(lambda part: part.charset)),
    "encoding": matching(part_values(lambda part: part.field("content-transfer-encoding"))),
    "disposition": matching(part_values(lambda part: part.field("content-disposition"))),
    "filename": matching(lambda part: part.names),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PartWhen:
    """Every option is a condition; one that is not given holds."""

    type: Texts | None = option(
        None, 'the declared type: "text/html", "/^image\\\\//"; "" for one that is none'
    )
    charset: Texts | None = option(None, "the declared charset: texts")
    encoding: Texts | None = option(None, "the transfer encoding: texts")
    disposition: Texts | None = option(None, "attachment or inline: texts")
    filename: Texts | None = option(
        None, "the file name, in each way that a mail reader may read it: texts; as declared, see attachments"
    )
    size: Texts | None = option(None, "bytes of its content, as encoded")
    depth: Texts | None = option(None, "how many parts it is in; 0 is the message itself")

    _conditions: tuple[Predicate[SeenPart], ...] = field(init=False, repr=False, compare=False)
    _faults: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _is_heavy: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        conditions: list[Predicate[SeenPart]] = []
        faults: list[str] = []
        is_heavy = False
        for key, meaning in _MEANINGS.items():
            if texts := getattr(self, key):
                try:
                    every = expanded(texts)
                    conditions.append(meaning(every))
                    is_heavy = is_heavy or any(map(heavy, every))
                except Unfit as exc:
                    faults.append(f"{key}: {exc}")
        object.__setattr__(self, "_conditions", tuple(conditions))
        object.__setattr__(self, "_faults", tuple(faults))
        object.__setattr__(self, "_is_heavy", is_heavy)

    @property
    def is_heavy(self) -> bool:
        """See `milters.rules.texts.heavy`."""
        return self._is_heavy

    def holds(self, part: SeenPart) -> bool:
        """Whether *part* fits all."""
        for condition in self._conditions:  # noqa: SIM110 - all() makes a generator for each part
            if not condition(part):
                return False
        return True

    def problems(self) -> Iterator[str]:
        """Conditions that make no sense."""
        yield from self._faults
        if not self._conditions and not self._faults:
            yield "names no condition"
