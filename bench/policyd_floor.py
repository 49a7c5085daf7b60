"""policyd_floor - a policy server that parses and answers DUNNO, and does nothing else: what the event loop costs.

python -m bench.policyd_floor SOCKET
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

from policyd.protocol import PolicyProtocol, encode
from policyd.reply import DUNNO

_DUNNO = encode(DUNNO)


class Connection(asyncio.Protocol):
    """One peer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._protocol = PolicyProtocol()

    def data_received(self, data: bytes) -> None:
        self._protocol.feed(data)
        while self._protocol.next_request() is not None:
            self._transport.write(_DUNNO)


async def main(path: str) -> None:
    """Serve for ever."""
    server = await asyncio.get_running_loop().create_unix_server(Connection, path)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
