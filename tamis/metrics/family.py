"""family - a metric with all its series, and how the values of one or several processes are scraped.

One process: the values are in memory. Prefork: set $PROMETHEUS_MULTIPROC_DIR before this module is imported,
fork, and call `become_worker` first of all in each child (one that is executed anew finds its slot in
$TAMIS_WORKER instead). Its values are then in files named by slot, and a
worker that replaces a dead one goes on counting in the same files (by default prometheus_client names them by
process id, and they grow in number for ever).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product
from typing import Any, Generic, TypeVar

import prometheus_client as prometheus
from prometheus_client import exposition, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

OPEN: tuple[str, ...] = ()
"""Label values that the configuration sets; all others are listed where the metric is declared."""

M = TypeVar("M", prometheus.Counter, prometheus.Gauge, prometheus.Histogram)

_directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")
_slot = os.environ.get("TAMIS_WORKER", "main")
if _directory:
    values.ValueClass = values.MultiProcessValue(lambda: _slot)  # type: ignore[no-untyped-call]
prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]

_REGISTRY = prometheus.CollectorRegistry()
_PROCESS = prometheus.ProcessCollector(registry=None)


class Family(Generic[M]):
    """A metric and the values its labels may take: what is not among them counts as ``other``.

    Called with label values, in order, it gives the one series to count in."""

    def __init__(self, metric: M, text: str, labels: dict[str, tuple[str, ...]]) -> None:
        self.text = text
        self.labels = labels
        self._metric: M = metric
        self._series: dict[tuple[str, ...], M] = {}

    @property
    def name(self) -> str:
        """As scraped."""
        name = next(iter(self._metric.describe())).name
        return f"{name}_total" if self.kind == "counter" else name

    @property
    def kind(self) -> str:
        """``counter``, ``gauge`` or ``histogram``."""
        return str(next(iter(self._metric.describe())).type)

    def __call__(self, *label_values: str) -> M:
        return self._series.get(label_values) or self._find(label_values)

    def _find(self, label_values: tuple[str, ...]) -> M:
        """What a peer might have made up is not remembered."""
        known = tuple(
            value if not allowed or value in allowed else "other"
            for value, allowed in zip(label_values, self.labels.values(), strict=True)
        )
        if known not in self._series:
            self._series[known] = self._metric.labels(*known) if known else self._metric
        return self._series[known]

    def fill(self, **fixed: str) -> None:
        """Make all series with the *fixed* values, so that they are scraped as 0 before they count: over a
        series that is not there no rate can be taken, and no alert raised."""
        choices = [(fixed[name],) if name in fixed else allowed for name, allowed in self.labels.items()]
        for label_values in product(*choices):
            self(*label_values)


def counter(name: str, text: str, **labels: tuple[str, ...]) -> Family[prometheus.Counter]:
    """A number that only grows; *name* ends in ``_total``."""
    return Family(prometheus.Counter(name, text, labels, registry=_REGISTRY), text, labels)


def gauge(name: str, text: str, across: Any, **labels: tuple[str, ...]) -> Family[prometheus.Gauge]:
    """A number that goes up and down. *across*: what the workers' values amount to (multiprocess_mode)."""
    metric = prometheus.Gauge(name, text, labels, registry=_REGISTRY, multiprocess_mode=across)
    return Family(metric, text, labels)


def histogram(
    name: str, text: str, buckets: tuple[float, ...], **labels: tuple[str, ...]
) -> Family[prometheus.Histogram]:
    """How often a number was in which range."""
    return Family(prometheus.Histogram(name, text, labels, registry=_REGISTRY, buckets=buckets), text, labels)


def become_worker(slot: int) -> None:
    """This process is the worker number *slot* (0 and up) from now on. Call it straight after the fork."""
    global _slot  # noqa: PLW0603  # prometheus_client asks a function without arguments who we are
    _slot = str(slot)


def forget_worker(slot: int) -> None:
    """The worker is dead: what it had open is closed. What it counted stays counted."""
    if _directory:
        mark_process_dead(str(slot), _directory)  # type: ignore[no-untyped-call]


class _Chosen(Collector):
    """The metrics of all workers, without those whose name says that they are another program's."""

    def __init__(self, strangers: tuple[str, ...]) -> None:
        self._strangers = strangers

    def collect(self) -> Iterator[Metric]:
        source = MultiProcessCollector(None, _directory) if _directory else _REGISTRY  # type: ignore[no-untyped-call]
        for metric in source.collect():
            if not metric.name.startswith(self._strangers):
                yield metric
        yield from _PROCESS.collect()


def scrape(accept: str, strangers: tuple[str, ...]) -> tuple[bytes, str]:
    """All metrics and their content type, in the form that the Accept header asks for.

    strangers: beginnings of names that are left out."""
    registry = prometheus.CollectorRegistry()
    registry.register(_Chosen(strangers))
    encode, content_type = exposition.choose_encoder(accept)
    return encode(registry), content_type
