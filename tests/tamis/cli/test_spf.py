"""`tamis spf`: the suite of RFC 7208 through the command line and its zone file, and what is said of bad zones."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.nameserver import NameServer
from tamis.cli.__main__ import main
from tests.tamis.auth.test_spf import SUITE, with_txt

ZONE = """
Example.ORG:
  - TXT: ["v=spf1 ip4:192.0.2.0/24 ", "-all exp=why.example.org"]
  - SPF: v=spf1 +all
why.example.org: [{TXT: "%{i} is not ours, says %{r}"}]
plain.example: [TXT: v=spf1 -all]
old.example: [SPF: v=spf1 -all]
none.example: [SPF: v=spf1 -all, TXT: NONE]
alias.example: [CNAME: a2.example]
a2.example: [CNAME: EXAMPLE.org]
slow.example: [TIMEOUT]
half.example: [{TXT: TIMEOUT}]
"""


def sections() -> list[Any]:
    found = [*yaml.load_all(SUITE.read_text(), Loader=yaml.CSafeLoader)]
    return [pytest.param(section, id=section["description"].replace(" ", "-")) for section in found]


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, str]:
    assert main(["spf", "--json", *words]) == 0
    answer: dict[str, str] = json.loads(capsys.readouterr().out)
    return answer


@pytest.mark.parametrize("written", ["as in the suite", "with TXT for SPF"])
@pytest.mark.parametrize("section", sections())
def test_the_suite_of_rfc_7208(
    section: dict[str, Any], written: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zone = section["zonedata"] if written == "as in the suite" else with_txt(section["zonedata"])
    path = tmp_path / "zone.yaml"
    path.write_text(yaml.safe_dump(zone))
    wrong = []
    for name, case in section["tests"].items():
        wanted = case["result"] if isinstance(case["result"], list) else [case["result"]]
        answer = ask(
            capsys,
            *("--client", case["host"], "--helo", case["helo"]),
            *("--sender", case.get("mailfrom", ""), "--dns", str(path)),
        )
        explanation = case.get("explanation", "DEFAULT").replace("DEFAULT", "")
        if answer["result"] not in wanted or answer["explanation"] != explanation:
            wrong.append((name, answer, wanted, explanation))
    assert not wrong


@pytest.mark.parametrize(
    ("sender", "result", "explanation"),
    [
        ("a@example.org", "fail", "198.51.100.1 is not ours, says mx.example.net"),
        ("a@alias.example", "fail", "198.51.100.1 is not ours, says mx.example.net"),
        ("a@plain.example", "fail", ""),
        ("a@old.example", "fail", ""),
        ("a@none.example", "none", ""),
        ("a@slow.example", "temperror", ""),
        ("a@half.example", "temperror", ""),
        ("", "none", ""),
    ],
)
def test_a_zone_in_a_file(
    sender: str, result: str, explanation: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "zone.yaml"
    path.write_text(ZONE)
    words = ("--client", "198.51.100.1", "--helo", "nosuch.example", "--receiver", "mx.example.net")
    answer = ask(capsys, *words, "--sender", sender, "--dns", str(path))
    assert (answer["result"], answer["explanation"]) == (result, explanation)


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("a: [", 65, r"zone.yaml:2: did not find"),
        ("- a", 65, "no mapping of names"),
        ("example.org: [{TXT: {a: b}}]", 65, "example.org: TXT is neither a string nor"),
        ("example.org: [{MX: mx.example.org}]", 65, r"example.org: MX is not \[preference, name\]"),
        ("example.org: [{TEXT: v=spf1}]", 65, "example.org: type TEXT is none of A, AAAA"),
        ("example.org: [timeout]", 65, "example.org: timeout is no record"),
        ("!!python/object/apply:os.getpid []", 65, "no mapping of names"),
        (None, 66, "No such file"),
    ],
)
def test_a_bad_zone_is_explained(
    text: str | None, status: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "zone.yaml"
    if text is not None:
        path.write_text(text)
    assert main(["spf", "--client", "192.0.2.1", "--dns", str(path)]) == status
    assert re.search(said, capsys.readouterr().err)


def test_it_is_a_command_of_its_own_and_asks_the_servers_of_the_configuration(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = NameServer({("example.org", "TXT"): '"v=spf1 ip4:192.0.2.1 -all"'}, port)
    config = tmp_path / "tamis.toml"
    config.write_text(f'[dns]\nnameservers = ["127.0.0.1:{port}"]\n')
    words = [
        "spf",
        "--client",
        "192.0.2.1",
        "--sender",
        "a@example.org",
        "--dns",
        "resolver",
        "-c",
        str(config),
    ]
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "tamis.cli", *words],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        server.close()
    assert (done.returncode, done.stdout, done.stderr) == (0, "pass\n", "")
