"""compression - messages stored compressed, as Dovecot's zlib plugin reads them (it goes by the first bytes).

Sizes in file names and in the quota stay those of the uncompressed message. Whoever else reads the Maildir must
know: without the plugin Dovecot shows the compressed bytes.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import Literal, Protocol

Compression = Literal["none", "gz", "bz2", "xz"]

_GZIP = 16 + zlib.MAX_WBITS  # zlib.h, deflateInit2: 16 more asks for a gzip header


class Compressor(Protocol):
    """What all of the standard library's compressors are."""

    def compress(self, data: bytes, /) -> bytes:
        """What can be written so far."""
        ...

    def flush(self) -> bytes:
        """The rest."""
        ...


def compressor(kind: Compression) -> Compressor | None:
    """A new one; None for "none"."""
    match kind:
        case "gz":
            return zlib.compressobj(6, zlib.DEFLATED, _GZIP)
        case "bz2":
            return bz2.BZ2Compressor()
        case "xz":
            return lzma.LZMACompressor()
    return None
