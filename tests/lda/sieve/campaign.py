"""Many random scripts on many messages, ours against Dovecot's own engine: `make differential [N=2000] [SEED=1]`.

A line a difference; the script and the message, made as small as they get, are saved. Status 1 if there is one for
which differential.txt has no reason.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from tamis.mail.message import Message
from tamis.mail.mime import structure
from tests.lda.sieve import known
from tests.lda.sieve.differential import Case, Reference, judge
from tests.lda.sieve.mutations import mutated
from tests.lda.sieve.outcomes import Outcome, agree
from tests.lda.sieve.random_messages import MessageWriter, real
from tests.lda.sieve.random_scripts import Writer
from tests.lda.sieve.smaller import smaller_message, smaller_script

BATCH = 5
MESSAGES = 3


@dataclass(frozen=True)
class Difference:
    """One example, as small as it gets."""

    seed: int
    case: Case
    ours: Outcome
    theirs: Outcome
    reason: str

    def __str__(self) -> str:
        script = " ".join(self.case.script.decode("utf-8", "replace").split())
        rest = script.partition("] ; ")[2] or script
        return (
            f"seed {self.seed}: {self.ours.status}/{self.theirs.status}: {self.reason or 'NEW'}: {rest[:160]}"
        )

    def save(self, folder: Path) -> None:
        """Script, message, and both outcomes."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.seed}.sieve").write_bytes(self.case.script)
        (folder / f"{self.seed}.eml").write_bytes(self.case.message)
        (folder / f"{self.seed}.txt").write_text(
            f"reason: {self.reason or 'none yet'}\nours:   {self.ours}\ntheirs: {self.theirs}\n"
            f"{self.ours.note}\n{self.theirs.note}\n"
            + "".join(f"included {place}: {source!r}\n" for place, source in self.case.library.items()),
            "utf-8",
            "backslashreplace",
        )


class Judge:
    """Compares the engines. reference: Dovecot's. messages: where real ones lie, which are then the only ones."""

    def __init__(self, reference: Reference, messages: Path | None = None) -> None:
        self._reference = reference
        self._real = real() if messages is None else real(messages)
        self._invents = messages is None
        self._kinds = known.kinds()

    def cases(self, seed: int) -> Iterator[Case]:
        """One script, on a few messages; every fourth script is damaged, and then one message is enough."""
        dice = random.Random(seed)
        script, library = Writer(dice).whole()
        writer = MessageWriter(dice)
        messages = [
            writer.message() if self._invents and n < MESSAGES - 1 else dice.choice(self._real)
            for n in range(MESSAGES)
        ]
        if seed % 4 == 3:
            yield Case(mutated(script.decode(), dice).encode(), messages[-1], library)
            return
        yield from (Case(script, message, library) for message in messages if is_regular(message))

    def differences(self, seed: int) -> Iterator[Difference]:
        """What differs on the script of that seed."""
        for case in self.cases(seed):
            found = self.difference(case, seed)
            if found is not None:
                yield found
                return

    def difference(self, case: Case, seed: int = 0) -> Difference | None:
        """What differs on *case*, as small as it gets."""
        mine, theirs = judge(case), self._reference.judge(case)
        return None if agree(mine, theirs) else self._smallest(seed, case, (mine.status, theirs.status))

    def _smallest(self, seed: int, case: Case, statuses: tuple[str, str]) -> Difference:
        def fails(case: Case) -> bool:
            mine = judge(case)
            if mine.status != statuses[0]:
                return False
            theirs = self._reference.judge(case)
            return theirs.status == statuses[1] and not agree(mine, theirs)

        small = smaller_script(
            case.script.decode(), lambda script: fails(replace(case, script=script.encode()))
        )
        case = replace(case, script=small.encode())
        if case.library and fails(replace(case, library={})):
            case = replace(case, library={})
        small_message = smaller_message(
            case.message, lambda message: is_regular(message) and fails(replace(case, message=message))
        )
        case = replace(case, message=small_message)
        mine, theirs = judge(case), self._reference.judge(case)
        return Difference(seed, case, mine, theirs, self._reason(case, mine, theirs))

    def _reason(self, case: Case, mine: Outcome, theirs: Outcome) -> str:
        """Why the engines may differ on *case*, which is small, or ""."""
        script = " ".join(case.script.decode("utf-8", "replace").split())
        shown = f"{theirs.status}: {script}\n{mine.note}\n{theirs.note}\n{case.message[:4000]!r}\n{mine}\n{theirs}"
        return known.reason_for(shown, self._kinds)


def is_regular(message: bytes) -> bool:
    """Nothing but fields before the empty line, also in every part: other beginnings do not get past an MTA."""
    parsed = Message(message)
    head = message[: parsed.body_offset]
    if head == message and head.endswith(b"\n"):
        return True
    heads = [message[part.header_start : part.start] for part in structure(parsed).walk()]
    return all(head in (b"\n", b"\r\n") or head.endswith((b"\n\n", b"\n\r\n")) for head in heads)


def examine(seeds: range, messages: Path | None) -> list[Difference]:
    """The differences of these seeds; in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="tamis-sieve-") as root:
        judge_ = Judge(Reference(Path(root)), messages)
        return [difference for seed in seeds for difference in judge_.differences(seed)]


def main() -> int:
    """Run, print, save."""
    parser = argparse.ArgumentParser(prog="make differential", description=__doc__)
    parser.add_argument("-n", type=int, default=2000, help="how many scripts")
    parser.add_argument("--seed", type=int, default=1, help="the first one")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument(
        "--messages", type=Path, help="a folder with messages, one a file: no others are taken"
    )
    parser.add_argument(
        "--to", type=Path, default=Path("build/differences"), help="the folder for what differs"
    )
    arguments = parser.parse_args()
    last = arguments.seed + arguments.n
    batches = [range(start, min(start + BATCH, last)) for start in range(arguments.seed, last, BATCH)]
    counts: Counter[str] = Counter()
    done = 0
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for future in as_completed([pool.submit(examine, batch, arguments.messages) for batch in batches]):
            for difference in future.result():
                counts[difference.reason] += 1
                print(f"\r\033[K{difference}" if sys.stderr.isatty() else difference, flush=True)
                difference.save(arguments.to)
            done += 1
            _progress(done / len(batches), counts)
    print(file=sys.stderr)
    for reason, count in counts.most_common():
        print(f"{count:5} {reason or 'NEW'}")
    print(f"{arguments.n} scripts, {counts.total()} differ, {counts['']} of them without a reason.")
    return 1 if counts[""] else 0


def _progress(share: float, counts: Counter[str]) -> None:
    if sys.stderr.isatty():
        bar = "#" * int(40 * share)
        print(f"\r[{bar:40}] {share:4.0%}, {counts.total()} differ", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
