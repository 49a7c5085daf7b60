"""session - a conversation with a ManageSieve server: sievelib's client speaks, and we listen for it.

sievelib 1.6 forms commands well, but what it hears can fool or stop it: a warning after OK stays unread and becomes
part of the next reply, names with quotes or as literals are garbled, a script loses its last line end, what was read
before TLS counts as said within it, and nothing has a bound but the time between two reads. So the two methods that
read, the one that begins TLS and the two that return what the server keeps are ours (RFC 5804 section 2).
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sievelib.managesieve import Client, Error

from tamis.cli.sieve.managesieve.account import Account
from tamis.cli.sieve.managesieve.protocol import Replies, Reply, text_of
from tamis.cli.sieve.managesieve.trouble import Trouble, gibberish, refused
from tamis.cli.sieve.managesieve.wire import Wire
from tamis.errors import ProtocolError
from tamis.log import safe
from tamis.outcome import EX_DATAERR, EX_NOINPUT, EX_NOPERM, EX_PROTOCOL, EX_TEMPFAIL, EX_UNAVAILABLE

LOGOUT_S = 2.0  # nothing depends on its answer

_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Listed:
    """A script on the server."""

    name: str
    active: bool


class _Client(Client):  # type: ignore[misc]  # sievelib carries no types
    """sievelib's client with other ears. last: the reply to the command before.

    Overrides methods that sievelib keeps private: pyproject.toml pins its version for that."""

    def __init__(self, account: Account) -> None:
        super().__init__(account.host, account.port)
        self._account = account
        self._context = _context(account)  # before there is a connection: it may raise
        self._replies = Replies()
        self.last = Reply("NO", "", "", "", ())
        self.capabilities: dict[str, str] = {}
        self.sock = Wire(account.host, account.port, account.timeout_s)

    def listen(self) -> Reply:
        """The next reply. Raises Trouble, for BYE too."""
        try:
            while (reply := self._replies.take()) is None:
                self._replies.feed(self.sock.recv(_CHUNK))
        except ProtocolError as exc:
            raise gibberish(str(exc)) from exc
        self.last = reply
        if reply.status == "BYE":
            raise _goodbye(reply)
        return reply

    def say(self, command: str, *arguments: str) -> None:
        """A command whose reply is more than OK or NO. Raises Trouble."""
        self._Client__send_command(command, [argument.encode() for argument in arguments])

    def greet(self) -> None:
        """Read what the server can do. Raises Trouble."""
        if not self._Client__get_capabilities() or "SIEVE" not in self.capabilities:
            raise gibberish("it does not say what it can do")

    def begin_tls(self) -> None:
        """Raises Trouble."""
        if not self.has_tls_support():
            advice = "--no-starttls does without, and lets everybody on the way read the password"
            raise Trouble(f"{self._account.host} offers no TLS", EX_UNAVAILABLE, advice)
        if not self._Client__starttls():
            raise refused("STARTTLS", self.last.code, self.last.text)

    def log_in(self, password: str) -> None:
        """Raises Trouble."""
        if "PLAIN" not in self.capabilities.get("SASL", "").upper().split():
            offered = safe(self.capabilities.get("SASL", ""), 200) or "none"
            advice = (
                "" if self._account.starttls else "it may take a password with TLS: leave out --no-starttls"
            )
            raise Trouble(f"the server does not let a password in (SASL: {offered})", EX_NOPERM, advice)
        if not self._Client__authenticate(self._account.user, password, "", "PLAIN"):
            advice = "are user and password right?"
            raise refused(
                f"log in as {self._account.user}", self.last.code, self.last.text, EX_NOPERM, advice
            )

    # What sievelib calls.

    def _Client__read_response(self, nblines: int = -1) -> tuple[bytes, bytes, bytes]:  # noqa: N802
        reply = self.listen()
        return reply.status.encode(), reply.text.encode(), b""

    def _Client__get_capabilities(self) -> bool:  # noqa: N802
        reply = self.listen()
        pairs = (tuple(map(text_of, (*line, b"")[:2])) for line in reply.lines)
        self.capabilities = {name.upper(): value for name, value in pairs}
        self._Client__capabilities = self.capabilities  # what sievelib asks itself
        return reply.status == "OK"

    def _Client__enable_ssl(self) -> None:  # noqa: N802
        if self._replies.pending:  # it came before TLS and must not count as said within it
            raise gibberish("it goes on talking after STARTTLS")
        self.sock.start_tls(self._context)


class Session:
    """The scripts of one account, from login to logout. Everything raises Trouble."""

    def __init__(self, account: Account, password: str) -> None:
        self._client = _Client(account)
        try:
            self._client.greet()
            if account.starttls:
                self._client.begin_tls()
            self._client.log_in(password)
        except BaseException:
            self._client.sock.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._client.sock.timeout_s = min(self._client.sock.timeout_s, LOGOUT_S)
                self._client.logout()
        except Trouble:
            pass  # everything has been answered
        finally:
            self._client.sock.close()

    @property
    def can_check(self) -> bool:
        """Whether the server is younger than RFC 5804 and so has CHECKSCRIPT."""
        return "VERSION" in self._client.capabilities

    def scripts(self) -> list[Listed]:
        """All scripts, in the server's order."""
        self._client.say("LISTSCRIPTS")
        reply = self._answered("the list")
        return [Listed(text_of(name), mark == ["ACTIVE"]) for name, *mark in reply.lines]

    def content(self, name: str) -> bytes:
        """A script as the server keeps it."""
        with _sayable(name):
            self._client.say("GETSCRIPT", name)
        reply = self._answered(name)
        if len(reply.lines) != 1 or len(reply.lines[0]) != 1 or not isinstance(reply.lines[0][0], bytes):
            raise gibberish("GETSCRIPT brought something else than one script")
        return reply.lines[0][0]

    def reserve(self, name: str, size: int) -> None:
        """Ask whether there is room for a script of *size* bytes."""
        with _sayable(name):
            self._client.havespace(name, size)
        self._answered(name, EX_DATAERR, "is it the name? --name gives another")

    def check(self, content: str) -> Reply:
        """What the server says about a script: NO and errors, or OK and perhaps warnings."""
        self._client.checkscript(content)
        return self._judged("the script")

    def put(self, name: str, content: str) -> Reply:
        """Store a script, whole or not at all; the one that is in use stays in use. As `check`."""
        with _sayable(name):
            self._client.putscript(name, content)
        return self._judged(name)

    def activate(self, name: str) -> None:
        """Make it the one that filters mail; "" for none."""
        with _sayable(name or "none"):
            self._client.setactive(name)
        self._answered(name or "no script")

    def delete(self, name: str) -> None:
        """Servers refuse it for the active one."""
        with _sayable(name):
            self._client.deletescript(name)
        self._answered(name)

    def rename(self, old: str, new: str) -> None:
        """The active script stays active."""
        if not self.can_check:
            raise Trouble("the server cannot rename", EX_UNAVAILABLE, "get, push and delete it")
        with _sayable(old), _sayable(new):
            self._client.renamescript(old, new)
        self._answered(old)

    def _answered(self, what: str, otherwise: int = EX_UNAVAILABLE, advice: str = "") -> Reply:
        """The reply to the last command, which has to be OK."""
        reply = self._client.last
        if reply.status != "OK":
            raise refused(what, reply.code, reply.text, otherwise, advice)
        return reply

    def _judged(self, what: str) -> Reply:
        """The reply to the last command; a NO without a code that we know is the server's opinion of the script."""
        reply = self._client.last
        if reply.status != "OK" and reply.code and reply.code != "WARNINGS":
            raise refused(what, reply.code, reply.text, EX_DATAERR)
        return reply


def _context(account: Account) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=account.ca)
    except OSError as exc:  # ssl.SSLError too
        raise Trouble(f"--ca-file {account.ca}: {exc.strerror or exc}", EX_NOINPUT) from exc
    if not account.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _goodbye(reply: Reply) -> Trouble:
    words = safe(reply.text.strip(), 500) or "no reason given"
    if reply.code == "REFERRAL":
        return Trouble(
            f"the server sends us elsewhere: {words}", EX_UNAVAILABLE, f"--server {safe(reply.argument, 200)}"
        )
    return Trouble(f"the server hung up: {words}", EX_TEMPFAIL, "try again later")


@contextmanager
def _sayable(name: str) -> Iterator[None]:
    """A name that sievelib can say. RFC 5804 section 1.6 forbids controls and the empty name."""
    if (
        not name
        or len(name) > 512
        or any(c < " " or "\x7f" <= c <= "\x9f" or c in "\u2028\u2029" for c in name)
    ):
        raise Trouble(f"{name!r:.100} cannot name a script: 1 to 512 characters, no controls", EX_DATAERR)
    try:
        yield
    except (Error, UnicodeError) as exc:
        raise Trouble(f"{name!r:.100}: {exc}", EX_PROTOCOL) from exc
