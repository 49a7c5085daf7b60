"""What contrib/ ships for Prometheus and Grafana says true things: names exist, rules hold, panels are portable."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PROMETHEUS = ROOT / "contrib/prometheus"
DASHBOARD: dict[str, Any] = json.loads((ROOT / "contrib/grafana/tamis.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]

_OURS = re.compile(r"\btamis_[a-z_]+")
_SUFFIX = re.compile(r"_(bucket|count|sum)$")


def documented() -> set[str]:
    """docs/metrics.md is made from the declarations, and a test holds the two together."""
    return set(_OURS.findall((ROOT / "docs/metrics.md").read_text()))


def unknown(text: str) -> set[str]:
    return {name for name in _OURS.findall(text) if _SUFFIX.sub("", name) not in documented()}


def test_the_dashboard_and_the_alerts_name_metrics_that_exist() -> None:
    assert not unknown(json.dumps(PANELS))
    assert not unknown((PROMETHEUS / "tamis.rules.yml").read_text())


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_is_portable(panel: dict[str, Any]) -> None:
    """It takes its data source from the variable, says what it shows in which unit, and filters by the variables."""
    assert panel["datasource"]["uid"] == "${datasource}"
    assert panel["description"]
    assert panel["fieldConfig"]["defaults"]["unit"]
    for target in panel["targets"]:
        assert target["datasource"]["uid"] == "${datasource}"
        assert 'job=~"$job"' in target["expr"]
        assert 'instance=~"$instance"' in target["expr"]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_counters_are_shown_as_rates(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        for name in re.findall(r"\w+(?:_total|_bucket)\b", target["expr"]):
            assert re.search(rf"rate\({name}\{{[^}}]*\}}\[\$__rate_interval\]\)", target["expr"])


def test_the_dashboard_has_an_identity_and_no_double_panels() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    assert DASHBOARD["uid"] == "tamis"
    assert "id" not in DASHBOARD
    assert DASHBOARD["templating"]["list"][0]["type"] == "datasource"


@pytest.mark.integration
def test_the_alert_rules_hold_their_unit_tests() -> None:
    for command in (["check", "config", "prometheus.yml"], ["test", "rules", "tamis.rules_test.yml"]):
        done = subprocess.run(
            ["promtool", *command], cwd=PROMETHEUS, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "contrib").rglob("*")), ids=str)
def test_a_contrib_file_says_how_to_undo_it(path: Path) -> None:
    if path.suffix in {".conf", ".cf", ".yml", ".service"} and "_test" not in path.stem:
        head = path.read_text()[:1500].lower()
        assert "undo" in head, f"{path.name} does not say how to undo it"
