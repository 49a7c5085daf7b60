"""made - files for the tests: archives, Office files and messages, written byte by byte where Python has no writer."""

from __future__ import annotations

import base64
import io
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from milters.attachments.inspect import Attachment, Report, inspect
from milters.attachments.limits import Budget, Damaged, Limits, Unreadable
from milters.attachments.member import Member
from milters.attachments.names import names_of
from milters.attachments.rules import Rule
from tamis.mail.message import Message

FILES = Path(__file__).parent / "files"
PROGRAM = b"MZ" + bytes(100)

Reader = Callable[[bytes, Budget], Iterator[Member]]


def budget(**limits: float) -> Budget:
    """One with other *limits*."""
    return Budget(Limits(**limits), time.monotonic)  # type: ignore[arg-type]


def listed(reader: Reader, data: bytes) -> dict[str, bytes | str]:
    """What *reader* finds: by each member's first name its content, or why there is none."""
    found: dict[str, bytes | str] = {}
    for member in reader(data, budget()):
        found[member.names[0] if member.names else ""] = _content(member)
    return found


def _content(member: Member) -> bytes | str:
    if member.encrypted:
        return "encrypted"
    if member.read is None:
        return "elsewhere"
    try:
        return member.read(1 << 20)
    except (Damaged, Unreadable) as exc:
        return type(exc).__name__.lower()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def tarred(members: dict[str, bytes], mode: str = "w", form: int = tarfile.GNU_FORMAT) -> bytes:
    """A tar archive, squeezed if *mode* says so (``w:gz``)."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode, format=form) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def number(value: int) -> bytes:
    """RAR 5's variable length."""
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*octets, value])


def rar5(
    *members: tuple[str, bytes], encrypted: bool = False, stored: bool = True, locked: bool = False
) -> bytes:
    """A RAR 5 archive (technote.txt); sums are not looked at and are 0. locked: names too."""
    blocks = [_block5(1, 0, number(0))]
    if locked:
        blocks.append(_block5(4, 0, number(0) + number(0) + number(15) + bytes(16)))
    for name, content in members:
        octets = name.encode()
        compression = number(0 if stored else 3 << 7)
        body = (
            number(0)
            + number(len(content))
            + number(0x20)
            + compression
            + number(1)
            + number(len(octets))
            + octets
        )
        extra = number(2) + number(1) + b"\x00" if encrypted else b""
        blocks.append(_block5(2, 2, body, content, extra))
    return b"Rar!\x1a\x07\x01\x00" + b"".join(blocks) + _block5(5, 0, number(0))


def _block5(kind: int, flags: int, body: bytes, content: bytes = b"", extra: bytes = b"") -> bytes:
    head = number(kind) + number(flags | bool(extra))
    head += number(len(extra)) if extra else b""
    head += number(len(content)) if flags & 2 else b""
    head += body + extra
    return bytes(4) + number(len(head)) + head + content


def rar4(name: bytes, content: bytes, flags: int = 0, method: int = 0x30, main_flags: int = 0) -> bytes:
    """A RAR 1.5 to 4 archive with one file."""
    main = struct.pack("<HBHH", 0, 0x73, main_flags, 13) + bytes(6)
    fixed = struct.pack("<2LBLLBBHL", len(content), len(content), 2, 0, 0, 29, method, len(name), 0x20)
    file = struct.pack("<HBHH", 0, 0x74, flags | 0x8000, 7 + len(fixed) + len(name)) + fixed + name
    return b"Rar!\x1a\x07\x00" + main + file + content + struct.pack("<HBHH", 0, 0x7B, 0x4000, 7)


def compound(streams: dict[str, bytes], storages: tuple[str, ...] = ()) -> bytes:
    """A compound file: its streams, all in sectors of 512 bytes and none in the small ones; storages are flat."""
    free, end, table_mark = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
    entries = [("Root Entry", 5, end, 0)] + [(name, 1, end, 0) for name in storages]
    contents: list[bytes] = []
    sectors = 1  # the first is the table
    chains: list[int] = [table_mark]
    for name, content in streams.items():
        padded = content.ljust(max(4096, -(-len(content) // 512) * 512), b"\x00")
        count = len(padded) // 512
        entries.append((name, 2, sectors, len(padded)))
        chains += [*range(sectors + 1, sectors + count), end]
        contents.append(padded)
        sectors += count
    directory = b"".join(_entry(*entry) for entry in entries)
    directory = directory.ljust(-(-len(directory) // 512) * 512, b"\x00")
    start = sectors
    count = len(directory) // 512
    chains += [*range(start + 1, start + count), end]
    assert len(chains) <= 128, "one sector of the table"
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<5H6x", 62, 3, 0xFFFE, 9, 6)
    header += struct.pack("<9L", 0, 1, start, 0, 4096, end, 0, end, 0)
    header += struct.pack("<109L", 0, *[free] * 108)
    table = struct.pack("<128L", *chains, *[free] * (128 - len(chains)))
    return header + table + b"".join(contents) + directory


def _entry(name: str, kind: int, start: int, size: int) -> bytes:
    nobody = 0xFFFFFFFF
    octets = name.encode("utf-16-le").ljust(64, b"\x00")
    head = octets + struct.pack("<HBB3L", 2 * len(name) + 2, kind, 1, nobody, nobody, nobody)
    return head.ljust(116, b"\x00") + struct.pack("<LQ", start, size)


def vba(source: bytes) -> bytes:
    """A module's stream: something else, then the source in chunks of literal bytes (MS-OVBA section 2.4.1)."""
    assert source.startswith(b"Attribut")
    packed = b"".join(b"\x00" + source[at : at + 8] for at in range(0, len(source), 8))
    assert len(packed) <= 4096
    return b"performance cache" + b"\x01" + struct.pack("<H", 0xB000 | len(packed) - 1) + packed


def macro_document(source: bytes = b'Attribute VB_Name = "A"\r\nSub AutoOpen()\r\nEnd Sub\r\n') -> bytes:
    """A Word file of the old kind with Visual Basic."""
    return compound({"WordDocument": bytes(64), "dir": b"", "Module1": vba(source)}, ("Macros", "VBA"))


def names_until_damage(reader: Reader, data: bytes) -> list[tuple[str, ...]]:
    """Of the members that *reader* finds before it raises Damaged, which it must."""
    found: list[tuple[str, ...]] = []
    try:
        for member in reader(data, budget()):
            found.append(member.names)  # noqa: PERF401  # what comes before the damage counts
    except Damaged:
        return found
    raise AssertionError("not damaged")


def mail(*files: tuple[str, bytes], kind: str = "application/octet-stream") -> Message:
    """A message with files attached."""
    parts = [b"Content-Type: text/plain\r\n\r\nhello\r\n"]
    for name, content in files:
        head = f'Content-Type: {kind}\r\nContent-Disposition: attachment; filename="{name}"\r\n'
        parts.append(
            head.encode() + b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(content)
        )
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
    return Message(b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n' + body)


def attached(message: Message) -> tuple[Attachment, ...]:
    """All parts of it that have a content."""
    return tuple(Attachment(e.part, names_of(e.part)) for e in message.view.entities if e.is_leaf)


def looked(message: Message, *rules: Rule, limits: Limits | None = None) -> Report:
    """What an inspection says, in this process."""
    return inspect(message.raw, attached(message), rules, limits or Limits(), time.monotonic)
