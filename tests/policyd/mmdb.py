"""MaxMind files for tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet


def write_mmdb(path: Path, records: Mapping[str, Mapping[str, Any]]) -> None:
    """A file of IPv6 in which each network has its record."""
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Tamis-Test")
    for network, record in records.items():
        writer.insert_network(IPSet([network]), dict(record))
    writer.to_db_file(str(path))
