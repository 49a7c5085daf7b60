"""Countries and operators from MaxMind files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from policyd import geo
from policyd.geo import Geo
from tests.policyd.mmdb import write_mmdb

RECORDS = {
    "192.0.2.0/24": {"country": {"iso_code": "FR"}, "registered_country": {"iso_code": "DE"}},
    "198.51.100.0/25": {"registered_country": {"iso_code": "DE"}},
    "203.0.113.0/24": {"autonomous_system_number": 64500},
    "2001:db8::/32": {"country": "SE", "asn": "AS64501"},
}


@pytest.fixture
def opened(tmp_path: Path) -> Geo:
    write_mmdb(tmp_path / "world.mmdb", RECORDS)
    return Geo.open(tmp_path / "world.mmdb")


@pytest.mark.parametrize(
    ("address", "country", "asn"),
    [
        ("192.0.2.7", "FR", 0),
        ("::ffff:192.0.2.7", "FR", 0),
        ("198.51.100.7", "DE", 0),
        ("198.51.100.200", "", 0),
        ("203.0.113.1", "", 64500),
        ("2001:db8::1", "SE", 64501),
        ("2001:db9::1", "", 0),
        ("unknown", "", 0),
        ("", "", 0),
        ("fe80::1%eth0", "", 0),
    ],
)
def test_what_a_file_knows_of_an_address(opened: Geo, address: str, country: str, asn: int) -> None:
    assert (opened.country(address), opened.asn(address)) == (country, asn)


def test_a_file_is_replaced_under_our_feet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new one is used, a damaged one and none at all leave the old one in force."""
    monkeypatch.setattr(geo, "LOOK_S", 0.0)
    path, new = tmp_path / "world.mmdb", tmp_path / "new"
    write_mmdb(path, RECORDS)
    opened = Geo.open(path)
    assert opened.country("192.0.2.7") == "FR"
    write_mmdb(new, {"192.0.2.0/24": {"country": {"iso_code": "IT"}}})
    new.rename(path)
    assert opened.country("192.0.2.7") == "IT"
    new.write_bytes(b"half a file")
    new.rename(path)
    assert opened.country("192.0.2.7") == "IT"
    path.unlink()
    assert opened.country("192.0.2.7") == "IT"
    write_mmdb(new, RECORDS)
    new.rename(path)
    assert opened.country("192.0.2.7") == "FR"


def test_what_cannot_be_opened_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No such file"):
        Geo.open(tmp_path / "none.mmdb")
    (tmp_path / "text").write_text("192.0.2.0/24 FR\n")
    with pytest.raises(ValueError, match="no MaxMind file"):
        Geo.open(tmp_path / "text")


def test_without_the_library_the_sentence_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['maxminddb'] = None\n"
        "from pathlib import Path\nfrom policyd.geo import Geo\n"
        "try: Geo.open(Path('/nowhere'))\nexcept ValueError as exc: print(exc)\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
    assert "extra geoip" in done.stdout
