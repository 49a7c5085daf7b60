"""apply_report - what `tamis sieve apply` says: a table of counts, a line for each message, or JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lda.sift.fate import Fate
    from lda.sift.sift import Order
    from lda.sift.tally import Detail, Tally

Json = dict[str, Any]


def encoded(record: Json) -> str:
    """*record* as JSON."""
    return json.dumps(record)


def table(name: str, order: Order, tally: Tally) -> Iterator[str]:
    """The counts for people."""
    rows = list(_rows(name, order, tally))
    width = max((len(label) for label, _, _ in rows), default=0)
    for label, count, remark in rows:
        yield f"{label:<{width}}  {count:>7,}{'  ' + remark if remark else ''}"
    for error in tally.errors:
        yield f"left alone: {_safe(error)}"
    if tally.failed > len(tally.errors):
        yield f"left alone: {tally.failed - len(tally.errors)} more"
    messages = "1 message" if tally.messages == 1 else f"{tally.messages:,} messages"
    end = "" if order.run else "; nothing was changed (--run does it)"
    yield f"{messages}{', interrupted' if tally.interrupted else ''}{end}"


def _rows(name: str, order: Order, tally: Tally) -> Iterator[tuple[str, int, str]]:
    stays = []
    if tally.reflagged:
        stays.append(f"{tally.reflagged:,} with other flags")
    if tally.edited:
        stays.append(f"{tally.edited:,} changed by the script")
    yield f"stays in {_safe(name)}", tally.stays, ", ".join(stays)
    for mailbox, count in sorted(tally.moved.items()):
        yield f"-> {_safe(mailbox)}", count, ""
    for mailbox, count in sorted(tally.copied.items()):
        yield f"copy -> {_safe(mailbox)}", count, ""
    if tally.discarded:
        yield f"discarded {_discarding(order)}", tally.discarded, ""
    for mailbox, count in sorted(tally.missing.items()):
        yield f"stays: no {_safe(mailbox)}", count, "(--create makes it)"
    for action, count in sorted(tally.undone.items()):
        yield f"not done: {action}", count, ""
    if tally.vanished:
        yield "vanished meanwhile", tally.vanished, ""


def _discarding(order: Order) -> str:
    if order.discarding.into:
        return f"-> {_safe(order.discarding.into)}"
    return "and deleted" if order.discarding.delete else "and stays"


def record(args: argparse.Namespace, order: Order, tally: Tally, details: list[Json]) -> Json:
    """The counts for programs: what docs/sieve-tools.md promises."""
    found: Json = {
        "script": str(args.script),
        "mailbox": args.mailbox,
        "run": order.run,
        "messages": tally.messages,
        "stays": tally.stays,
        "reflagged": tally.reflagged,
        "edited": tally.edited,
        "moved": dict(tally.moved),
        "copied": dict(tally.copied),
        "discarded": tally.discarded,
        "discard": "move" if order.discarding.into else "delete" if order.discarding.delete else "keep",
        "missing": dict(tally.missing),
        "not_done": dict(tally.undone),
        "vanished": tally.vanished,
        "failed": tally.failed,
        "errors": tally.errors,
        "interrupted": tally.interrupted,
    }
    if args.verbose:
        found["details"] = details
    return found


def teller(
    order: Order, details: list[Json] | None, hide: Callable[[], object]
) -> Callable[[Detail], object]:
    """What hears about each message: it prints a line, or adds to *details*. hide: takes the progress bar away."""

    def told(detail: Detail) -> None:
        if details is not None:
            details.append(_detail(detail))
            return
        hide()
        what = "; ".join(_words(detail.fate, order))
        print(f"{detail.sender}: {detail.subject}\n    {what}")

    return told


def _words(fate: Fate, order: Order) -> Iterator[str]:
    if fate.error is not None:
        yield f"left alone: {fate.error}"
        return
    if fate.missing:
        yield f"stays: no {', '.join(map(_safe, fate.missing))}"
        return
    if fate.discarded:
        yield f"discarded {_discarding(order)}"
    elif fate.stays:
        yield f"stays{_flags(fate.flags)}"
    for target in () if fate.discarded else fate.copies:
        yield f"{'copy ' if fate.stays else ''}-> {_safe(target.mailbox)}{_flags(target.flags)}"
    yield from (f"not done: {action}" for action in fate.undone)


def _flags(flags: tuple[str, ...]) -> str:
    return f" ({' '.join(flags)})" if flags else ""


def _detail(detail: Detail) -> Json:
    fate = detail.fate
    return {
        "key": _utf8(detail.key),
        "from": _utf8(detail.sender),
        "subject": _utf8(detail.subject),
        "stays": fate.stays,
        "flags": list(fate.flags),
        "targets": [{"mailbox": t.mailbox, "flags": list(t.flags)} for t in fate.copies],
        "discarded": fate.discarded,
        "missing": list(fate.missing),
        "not_done": list(fate.undone),
        "error": None if fate.error is None else str(fate.error),
    }


def _utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _safe(text: str) -> str:
    """*text* without anything that a terminal would obey."""
    return "".join(character if character.isprintable() else "?" for character in text)
