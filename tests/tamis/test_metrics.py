from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tamis import __version__, metrics
from tamis.metrics import table
from tamis.metrics.__main__ import page
from tamis.metrics.family import Family
from tamis.transaction import Stage
from tamis.verdict import Kind

ROOT = Path(__file__).parent.parent.parent
FAMILIES = [family for family in vars(table).values() if isinstance(family, Family)]


def scraped(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Series to value, as Prometheus reads them."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(series: dict[tuple[str, tuple[tuple[str, str], ...]], float], name: str, **labels: str) -> float:
    return series[name, tuple(sorted(labels.items()))]


def in_a_process_of_its_own(code: str, **environ: str) -> bytes:
    """Metrics are of a process; what *code* prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, env=os.environ | environ, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_the_documentation_is_made_from_the_code() -> None:
    """`python -m tamis.metrics > docs/metrics.md` mends it."""
    assert (ROOT / "docs/metrics.md").read_text() == page()
    assert all(f"`{family.name}`" in page() for family in FAMILIES)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_names_follow_the_practices_of_prometheus(family: Family[object]) -> None:  # type: ignore[type-var]
    assert re.fullmatch(r"tamis_[a-z]+(_[a-z]+)*", family.name)
    assert (family.name.endswith("_total")) == (family.kind == "counter")
    assert family.kind != "histogram" or family.name.endswith(("_seconds", "_bytes"))
    assert family.text.endswith(".")
    assert not set(family.labels) & {"address", "user", "sender", "recipient", "client", "domain", "queue_id"}


def test_labels_know_every_stage_and_every_verdict() -> None:
    assert tuple(stage.value for stage in Stage) == table.STAGES
    assert tuple(kind.value for kind in Kind) == table.KINDS


def test_series_are_there_before_they_count() -> None:
    """Over a series that is not there no rate can be taken, and no alert raised."""
    series = scraped(
        in_a_process_of_its_own(
            "import sys; from tamis import metrics; metrics.declare_program('policyd')\n"
            "metrics.declare_check('policyd', 'limit'); metrics.declare_store('redis')\n"
            "sys.stdout.buffer.write(metrics.render()[0])"
        )
    )
    assert value(series, "tamis_build_info", version=__version__) == 1
    assert value(series, "tamis_decisions_total", program="policyd", stage="RCPT", verdict="defer") == 0
    assert (
        value(
            series,
            "tamis_check_results_total",
            program="policyd",
            check="limit",
            verdict="reject",
            obeyed="no",
        )
        == 0
    )
    assert value(series, "tamis_check_errors_total", program="policyd", check="limit") == 0
    assert value(series, "tamis_spf_results_total", result="permerror") == 0
    assert value(series, "tamis_store_errors_total", backend="redis", operation="charge") == 0
    assert value(series, "tamis_journal_write_failures_total") == 0
    assert value(series, "process_open_fds") > 0


@pytest.mark.parametrize(
    ("program", "own", "others"),
    [
        ("policyd", {"tamis_policyd_"}, {"tamis_milter_", "tamis_lda_", "tamis_sieve_"}),
        ("milter", {"tamis_milter_"}, {"tamis_policyd_", "tamis_lda_", "tamis_sieve_"}),
        ("lda", {"tamis_lda_", "tamis_sieve_"}, {"tamis_policyd_", "tamis_milter_"}),
    ],
)
def test_a_program_shows_its_own_metrics_only(program: str, own: set[str], others: set[str]) -> None:
    code = (
        f"import sys; from tamis import metrics; metrics.declare_program('{program}')\n"
        "sys.stdout.buffer.write(metrics.render()[0])"
    )
    names = {name for name, _ in scraped(in_a_process_of_its_own(code))}
    assert all(any(name.startswith(word) for name in names) for word in own)
    assert not any(name.startswith(tuple(others)) for name in names)


def test_a_label_takes_no_value_that_a_peer_made_up() -> None:
    """Neither a new series nor a byte of memory for each."""
    table.DNS("A", "answer")
    before = len(table.DNS._series)
    for n in range(1000):
        metrics.observe_dns(f"TYPE{n}\udcff", f"odd{n}", 0.1)
    assert len(table.DNS._series) <= before + 1
    page_of_metrics, _ = metrics.render()
    assert value(scraped(page_of_metrics), "tamis_dns_queries_total", type="other", result="other") >= 1000
    assert b"odd1" not in page_of_metrics


def test_what_is_counted_is_scraped() -> None:
    def now() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        return scraped(metrics.render()[0])

    metrics.declare_check("policyd", "counted")
    before = now()
    metrics.count_check("policyd", "counted", "defer", obeyed=True, error=True)
    metrics.count_check("policyd", "counted", "reject", obeyed=False, error=False)
    metrics.observe_delivery("stored", 0.02, 5000)
    metrics.observe_store("sqlite", "charge", 0.001, ok=False)
    metrics.set_reload(ok=False)
    after = now()

    def grown(name: str, **labels: str) -> float:
        return value(after, name, **labels) - before.get((name, tuple(sorted(labels.items()))), 0)

    defers = {"program": "policyd", "check": "counted", "verdict": "defer"}
    assert grown("tamis_check_results_total", obeyed="yes", **defers) == 1
    assert grown("tamis_check_results_total", obeyed="no", **defers) == 0
    assert grown("tamis_check_errors_total", program="policyd", check="counted") == 1
    assert grown("tamis_lda_deliveries_total", outcome="stored") == 1
    assert grown("tamis_lda_message_bytes_sum") == 5000
    assert grown("tamis_store_errors_total", backend="sqlite", operation="charge") == 1
    assert value(after, "tamis_store_up", backend="sqlite") == 0
    assert value(after, "tamis_config_last_reload_successful") == 0


def test_openmetrics_is_spoken_to_those_who_ask() -> None:
    assert metrics.render("")[1].startswith("text/plain")
    page_of_metrics, content_type = metrics.render("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert page_of_metrics.endswith(b"# EOF\n")


PREFORK = """
import os, signal, sys
from tamis import metrics

metrics.declare_program("milter")

def worker(slot, messages, sessions, die):
    pid = os.fork()
    if pid:
        return pid
    metrics.become_worker(slot)
    for _ in range(messages):
        metrics.observe_milter_message("accept", 0.01, 1000)
    metrics.set_milter_sessions(sessions)
    os.kill(os.getpid(), signal.SIGKILL) if die else os._exit(0)

def page():
    sys.stdout.buffer.write(metrics.render()[0] + b"\\n#---\\n")

first = [worker(0, 3, 2, False), worker(1, 4, 5, True)]
for pid in first:
    os.waitpid(pid, 0)
metrics.count_milter_restart()
page()
metrics.forget_worker(1)
page()
os.waitpid(worker(1, 10, 1, True), 0)
page()
print("#", len(os.listdir(os.environ["PROMETHEUS_MULTIPROC_DIR"])))
for _ in range(20):
    metrics.forget_worker(1)
    os.waitpid(worker(1, 1, 0, True), 0)
page()
print("#", len(os.listdir(os.environ["PROMETHEUS_MULTIPROC_DIR"])))
"""


def test_workers_are_scraped_as_one_program_and_death_loses_no_count(tmp_path: Path) -> None:
    """Real children, killed. A replaced worker goes on in its slot's files: they do not grow in number."""
    out = in_a_process_of_its_own(PREFORK, PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    pages = [scraped(text) for text in out.split(b"\n#---\n")[:4]]
    accepted = [value(page_, "tamis_milter_messages_total", action="accept") for page_ in pages]
    assert accepted == [7, 7, 17, 37]
    assert [value(page_, "tamis_milter_sessions") for page_ in pages] == [7, 2, 3, 2]
    assert value(pages[3], "tamis_milter_message_bytes_count") == 37
    assert value(pages[3], "tamis_milter_worker_restarts_total") == 1
    assert value(pages[3], "tamis_build_info", version=__version__) == 1
    assert value(pages[0], "tamis_milter_messages_total", action="reject") == 0
    assert value(pages[0], "process_open_fds") > 0
    files = [int(line[2:]) for line in out.decode().splitlines() if re.fullmatch(r"# \d+", line)]
    assert files[0] == files[1]
