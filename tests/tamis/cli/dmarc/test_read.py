"""`tamis dmarc read`: what stands in reports of others, and nothing that a terminal would obey."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tamis.auth.reports.write import packed, xml
from tamis.cli.__main__ import main
from tests.tamis.auth.reports.sample import REPORT, ROW


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.xml.gz"
    path.write_bytes(packed(xml(REPORT, "rfc9990")))
    return path


def test_a_table_has_the_most_frequent_first(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dmarc", "read", str(good)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "example.org: p=reject sp=quarantine np=reject adkim=r aspf=s t=n"
    assert lines[1:3] == [
        "from Example & Sons <postmaster@mx.test>, id 1763942400abc",
        "2025-11-24 00:00 to 2025-11-24 23:59 UTC",
    ]
    assert lines[3] == "error: 3 more messages are not listed"
    assert [line.split()[0] for line in lines[4:8]] == ["messages", "1000", "3", "1"]
    assert lines[6].split()[:6] == ["3", "none", "fail", "fail", "192.0.2.1", "news.example.org"]
    assert "mailing_list: example.net" in lines[6]


def test_programs_get_an_object_for_each_report(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dmarc", "read", "--json", str(good), str(good)]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == second
    assert first["published"]["domain"] == "example.org"
    assert [record["count"] for record in first["records"]] == [3, 1000, 1]
    assert first["records"][0]["signatures"][0] == {
        "domain": "example.net",
        "selector": "s1",
        "result": "pass",
    }


def test_what_cannot_be_read_is_told_and_the_others_are_read(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.xml"
    bad.write_bytes(b'<!DOCTYPE a [<!ENTITY b "c">]><feedback/>')
    assert main(["dmarc", "read", str(bad), str(tmp_path / "none"), str(good)]) == 1
    out, err = capsys.readouterr()
    assert "example.org: p=reject" in out
    assert f"{bad}: declares a document type or entities" in err
    assert "No such file" in err


def test_a_terminal_is_told_nothing_by_strangers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = replace(ROW, header_from="a\u009b2J\u202e", envelope_from="\n")
    path = tmp_path / "r.xml"
    path.write_bytes(xml(replace(REPORT, organization="x\ny", records=((row, 1),)), "rfc9990"))
    assert main(["dmarc", "read", str(path)]) == 0
    out = capsys.readouterr().out
    assert "\u009b" not in out
    assert "\u202e" not in out
    assert "from x\\ny <" in out
