"""Whatever a server does, `tamis sieve` ends in bounded time and memory, with a sentence and a status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sievelib.managesieve import Client

from tamis.cli.sieve.managesieve.session import _Client
from tests.tamis.cli.sieve.managesieve.peer import GREETING, answering, peer, sieve

Source = Callable[[], AsyncIterator[bytes]]


async def silence() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


async def hang_up() -> AsyncIterator[bytes]:
    return
    yield b""


def once(wire: bytes) -> Source:
    async def source() -> AsyncIterator[bytes]:
        yield wire
        await asyncio.Event().wait()

    return source


def for_ever(wire: bytes, beginning: bytes = b"") -> Source:
    async def source() -> AsyncIterator[bytes]:
        yield beginning
        while True:
            yield wire

    return source


async def drip() -> AsyncIterator[bytes]:
    """Never silent for long, and never done."""
    yield b"{1000000}\r\n"
    while True:
        await asyncio.sleep(0.05)
        yield b"x"


TALES: dict[str, tuple[Source, int, str]] = {
    "silence": (silence, 75, "takes too long"),
    "nobody": (hang_up, 75, "hung up"),
    "half a line": (once(b'"SIEV'), 75, "takes too long"),
    "drip": (drip, 75, "takes too long"),
    "a line without end": (for_ever(b"x" * 65536), 76, "does not speak ManageSieve"),
    "lines without end": (for_ever(b'"SIEVE" "x"\r\n' * 1000), 76, "does not speak ManageSieve"),
    "empty lines without end": (for_ever(b"\r\n" * 1000), 76, "does not speak ManageSieve"),
    "a huge literal": (for_ever(b"x" * 65536, b"{4294967295}\r\n"), 76, "does not speak ManageSieve"),
    "literals without end": (for_ever(b"{65536}\r\n" + b"x" * 65536 + b"\r\n"), 76, "does not speak ManageSieve"),
    "another protocol": (once(b"* OK [CAPABILITY IMAP4rev1] Dovecot ready.\r\n"), 76, "is it the right port?"),
    "nothing but OK": (once(b"OK\r\n"), 76, "does not say what it can do"),
    "goodbye": (once(b'BYE (TRYLATER) "Too many connections"\r\n'), 75, "Too many connections"),
    "elsewhere": (once(b'BYE (REFERRAL "sieve://b.example/") "Moved"\r\n'), 69, "--server sieve://b.example/"),
    "escapes": (once(b'BYE "\x1b[2J\xff"\r\n'), 75, "\\x1b[2J"),
    "TLS is not offered": (once(GREETING), 69, "offers no TLS"),
    "TLS is refused": (
        once(GREETING.replace(b"OK", b'"STARTTLS"\r\nOK') + b'NO "Not today"\r\n'), 69, "Not today",
    ),
    "words before TLS": (
        once(GREETING.replace(b"OK", b'"STARTTLS"\r\nOK') + b"OK\r\n" + GREETING),
        76,
        "goes on talking after STARTTLS",
    ),
    "no TLS behind STARTTLS": (
        once(GREETING.replace(b"OK", b'"STARTTLS"\r\nOK') + b"OK\r\n"), 75, "takes too long",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TALES)
def test_a_peer_that_is_no_server_is_left(name: str) -> None:
    source, status, words = TALES[name]
    heard = bytearray()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def listen() -> None:
            while data := await reader.read(65536):
                heard.extend(data)

        listening = asyncio.create_task(listen())
        try:
            async for wire in source():
                writer.write(wire)
                await writer.drain()
        finally:
            listening.cancel()

    with peer(talk) as server:
        done = sieve("list", "--timeout", "0.5" if status == 75 else "20", server=f"127.0.0.1:{server.port}")
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert words in done.stderr
    assert done.stderr.replace("\n", "").isprintable()
    assert b"AUTHENTICATE" not in heard


def test_no_password_goes_where_none_is_wanted() -> None:
    with answering({}, GREETING.replace(b'"PLAIN"', b'"GSSAPI LOGIN"')) as server:
        done = sieve("list", "--no-starttls", server=f"127.0.0.1:{server.port}")
    assert done.returncode == 77
    assert "GSSAPI LOGIN" in done.stderr
    assert server.heard == []


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (b'NO "Wrong"\r\n', 77),
        (b'NO (TRYLATER) "Busy"\r\n', 75),
        (b'NO (ENCRYPT-NEEDED) "TLS first"\r\n', 77),
        (b'BYE "Too many"\r\n', 75),
        (b"", 75),
    ],
)
def test_a_login_that_fails_says_whether_to_come_back(reply: bytes, status: int) -> None:
    with answering({"AUTHENTICATE": reply}) as server:
        assert sieve("list", "--no-starttls", server=f"127.0.0.1:{server.port}").returncode == status


def test_names_may_come_in_every_form_of_a_string() -> None:
    listing = b'{5}\r\na"b c ACTIVE\r\n"d\\"e\\\\"\r\n"\x1b]0;x"\r\nOk "Done"\r\n'
    with answering({"LISTSCRIPTS": listing}) as server:
        done = sieve("list", "--no-starttls", server=f"127.0.0.1:{server.port}")
    assert done.stdout.splitlines() == ['* a"b c', '  d"e\\', "  \\x1b]0;x"]


@pytest.mark.parametrize(
    ("reply", "content"),
    [
        (b'"keep;"\r\nOK\r\n', "keep;"),
        (b"{0}\r\n\r\nOK\r\n", ""),
        (b'{13}\r\n{3}\r\nOK\r\nNO\r\n\r\nOK "x"\r\n', "{3}\nOK\nNO\n"),
    ],
)
def test_a_script_is_what_the_server_keeps_whatever_it_looks_like(reply: bytes, content: str) -> None:
    with answering({"GETSCRIPT": reply}) as server:
        done = sieve("get", "a", "--no-starttls", server=f"127.0.0.1:{server.port}")
    assert (done.returncode, done.stdout) == (0, content)


@pytest.mark.parametrize(
    ("replies", "status", "words", "last"),
    [
        ({"HAVESPACE": b'NO (QUOTA/MAXSCRIPTS) "Full"\r\n'}, 73, "tamis sieve delete", b"HAVESPACE"),
        ({"CHECKSCRIPT": b'NO "line 1: bad"\r\n'}, 65, "nothing was stored", b"CHECKSCRIPT"),
        ({"PUTSCRIPT": b'NO "line 1: bad"\r\n'}, 65, "it was not stored", b"PUTSCRIPT"),
        ({"PUTSCRIPT": b'NO (TRYLATER) "Later"\r\n'}, 75, "try again later", b"PUTSCRIPT"),
        ({"PUTSCRIPT": b""}, 75, "whether it was stored is not known", b"PUTSCRIPT"),
        ({"SETACTIVE": b'NO (NONEXISTENT) "Gone"\r\n'}, 66, "Gone", b"SETACTIVE"),
    ],
)
def test_push_stops_at_the_first_no(
    tmp_path: Path, replies: dict[str, bytes], status: int, words: str, last: bytes
) -> None:
    """Nothing that could take the active script away is ever said."""
    path = tmp_path / "a.sieve"
    path.write_text("keep;\n")
    with answering(replies) as server:
        done = sieve("push", "--activate", path, "--no-starttls", server=f"127.0.0.1:{server.port}")
    assert done.returncode == status, done.stderr
    assert words in done.stderr
    said = [line.split()[0] for line in server.heard]
    assert said[-1] == last
    assert b"DELETESCRIPT" not in said
    assert b'SETACTIVE ""' not in server.heard


def test_what_was_stored_before_a_failure_is_told(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.sieve").write_text("keep;\n")
    replies = [b"OK\r\n", b'NO (QUOTA) "Full"\r\n']
    with answering({"PUTSCRIPT": replies}) as server:
        done = sieve(
            "push",
            tmp_path / "a.sieve",
            tmp_path / "b.sieve",
            "--no-starttls",
            server=f"127.0.0.1:{server.port}",
        )
    assert (done.returncode, done.stdout) == (73, "a: stored\n")
    assert "b: the server refuses: Full" in done.stderr


def test_sievelib_still_has_what_we_override() -> None:
    ours = {name for name in vars(_Client) if name.startswith("_Client__")}
    assert len(ours) == 3
    assert ours <= set(vars(Client))


def test_a_server_older_than_the_rfc_is_not_asked_what_it_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "a.sieve"
    path.write_text("keep;\n")
    warning = {"PUTSCRIPT": b"OK (WARNINGS) {11}\r\nline 1: odd\r\n", "LISTSCRIPTS": b'"a" ACTIVE\r\nOK\r\n'}
    with answering(warning, GREETING.replace(b'"VERSION" "1.0"\r\n', b"")) as server:
        done = sieve("push", path, "--no-starttls", server=f"127.0.0.1:{server.port}")
    assert done.stdout.splitlines() == [
        f"{path}:1: warning: odd (says the server)",
        "    keep;",
        "a: stored, active",
    ]
    said = [line.split()[0].decode() for line in server.heard]
    assert said == ["AUTHENTICATE", "HAVESPACE", "PUTSCRIPT", "LISTSCRIPTS", "LOGOUT"]


def test_our_own_check_comes_before_any_word_to_the_server(tmp_path: Path) -> None:
    (tmp_path / "bad.sieve").write_text("nonsense;\n")
    (tmp_path / "good.sieve").write_text("keep;\n")
    with answering({}) as server:
        done = sieve(
            "push", tmp_path / "good.sieve", tmp_path / "bad.sieve", "--no-starttls",
            server=f"127.0.0.1:{server.port}",
        )  # fmt: skip
    assert done.returncode == 65
    assert "bad.sieve:1:1: error: unknown command 'nonsense'" in done.stdout
    assert server.heard == []


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["push", "missing.sieve"], 66),
        (["push", "-"], 64),
        (["push", "a", "b", "--name", "c"], 64),
        (["push", "a", "b", "--activate"], 64),
        (["push", "--name", "a\nb", "-"], 65),
        (["list", "--password-file", "/nonexistent"], 66),
        (["list", "--timeout", "0"], 64),
        (["list", "--ca-file", "/nonexistent"], 66),
        (["list", "--ca-file", __file__], 66),
        (["get", "a", "-o", "/nonexistent/a"], 73),
        (["get", "x" * 600], 65),
    ],
)
def test_wrong_calls_have_their_status(arguments: list[str], status: int) -> None:
    with answering({"GETSCRIPT": b'"keep;"\r\nOK\r\n'}) as server:
        done = sieve(*arguments, "--no-starttls", server=f"127.0.0.1:{server.port}", stdin=b"keep;")
    assert done.returncode == status, done.stderr
    assert done.stderr


def test_without_a_password_nobody_is_asked_where_nobody_is() -> None:
    done = sieve("list", server="127.0.0.1:1", password="")
    assert done.returncode == 77
    assert "--password-file" in done.stderr
