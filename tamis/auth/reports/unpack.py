"""unpack - the XML of aggregate reports out of what they come in: a file, gzip, zip, or a mail with such attachments.

Bounded: bytes before and after, their ratio, members and parts; one archive deep. An archive that expands further is
no report.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator

from tamis.auth.reports.read import BadReport
from tamis.mail.message import Message
from tamis.mail.mime import Part, content, structure

MAX_FILE_BYTES = 50 << 20
MAX_XML_BYTES = 100 << 20
MAX_RATIO = 200  # reports with a thousand like rows have 40
FREE_BYTES = 1 << 20  # so much may come out of anything
MAX_MEMBERS = 50
MAX_ATTACHMENTS = 20

_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_KINDS = frozenset({"application", "text"})


def documents(raw: bytes) -> Iterator[bytes]:
    """Each document in *raw*. Raises BadReport where there is none, or one that must not be unpacked."""
    if len(raw) > MAX_FILE_BYTES:
        raise BadReport(f"is larger than {MAX_FILE_BYTES >> 20} MiB")
    if _is_report(raw):
        yield from _unpacked(raw)
        return
    message = Message(raw)
    found = [part for part in structure(message).walk() if _is_attachment(part)]
    contents = (content(message.raw, part) for part in found[:MAX_ATTACHMENTS])
    reports = [octets for octets in contents if octets is not None and _is_report(octets)]
    if not reports:
        raise BadReport("is neither XML nor an archive, nor a mail with one")
    for octets in reports:
        yield from _unpacked(octets)


def _is_attachment(part: Part) -> bool:
    return not part.parts and part.content_type.main in _KINDS


def _is_report(octets: bytes) -> bool:
    return octets.startswith((_GZIP, _ZIP)) or _is_xml(octets)


def _is_xml(octets: bytes) -> bool:
    """By its first character, in UTF-8 and UTF-16."""
    head = octets[:200].replace(b"\0", b"").removeprefix(b"\xef\xbb\xbf").lstrip(b"\xff\xfe")
    return head.lstrip()[:1] == b"<" and b"<html" not in head.lower()


def _unpacked(octets: bytes) -> Iterator[bytes]:
    if octets.startswith(_GZIP):
        yield _gunzipped(octets)
    elif octets.startswith(_ZIP):
        yield from _unzipped(octets)
    else:
        yield octets


def _most(packed_bytes: int) -> int:
    return min(MAX_XML_BYTES, FREE_BYTES + MAX_RATIO * packed_bytes)


def _gunzipped(octets: bytes) -> bytes:
    """The first member; what follows it, as some writers leave zeros there, is no matter."""
    most = _most(len(octets))
    inflate = zlib.decompressobj(wbits=31)
    try:
        document = inflate.decompress(octets, most + 1)
    except zlib.error as exc:
        raise BadReport(f"is a gzip file that is damaged: {exc}") from exc
    if len(document) > most:
        raise BadReport("is a gzip file that expands beyond measure")
    if not inflate.eof:
        raise BadReport("is a gzip file that is cut off")
    return document


def _unzipped(octets: bytes) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as archive:
            most = _most(len(octets))
            for info in _members(archive):
                document = _member(archive, info, most)
                most -= len(document)
                yield document
    except BadReport:
        raise
    except Exception as exc:  # zipfile raises anything where a file is damaged: IndexError, struct.error, ...
        raise BadReport(f"is a zip file that cannot be read: {exc}") from exc


def _members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise BadReport(f"is a zip file of more than {MAX_MEMBERS} files")
    found = [info for info in members if info.filename.lower().endswith(".xml")]
    if not found:
        raise BadReport("is a zip file that holds no XML")
    return found


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED} or info.flag_bits & 1:
        raise BadReport("is a zip file that is encrypted or compressed in an unusual way")
    with archive.open(info) as stream:
        document = stream.read(most + 1)
    if len(document) > most:
        raise BadReport("is a zip file that expands beyond measure")
    return document
