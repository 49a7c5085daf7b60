"""address - where to listen, as Postfix writes it: ``unix:/run/x``, ``inet:127.0.0.1:10031``, ``inet:[::1]:10031``.

Pure. Hosts are numeric: a name would make the start depend on DNS.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass

MAX_UNIX_PATH_BYTES = 107  # unix(7): sun_path holds 108 with the NUL
_TEMPORARY_NAME_BYTES = len("/.4194304.tmp")  # what `listen` binds to before it renames


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A socket in the file system."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class InetAddress:
    """A TCP port; 0 lets the system choose."""

    host: str
    port: int

    @property
    def exposed(self) -> bool:
        """Whether other machines may reach it."""
        return not ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        return f"inet:[{self.host}]:{self.port}" if ":" in self.host else f"inet:{self.host}:{self.port}"


def parse_address(text: str) -> UnixAddress | InetAddress:
    """The address in *text*. Raises ValueError with a sentence for the admin."""
    kind, _, rest = text.partition(":")
    if kind == "unix":
        return _unix(rest)
    if kind == "inet":
        return _inet(rest)
    raise ValueError(f'must be "unix:/path", "inet:127.0.0.1:port" or "inet:[::1]:port", not "{text}"')


def _unix(path: str) -> UnixAddress:
    if not path.startswith("/"):
        raise ValueError(f'the path must begin with a slash, not "{path}"')
    if not path.isprintable():
        raise ValueError("the path holds a character that cannot be printed")
    directory = len(os.fsencode(os.path.dirname(path)))
    if max(len(os.fsencode(path)), directory + _TEMPORARY_NAME_BYTES) > MAX_UNIX_PATH_BYTES:
        raise ValueError(f"the path is too long for a socket ({MAX_UNIX_PATH_BYTES} bytes at most)")
    return UnixAddress(path)


def _inet(text: str) -> InetAddress:
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f'an IPv6 address stands in brackets: "inet:[{host}]:{port}"')
    if host == "localhost":
        host = "127.0.0.1"
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError(
            f'must name an IP address and a port such as "127.0.0.1:10031", not "{text}"'
        ) from None
    if not (port.isascii() and port.isdigit() and int(port[:6]) <= 65535):
        raise ValueError(f'the port must be a number up to 65535, not "{port}"')
    return InetAddress(host, int(port))
