"""geo - the country and the network operator of an address, from a MaxMind file (GeoLite2-Country, GeoLite2-ASN, ...).

The library is maxminddb, an extra: `pip install tamis[geoip]`. The file is yours to fetch and to renew: its licence
does not let us ship it. Put a new one in its place by rename, as geoipupdate does; it is used from then on. What
cannot be read leaves the old one in force. Addresses that are in no file have no country and no operator: "" and 0.
"""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from tamis.clients import address

if TYPE_CHECKING:
    import maxminddb

LOOK_S = 5.0

_Stamp = tuple[int, int, int]


class Geo:
    """One file. Make it with `open`."""

    def __init__(self, path: Path, reader: maxminddb.Reader, stamp: _Stamp) -> None:
        self._path = path
        self._reader = reader
        self._stamp = stamp
        self._looked_s = monotonic()

    @classmethod
    def open(cls, path: Path) -> Geo:
        """The file *path*. Raises ValueError, a sentence for the admin: no library, no file, another kind of file."""
        stamp, reader = _read(path)
        return cls(path, reader, stamp)

    def country(self, client_address: str) -> str:
        """ISO 3166-1, two upper-case letters; "" where it is not known. Where it is, not where it is registered."""
        record = self._record(client_address)
        for key in ("country", "registered_country"):
            found = record.get(key)
            code = found.get("iso_code") if isinstance(found, dict) else found
            if isinstance(code, str) and len(code) == 2 and code.isascii() and code.isalpha():
                return code.upper()
        return ""

    def asn(self, client_address: str) -> int:
        """The number of the autonomous system that announces it; 0 where it is not known."""
        record = self._record(client_address)
        for key in ("autonomous_system_number", "asn"):
            digits = str(record.get(key, "")).upper().removeprefix("AS")
            if digits.isascii() and digits.isdecimal() and len(digits) <= 10:
                return int(digits)
        return 0

    def _record(self, client_address: str) -> dict[str, Any]:
        client = address(client_address)
        if client is None:
            return {}
        if monotonic() - self._looked_s >= LOOK_S:
            self._look()
        try:
            found = self._reader.get(client)
        except (ValueError, OSError):  # an IPv6 address in a file of IPv4, or a damaged file
            return {}
        return found if isinstance(found, dict) else {}

    def _look(self) -> None:
        self._looked_s = monotonic()
        try:
            stamp = _stamp(self._path)
            if stamp != self._stamp:
                self._stamp = stamp  # what is wrong with it is not tried again before it changes
                self._stamp, self._reader = _read(self._path)
        except (OSError, ValueError):
            return


def _read(path: Path) -> tuple[_Stamp, maxminddb.Reader]:
    try:
        import maxminddb
    except ImportError:
        raise ValueError("needs the library maxminddb: install tamis with its extra geoip") from None
    try:
        return _stamp(path), maxminddb.open_database(path)
    except OSError as exc:
        raise ValueError(f"{path} cannot be read: {exc.strerror or 'operating system error'}") from exc
    except maxminddb.InvalidDatabaseError:
        raise ValueError(f"{path} is no MaxMind file (.mmdb)") from None


def _stamp(path: Path) -> _Stamp:
    stat = os.stat(path)
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
