"""Random scripts on random messages with random answers, for minutes: `make fuzz [MINUTES=10] [SEED=..]`.

Nothing but ScriptError may be raised, and no run may use more than its limits allow: time, actions, memory. What
breaks that is saved, with the seed that makes it again.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import sys
import time
import traceback
from collections.abc import Generator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lda.sieve import LANGUAGE, Context, Envelope, Place, Plan, ScriptError, compile_script, run_scripts
from lda.sieve.limits import Limits
from tamis.mail.message import Message
from tests.lda.sieve.differential import SETTINGS
from tests.lda.sieve.mutations import EXTRA, mutated
from tests.lda.sieve.random_messages import MessageWriter, real
from tests.lda.sieve.random_scripts import Writer, require
from tests.lda.sieve.smaller import tokens

LIMITS = Limits(steps=3_000_000)
CPU_S = 5.0
"""What a run with so many steps may take on a slow machine that has other things to do."""
MEMORY_BYTES = 400 << 20
"""What all runs of a process together may have used."""
BATCH_S = 5.0
PIECES = [b"\r\n", b"\0", b"\xff", b"--", b":", b"=?utf-8?q?", b"(((", b'"', b"${1}", b"*"]


@dataclass(frozen=True)
class Found:
    """What went wrong, and with what."""

    seed: int
    text: str
    script: bytes
    message: bytes

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.seed}.sieve").write_bytes(self.script)
        (folder / f"{self.seed}.eml").write_bytes(self.message)
        (folder / f"{self.seed}.txt").write_text(self.text, "utf-8", "backslashreplace")


def script_of(dice: random.Random) -> tuple[bytes, Mapping[Place, bytes]]:
    """A script by the grammar, damaged or not; or a soup of its words; or octets."""
    source, library = Writer(dice).whole()
    text = source.decode()
    if dice.random() < 0.5:
        text = text.replace(require(), require(tuple(LANGUAGE.capabilities)), 1)
    kind = dice.random()
    if kind < 0.2:
        for _ in range(dice.randint(1, 4)):
            text = mutated(text, dice)
    elif kind < 0.3:
        words = tokens(text)
        text = require(tuple(LANGUAGE.capabilities)) + " ".join(
            dice.choices(words + EXTRA, k=dice.randint(1, 40))
        )
    source = text.encode("utf-8", "surrogateescape")
    return (damaged(source, dice) if kind > 0.85 else source), library


def damaged(octets: bytes, dice: random.Random) -> bytes:
    """*octets* with some changed, doubled, or gone."""
    result = bytearray(octets)
    for _ in range(dice.randint(1, 8)):
        at = dice.randrange(len(result) + 1)
        kind = dice.randrange(4)
        if kind == 0:
            result[at : at + 1] = bytes([dice.randrange(256)])
        elif kind == 1:
            del result[at : at + dice.randint(1, 20)]
        elif kind == 2:
            result[at:at] = result[at : at + dice.randint(1, 50)] * dice.randint(1, 30)
        else:
            result[at:at] = dice.choice(PIECES)
    return bytes(result)


def drive(run: Generator[Any, Any, Plan], dice: random.Random) -> Plan:
    """Answer at random, also what makes no sense."""
    try:
        next(run)
        while True:
            run.send(dice.choice([True, False, None, "", "there", "x" * 300, ("a", "b"), b"a\0b", "\n", ()]))
    except StopIteration as stop:
        plan: Plan = stop.value
        return plan


def one(seed: int, messages: list[bytes]) -> Found | None:
    """What is wrong with the run of that seed."""
    dice = random.Random(seed)
    source, library = script_of(dice)
    message = dice.choice(messages) if dice.random() < 0.2 else MessageWriter(dice).message()
    message = damaged(message, dice) if dice.random() < 0.4 else message
    began = time.process_time()
    try:
        problem = _problem(source, library, message, dice)
    except Exception:  # that is what is looked for
        problem = traceback.format_exc()
    took = time.process_time() - began
    if not problem and took > CPU_S:
        problem = f"took {took:.1f} s"
    return Found(seed, problem, source, message) if problem else None


def _problem(source: bytes, library: Mapping[Place, bytes], message: bytes, dice: random.Random) -> str:
    try:
        script = compile_script(source, "s", library=library.get)
    except ScriptError as error:
        return (
            "" if error.errors and all(d.render() for d in error.diagnostics) else "no error in ScriptError"
        )
    limits = (
        LIMITS if dice.random() < 0.8 else replace(LIMITS, steps=dice.randint(0, 5000), decoded_bytes=100)
    )
    context = Context(now=datetime(2024, 2, 29, tzinfo=UTC), limits=limits, settings=SETTINGS)
    envelope = Envelope(sender=dice.choice(["", "a@b.example", "x"]), recipient="bob+x@example.com")
    plan = drive(run_scripts([script], Message(message), envelope, context), dice)
    if len(plan.actions) > limits.actions:
        return f"{len(plan.actions)} actions"
    if sum(action.name == "redirect" for action in plan.actions) > limits.redirects:
        return "too many redirects"
    if not (plan.implicit_keep or plan.actions):
        return "the message is lost"
    for action in plan.actions:
        changed = getattr(action, "message", None)
        if changed is not None and changed.size_bytes != len(changed.raw):
            return "a changed message has another size than its octets"
    return ""


def batch(seed: int, step: int) -> tuple[int, list[Found]]:
    """Runs from *seed* on for some seconds, in a process of its own: how many, and what was found."""
    os.nice(10)
    messages, found, count = real(), [], 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    until = time.monotonic() + BATCH_S
    while time.monotonic() < until and count < step:
        problem = one(seed + count, messages)
        count += 1
        if problem is not None:
            found.append(problem)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    if grown > MEMORY_BYTES:
        found.append(Found(seed, f"{grown >> 20} MiB of memory from seed {seed} to {seed + count}", b"", b""))
    return count, found


def main() -> int:
    """Run, print, save."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()) * 1_000_000)
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument("--to", type=Path, default=Path("build/fuzz"), help="the folder for what goes wrong")
    arguments = parser.parse_args()
    began, step = time.monotonic(), 100_000
    seed, total, failures = arguments.seed, 0, 0
    with ProcessPoolExecutor(arguments.jobs, max_tasks_per_child=20) as pool:
        while time.monotonic() - began < arguments.minutes * 60:
            futures = [pool.submit(batch, seed + n * step, step) for n in range(arguments.jobs)]
            seed += arguments.jobs * step
            for future in as_completed(futures):
                count, found = future.result()
                total += count
                failures += len(found)
                for problem in found:
                    problem.save(arguments.to)
                    print(
                        f"\r\033[Kseed {problem.seed}: {problem.text.strip().splitlines()[-1][:200]}",
                        flush=True,
                    )
            _progress((time.monotonic() - began) / (arguments.minutes * 60), total)
    print(f"\n{total} runs, {failures} of them went wrong.")
    return 1 if failures else 0


def _progress(share: float, total: int) -> None:
    if sys.stderr.isatty():
        bar = "#" * min(40, int(40 * share))
        print(f"\r[{bar:40}] {min(share, 1):4.0%}, {total} runs", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
