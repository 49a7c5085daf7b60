"""delivery - tamis-lda's one act: read the message, hand it to the engine, or deliver it without one.

Built-in modules only; ours are imported where there is no engine (lda/client/pipe.py says why).
"""

import _signal  # type: ignore[import-not-found]  # signal itself loads enum: 3 ms
import _socket
import posix
import sys

from lda.client.options import Refusal, envelope_of, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap

ENGINE = "/run/tamis/lda.sock"
DEADLINE_S = 300.0
SPOOL_BYTES = 1 << 20
MAX_REPLY_BYTES = 4096
TEMPFAIL = 75
BOUNCES = frozenset(range(64, 79)) - {71, TEMPFAIL}  # sysexits.h; pipe(8) defers these two


def deliver(arguments: list[str]) -> tuple[int, str]:
    """Exit status and text of the delivery of standard input."""
    try:
        return _deliver(parse(arguments))
    except Refusal as exc:
        return TEMPFAIL, "4.3.0 " + str(exc)


def _deliver(options: dict[str, str]) -> tuple[int, str]:
    """Status and text of the delivery, by the engine or by ourselves."""
    _signal.setitimer(_signal.ITIMER_REAL, _deadline(options))
    parent = posix.getppid()
    try:
        message, file = _read(options.get("file", ""))
    except OSError as exc:
        raise Refusal("The message could not be read: " + (exc.strerror or "no reason is known")) from None
    if posix.getppid() != parent:  # pipe(8) has no mark for the end: what a killed one wrote looks whole
        raise Refusal("The sending process went away, the message may be cut")
    head = message[:4096]
    start = message.find(b"\n") + 1 if head[:5] == b"From " else 0
    envelope = envelope_of(options, head)
    why = ""
    if "user" in envelope:
        engine = _connect(options.get("engine", ENGINE))
        if isinstance(engine, str):
            why = engine
        elif (answer := _hand_over(engine, envelope, message, start, file)) is not None:
            return answer
    return _deliver_here(options, envelope, message, start, why)


def _deadline(options: dict[str, str]) -> float:
    try:
        return max(0.1, float(options.get("deadline", DEADLINE_S)))
    except ValueError:
        raise Refusal("tamis-lda got a deadline that is no number of seconds") from None


def _read(path: str) -> "tuple[bytes | mmap.mmap, int]":
    """The whole message: in memory; past a size mapped from a file without a name, and its descriptor, else -1."""
    source = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC) if path else 0
    pieces, size = [], 0
    while piece := posix.read(source, 1 << 16):
        pieces.append(piece)
        size += len(piece)
        if size > SPOOL_BYTES:
            return _spool(pieces, source)
    return b"".join(pieces), -1


def _spool(pieces: list[bytes], source: int) -> "tuple[mmap.mmap, int]":
    import mmap
    import tempfile

    with tempfile.TemporaryFile(prefix="tamis-lda-") as file:
        file.writelines(pieces)
        pieces.clear()
        while piece := posix.read(source, 1 << 20):
            file.write(piece)
        file.flush()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), posix.dup(file.fileno())


def _connect(path: str) -> "_socket.socket | str":
    """The engine, or why there is none."""
    engine = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        engine.connect(path)
    except OSError as exc:
        engine.close()
        return path + ": " + (exc.strerror or "cannot be reached")
    return engine


def _hand_over(
    engine: "_socket.socket", envelope: dict[str, str], message: "bytes | mmap.mmap", start: int, file: int
) -> tuple[int, str] | None:
    """The engine's answer; None: it left the delivery to us, and has done nothing. From the first byte on, a
    failure may hide a delivery: it is temporary, never a reason to deliver here as well."""
    head = "".join(name + "=" + value + "\0" for name, value in envelope.items())
    raw = head.encode("utf-8", "surrogateescape")
    line = b"tamis-lda/1 %d %d" % (len(raw), len(message) - start)
    try:
        if file < 0:
            engine.sendall(line + b"\n" + raw)
            engine.sendall(memoryview(message)[start:])
        else:
            _send_with(engine, line + b" fd:%d\n" % start + raw, file)
    except OSError:  # it may have answered without reading all; and if not, there is no whole answer either
        _say_no_more(engine)
    reply = b""
    while reply[-1:] != b"\n" and len(reply) < MAX_REPLY_BYTES and (piece := _heard(engine)):
        reply += piece
    if reply[-1:] != b"\n":
        raise Refusal("The delivery engine went away, try again later")
    status, _, text = reply[:-1].decode("ascii").partition(" ")
    return None if status == "away" else _checked(status, text)


def _send_with(engine: "_socket.socket", data: bytes, file: int) -> None:
    """Send *data*, and with it the descriptor *file*."""
    rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, file.to_bytes(4, sys.byteorder))
    engine.sendall(data[engine.sendmsg([data], [rights]) :])


def _say_no_more(engine: "_socket.socket") -> None:
    """An engine that is still there shall not wait for the rest."""
    try:
        engine.shutdown(_socket.SHUT_WR)
    except OSError:
        return  # it has gone


def _heard(engine: "_socket.socket") -> bytes:
    """What the engine says next; nothing where it has gone or was killed."""
    try:
        return engine.recv(MAX_REPLY_BYTES)
    except OSError:
        return b""


def _checked(status: str, text: str) -> tuple[int, str]:
    """An answer that pipe(8) reads as it is meant: 0, 75 with 4.x.x, or a bounce with 5.x.x."""
    if status == "0":
        return 0, ""
    code, _, words = text.partition(" ")
    digits = code.split(".")
    sound = (
        len(digits) == 3 and all(part.isdigit() and len(part) < 4 for part in digits) and words.isprintable()
    )
    if sound and words and status == "75" and digits[0] == "4":
        return TEMPFAIL, text
    if (
        sound
        and words
        and digits[0] == "5"
        and status.isdigit()
        and int(status) in BOUNCES
        and status != "75"
    ):
        return int(status), text
    raise Refusal("The delivery engine answered nonsense, try again later")


def _deliver_here(
    options: dict[str, str], envelope: dict[str, str], message: "bytes | mmap.mmap", start: int, why: str
) -> tuple[int, str]:
    """The same delivery without an engine; *why* is for the log."""
    if sys.flags.no_site:
        import site

        site.main()
    from lda.build import deliver_here

    status, text = deliver_here(options.get("config", ""), envelope, message, start, why)
    return _checked(str(status), text)
