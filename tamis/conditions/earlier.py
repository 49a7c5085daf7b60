"""earlier - conditions on what a check has found need that check to be asked before: else nothing would ever fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tamis.config.load import Loader, Where
from tamis.config.suggest import unknown


def report_strangers(loader: Loader, at: Where, rules: Mapping[str, Sequence[Iterable[str]]]) -> None:
    """Report each condition on a check that is not asked before its rule's.

    *rules*: by the labels of the checks at *at*, in their order, the labels that each rule of theirs names."""
    labels = list(rules)
    for n, label in enumerate(labels):
        earlier, behind = labels[:n], labels[n:]
        for place, named in enumerate(rules[label]):
            for other in named:
                where = (*at, label, "rule", place, "when", "check", other)
                if other in behind:
                    loader.report(where, "is asked behind these rules: its table must stand before theirs")
                elif other not in earlier:
                    loader.report(where, unknown("check", other, earlier))
