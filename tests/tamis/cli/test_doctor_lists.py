"""`tamis doctor` asks the DNS lists that the configuration names whether they are what they should be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from demo.nameserver import NameServer
from tamis.cli.__main__ import main
from tests.redis_server import free_port

ZONE = {
    ("2.0.0.127.good.example", "A"): "127.0.0.2",
    ("2.0.0.127.world.example", "A"): "127.0.0.2",
    ("1.0.0.127.world.example", "A"): "127.0.0.2",
    ("2.0.0.127.error.example", "A"): "127.255.255.254",
}


def test_each_list_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    server = NameServer(ZONE, port)
    lists = "".join(f'[policyd.checks.dnsbl.lists."{name}.example"]\n' for name in ("good", "world", "error"))
    config = tmp_path / "tamis.toml"
    config.write_text(
        f'[dns]\nnameservers = ["127.0.0.1:{port}"]\n{lists}'
        '[policyd.checks.unused]\ncheck = "dnsbl"\nmode = "off"\n[policyd.checks.unused.lists."x.example"]\n'
    )
    try:
        main(["doctor", "--json", "-c", str(config)])
    finally:
        server.close()
    findings = json.loads(capsys.readouterr().out)
    found = [
        (one["text"].split()[0], bool(one["advice"])) for one in findings if one["topic"] == "check dnsbl"
    ]
    assert found == [("good.example", False), ("world.example", True), ("error.example", True)]
    assert not any("x.example" in one["text"] for one in findings)
