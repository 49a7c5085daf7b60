"""A real Prometheus scrapes the running programs with contrib's configuration, and the dashboard has data."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo import clients, letters
from demo.daemons import wait_for
from demo.house import House
from demo.layout import REPOSITORY, Ports
from tests.integration.conftest import PASSWORD

pytestmark = pytest.mark.integration

DASHBOARD = json.loads((REPOSITORY / "contrib/grafana/tamis.json").read_text())
CONTRIB = REPOSITORY / "contrib/prometheus"
SCRAPE_S = 1
WINDOW = "10s"


class Prometheus:
    """The server under a test: its API."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def api(self, path: str, **query: str) -> Any:
        """The data of an answer. Raises AssertionError with the server's words for a query it refuses."""
        url = f"{self._url}{path}?{urllib.parse.urlencode(query)}"
        try:
            with self._open(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as exc:
            raise AssertionError(f"{query}: {exc.read().decode()}") from exc

    def ready(self) -> bool:
        """The port is open before the server has read what it stored."""
        try:
            return bool(self._open(f"{self._url}/-/ready", timeout=30).status == 200)
        except OSError:
            return False

    def targets_up(self) -> int:
        return sum(target["health"] == "up" for target in self.api("/api/v1/targets")["activeTargets"])

    def values(self, expression: str) -> list[float]:
        """All points of all series that are numbers."""
        now = time.time()
        found = self.api("/api/v1/query_range", query=expression, start=str(now - 15), end=str(now), step="1")
        points = (float(value) for series in found["result"] for _, value in series["values"])
        return [point for point in points if not math.isnan(point)]


@pytest.fixture(scope="module")
def prometheus(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """contrib's prometheus.yml with this house's ports and a short interval, nothing else changed."""
    directory = tmp_path_factory.mktemp("prometheus")
    ports = house.layout.ports
    text = (CONTRIB / "prometheus.yml").read_text().replace("15s", f"{SCRAPE_S}s")
    wanted = {9417: ports.policyd_metrics, 9418: ports.milter_metrics, 9419: ports.lda_metrics}
    for default, port in wanted.items():
        text = text.replace(f"127.0.0.1:{default}", f"127.0.0.1:{port}")
    (directory / "prometheus.yml").write_text(text)
    shutil.copy(CONTRIB / "tamis.rules.yml", directory)
    port = Ports.free(memorable=False).smtp
    command = [
        "prometheus",
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        server = Prometheus(port)
        wait_for("Prometheus", server.ready, 30)
        wait_for("its targets", lambda: server.targets_up() == len(wanted), 30)
        yield server
    finally:
        process.terminate()
        process.wait(30)


def keep_mail_flowing(house: House, until: Callable[[], bool], what: str) -> None:
    """Send a letter again and again, so that each rate has something to count, until it is so."""

    def once() -> bool:
        with clients.outside(house.layout.ports.smtp, "192.0.2.10", "mail.outside.example") as client:
            raw = letters.letter(letters.CAROL, "dashboard@example.org", "For the dashboard", b"Count me.\n")
            assert clients.send(client, letters.CAROL, "dashboard@example.org", raw).code == 250
        return until()

    wait_for(what, once, 60)


def concrete(expression: str) -> str:
    """The expression as Grafana would send it, with all variables at "All"."""
    expression = expression.replace("$__rate_interval", WINDOW)
    return re.sub(r"\$\{?(job|instance)\}?", ".+", expression)


def targets() -> list[tuple[str, str]]:
    return [
        (f"{panel['title']}: {target['refId']}", concrete(target["expr"]))
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", ())
    ]


def test_every_panel_of_the_dashboard_has_data(house: House, prometheus: Prometheus) -> None:
    missing = dict(targets())

    def all_found() -> bool:
        for name in [name for name, expression in missing.items() if prometheus.values(expression)]:
            del missing[name]
        return not missing

    try:
        keep_mail_flowing(house, all_found, "data in every panel")
    finally:
        assert not missing


def test_every_variable_of_the_dashboard_has_values(prometheus: Prometheus) -> None:
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            match = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"])
            assert match is not None
            assert prometheus.api(f"/api/v1/label/{match[2]}/values", **{"match[]": match[1]})


def test_the_alert_rules_are_loaded_and_none_cries_over_a_healthy_house(prometheus: Prometheus) -> None:
    def rules() -> list[dict[str, Any]]:
        return [rule for group in prometheus.api("/api/v1/rules")["groups"] for rule in group["rules"]]

    wait_for("a first evaluation", lambda: all(rule["health"] == "ok" for rule in rules()), 30)
    assert {rule["name"] for rule in rules()} == set(re.findall(r"alert: (\w+)", _rules_file()))
    assert {rule["name"] for rule in rules() if rule["state"] == "firing"} == set()


def _rules_file() -> str:
    return Path(CONTRIB / "tamis.rules.yml").read_text()


def test_a_deferred_recipient_is_seen_on_the_dashboard(house: House, prometheus: Prometheus) -> None:
    """The limit of the house is 20; the 21st is counted as a deferral of the check `users`."""
    with clients.submission(house.layout.ports.submission, "dashboard@example.org", PASSWORD) as client:
        clients.ask(client, "MAIL FROM:<dashboard@example.org>")
        replies = [clients.ask(client, f"RCPT TO:<dashboard+{n}@example.org>").code for n in range(30)]
    assert 450 in replies
    expression = 'sum(tamis_check_results_total{check="users",verdict="defer"})'
    wait_for("the deferrals", lambda: (prometheus.values(expression) or [0])[-1] >= 1, 30)
