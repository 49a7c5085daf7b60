"""script_cache - compiled scripts by their content: an edited script is another one, and a thousand users with one
script share it. What is kept is bounded in bytes, the longest unused goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from lda import sieve

MAX_BYTES = 128 << 20
COMPILED_BYTES = 150
"""How much memory a compiled script takes for a byte of its source, at most (measured: 16 to 140, rules 40)."""
_OVERHEAD_BYTES = 4096

_Sources = frozenset[tuple[sieve.Place, bytes | None]]


@dataclass(frozen=True, slots=True)
class Languages:
    """What may be required: by the script itself, by users' scripts that it includes, and by the site's."""

    own: sieve.Language
    personal: sieve.Language
    shared: sieve.Language


@dataclass(frozen=True, slots=True)
class _Key:
    """All that the result depends on."""

    source: bytes
    name: str
    limits: sieve.Limits
    languages: Languages
    included: _Sources


@dataclass(frozen=True, slots=True)
class _Compiled:
    """wanted: scripts that it includes besides those given; then the result is of no use yet."""

    result: sieve.Script | sieve.ScriptError
    wanted: tuple[sieve.Place, ...]
    cost_bytes: int


class ScriptCache:
    """Shared by the threads of a program."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[_Key, _Compiled] = OrderedDict()
        self._lock = Lock()

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._kept)

    def compiled(
        self,
        source: bytes,
        name: str,
        limits: sieve.Limits,
        languages: Languages,
        read: Callable[[sieve.Place], bytes | None],
    ) -> sieve.Script:
        """*source* with what it includes, which *read* reads anew each time. Raises ScriptError and what *read*
        raises."""
        included: _Sources = frozenset()
        while True:
            found = self._get(_Key(source, name, limits, languages, included))
            if not found.wanted:
                break
            included |= {(place, read(place)) for place in found.wanted}
        if isinstance(found.result, sieve.ScriptError):
            raise sieve.ScriptError(found.result.diagnostics)  # a new one: each collects its traceback
        return found.result

    def _get(self, key: _Key) -> _Compiled:
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        found = _compile(key)  # two threads may do the same work; one result stays
        with self._lock:
            if key not in self._kept and found.cost_bytes <= self._max_bytes // 4:
                self._kept[key] = found
                self._bytes += found.cost_bytes
                while self._bytes > self._max_bytes:
                    _, gone = self._kept.popitem(last=False)
                    self._bytes -= gone.cost_bytes
        return found


def _compile(key: _Key) -> _Compiled:
    sources = dict(key.included)
    wanted: dict[sieve.Place, None] = {}

    def library(place: sieve.Place) -> bytes | None:
        if place in sources:
            return sources[place]
        wanted[place] = None
        return b""

    result: sieve.Script | sieve.ScriptError
    try:
        result = sieve.compile_script(
            key.source,
            key.name,
            limits=key.limits,
            language=key.languages.own,
            library=library,
            languages={"personal": key.languages.personal, "global": key.languages.shared},
        )
    except sieve.ScriptError as exc:
        result = exc.with_traceback(None)  # it would hold what the compiler held
    size = len(key.source) + sum(len(source or b"") for _, source in key.included)
    return _Compiled(result, tuple(wanted), size * COMPILED_BYTES + _OVERHEAD_BYTES)
