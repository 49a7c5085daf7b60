"""clients - what a mail program and a Prometheus do, with the standard library: SMTP, IMAP, POP3, ManageSieve,
/metrics. Certificates are not verified: the house signs its own.
"""

from __future__ import annotations

import base64
import imaplib
import io
import poplib
import re
import smtplib
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from demo.layout import HOST, Ports

TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server said to a command."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


def tls() -> ssl.SSLContext:
    """A context that takes any certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def outside(port: int, address: str, name: str) -> Iterator[smtplib.SMTP]:
    """An SMTP session of a host of the outside: Postfix takes *address* and *name* for the client's (XCLIENT)."""
    with smtplib.SMTP(HOST, port, name, TIMEOUT_S) as client:
        client.ehlo()
        client.docmd("XCLIENT", f"ADDR={address} NAME={name} HELO={name}")
        client.ehlo()
        yield client


@contextmanager
def submission(port: int, user: str, password: str) -> Iterator[smtplib.SMTP]:
    """An SMTP session of a user who has logged in after STARTTLS. Raises smtplib.SMTPException."""
    with smtplib.SMTP(HOST, port, "laptop.example.org", TIMEOUT_S) as client:
        client.starttls(context=tls())
        client.ehlo()
        client.user, client.password = user, password
        client.auth("PLAIN", client.auth_plain)  # once: login() would try all mechanisms
        yield client


def send(client: smtplib.SMTP, sender: str, recipient: str, raw: bytes) -> Reply:
    """One transaction; *raw* has CRLF ends, the last line too. The reply is the last one: to the step that was refused.

    smtplib's sendmail would rewrite line ends; the bytes sent here are *raw*, dot-stuffed."""
    for command in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "DATA"):
        reply = ask(client, command)
        if reply.code >= 400:
            client.docmd("RSET")
            return reply
    client.send(re.sub(rb"(?m)^\.", b"..", raw) + b".\r\n")
    return _reply(client.getreply())


def ask(client: smtplib.SMTP, command: str) -> Reply:
    """One command and its reply."""
    return _reply(client.docmd(command))


def _reply(answer: tuple[int, bytes]) -> Reply:
    return Reply(answer[0], answer[1].decode("ascii", "backslashreplace").replace("\n", " "))


@contextmanager
def imap(ports: Ports, user: str, password: str, *, implicit_tls: bool = False) -> Iterator[imaplib.IMAP4]:
    """A logged-in IMAP session, on 143's stand-in with STARTTLS or on 993's."""
    client: imaplib.IMAP4
    if implicit_tls:
        client = imaplib.IMAP4_SSL(HOST, ports.imaps, ssl_context=tls(), timeout=TIMEOUT_S)
    else:
        client = imaplib.IMAP4(HOST, ports.imap, TIMEOUT_S)
        client.starttls(tls())
    try:
        client.login(user, password)
        yield client
    except BaseException:
        client.shutdown()
        raise
    client.logout()


def messages(client: imaplib.IMAP4, mailbox: str) -> list[bytes]:
    """All messages of *mailbox*, oldest first, as IMAP gives them (CRLF ends); [] if there is no such mailbox."""
    if client.select(f'"{mailbox}"', readonly=True)[0] != "OK":
        return []
    found = client.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]
    return [part[1] for part in found if isinstance(part, tuple)]


@contextmanager
def pop3(ports: Ports, user: str, password: str, *, implicit_tls: bool = False) -> Iterator[poplib.POP3]:
    """A logged-in POP3 session, on 110's stand-in with STLS or on 995's."""
    client: poplib.POP3
    if implicit_tls:
        client = poplib.POP3_SSL(HOST, ports.pop3s, timeout=TIMEOUT_S, context=tls())
    else:
        client = poplib.POP3(HOST, ports.pop3, TIMEOUT_S)
        client.stls(tls())
    try:
        client.user(user)
        client.pass_(password)
        yield client
    except BaseException:
        client.close()
        raise
    client.quit()


def retrieve(client: poplib.POP3) -> list[bytes]:
    """All messages, as POP3 gives them (CRLF ends). poplib refuses lines of more than 2,048 bytes."""
    count, _ = client.stat()
    return [b"\r\n".join([*client.retr(number)[1], b""]) for number in range(1, count + 1)]


def upload_script(port: int, user: str, password: str, script: str) -> Reply:
    """Put *script* on the server by ManageSieve (RFC 5804) and make it the active one: 250 or 550 with the
    server's words."""
    with socket.create_connection((HOST, port), TIMEOUT_S) as plain:
        _managesieve(plain.makefile("rwb"), None)
        plain.sendall(b"STARTTLS\r\n")
        if not plain.recv(4096).startswith(b"OK"):
            return Reply(454, "the server has no TLS")
        with tls().wrap_socket(plain, server_hostname=HOST) as secure, secure.makefile("rwb") as stream:
            _managesieve(stream, None)
            login = base64.b64encode(f"\0{user}\0{password}".encode()).decode("ascii")
            raw = script.encode()
            for command in (
                f'AUTHENTICATE "PLAIN" "{login}"'.encode(),
                b'PUTSCRIPT "demo" {%d+}\r\n%s' % (len(raw), raw),
                b'SETACTIVE "demo"',
                b"LOGOUT",
            ):
                status, words = _managesieve(stream, command)
                if status != "OK":
                    return Reply(550, words)
    return Reply(250, "active")


def _managesieve(stream: io.BufferedRWPair, command: bytes | None) -> tuple[str, str]:
    """Send *command*, or only read the greeting; returns OK, NO or BYE, and the words after it."""
    if command is not None:
        stream.write(command + b"\r\n")
        stream.flush()
    while line := stream.readline():
        status, _, words = line.decode("utf-8", "backslashreplace").strip().partition(" ")
        if status.upper() in {"OK", "NO", "BYE"}:
            literal = re.search(r"\{(\d+)\}$", words)
            if literal:
                words = stream.read(int(literal[1])).decode("utf-8", "backslashreplace")
            return status.upper(), words
    return "BYE", "the server hung up"


Page = dict[tuple[str, frozenset[tuple[str, str]]], float]
"""One /metrics page: (name, labels) -> value."""


def metrics(port: int) -> Page:
    """The page as a Prometheus reads it. Raises OSError, or ValueError if it is no such page."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{HOST}:{port}/metrics", timeout=TIMEOUT_S) as answer:
        text = answer.read().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(page: Page, name: str, **labels: str) -> float:
    """The sum of the samples *name* that have *labels*."""
    wanted = labels.items()
    return sum(value for (found, has), value in page.items() if found == name and wanted <= has)
