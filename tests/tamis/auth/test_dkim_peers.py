"""DKIM and ARC against dkimpy and OpenDKIM, both ways, on the corpus of real mail: what one makes the other accepts."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dkim as dkimpy
import pytest

from tamis.auth import arc, arc_seal
from tamis.auth.keys import SigningKey
from tamis.dns import ZoneResolver
from tamis.mail.message import Message
from tests.tamis.auth.site import ED25519, RSA, ZONE, signed, signer, verify

CORPUS = Path(__file__).parents[2] / "corpus"
CANONS = [(header, body) for header in ("simple", "relaxed") for body in ("simple", "relaxed")]
AUTHSERV = b"Authentication-Results: mx.test; arc=none; spf=pass smtp.mailfrom=a@example.org\r\n"


def messages() -> Iterator[Any]:
    for path in sorted(CORPUS.glob("*/*")):
        raw = path.read_bytes()
        if path.parent.name != "licences" and dkimpy_reads(with_crlf(raw)):
            yield pytest.param(with_crlf(raw), id=path.name)


def with_crlf(raw: bytes) -> bytes:
    """Without the line before a message of an mbox, which neither signs."""
    if raw.startswith((b"From ", b">From ")):
        raw = raw.partition(b"\n")[2]
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def dkimpy_reads(raw: bytes) -> bool:
    """It raises for a header section with a line that is no field, and for none."""
    try:
        fields, _ = dkimpy.rfc822_parse(raw)
    except (dkimpy.MessageFormatError, IndexError):
        return False
    return any(name.lower() == b"from" for name, _ in fields)


def dns(name: bytes, timeout: int = 5) -> bytes | None:
    for record in ZONE.get(name.decode().rstrip("."), ()):
        return "".join(record["TXT"]).encode()
    return None


def pem(key: SigningKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


MESSAGES = list(messages())


@pytest.mark.parametrize("raw", MESSAGES)
def test_dkimpy_and_we_accept_each_other(raw: bytes) -> None:
    for header, body in CANONS:
        assert dkimpy.verify(signed(raw, header_canon=header, body_canon=body), dnsfunc=dns)
        theirs = dkimpy.sign(
            raw,
            b"r",
            b"example.org",
            pem(RSA),
            canonicalize=(header.encode(), body.encode()),
            include_headers=[b"from", b"from", b"subject", b"to"],
        )
        assert verify(theirs + raw, now=time.time())[0].result == "pass"


def chain(raw: bytes) -> arc.ArcResult:
    return asyncio.run(arc.verify(Message(raw), ZoneResolver(ZONE), time.time()))


@pytest.mark.parametrize("raw", MESSAGES)
def test_chains_of_dkimpy_and_ours_in_turn_hold_for_both(raw: bytes) -> None:
    message = Message(raw)
    kept = [
        f.raw for f in message.headers if not f.name.lower().startswith(("arc-", "authentication-results"))
    ]
    raw = AUTHSERV + b"".join(kept) + b"\r\n" + message.body
    for _ in range(2):
        fields = arc_seal.seal(Message(raw), signer(), b"mx.test; spf=pass", chain(raw).cv, time.time())
        assert fields
        raw = b"".join(field + b"\r\n" for field in fields) + raw
        assert dkimpy.arc_verify(raw, dnsfunc=dns)[0] == dkimpy.CV_Pass
        raw = raw.replace(AUTHSERV, AUTHSERV.replace(b"arc=none", b"arc=pass"))
        sets = dkimpy.arc_sign(
            raw, b"r", b"example.org", pem(RSA), b"mx.test", include_headers=[b"from", b"subject"]
        )
        raw = b"".join(sets) + raw
        assert (chain(raw).cv, chain(raw).oldest_pass) == ("pass", 0)


@pytest.mark.skipif(not shutil.which("opendkim"), reason="opendkim is not installed")
def test_opendkim_accepts_what_we_sign(tmp_path: Path) -> None:
    """All messages in one run, each signed by an rsa and an ed25519 key; it splits no message as we do not."""
    keys = "".join(
        f"{name} {''.join(records[0]['TXT'])}\n" for name, records in ZONE.items() if records != ["TIMEOUT"]
    )
    (tmp_path / "keys").write_text(keys)
    (tmp_path / "conf").write_text(f"Mode v\nTestPublicKeys {tmp_path}/keys\nOn-BadSignature accept\n")
    names = []
    for number, message in enumerate(MESSAGES):
        (raw,) = message.values
        assert isinstance(raw, bytes)
        if unsuited(raw):
            continue
        header, body = CANONS[number % 4]
        raw = signed(raw, now=time.time(), header_canon=header, body_canon=body)
        raw = signed(raw, now=time.time(), key=ED25519, selector="e", header_canon=header, body_canon=body)
        (tmp_path / f"{number}.eml").write_bytes(raw)
        names.append(str(tmp_path / f"{number}.eml"))
    command = ["opendkim", "-x", str(tmp_path / "conf"), "-vvv", "-t", ",".join(names)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    told = done.stdout.decode("utf-8", "replace")
    ours = told.count("dkim=pass header.d=example.org") + told.count(
        "dkim=pass (1024-bit key) header.d=example.org"
    )
    assert ours == 2 * (len(names) - told.count("bad message/signature format"))
    assert len(names) > 50


def unsuited(raw: bytes) -> bool:
    """Its test mode reads a file line by line and knows neither NUL nor long lines, and wants each line's CRLF."""
    lines = raw.split(b"\r\n")
    return (
        b"\0" in raw
        or b"\r" in raw.replace(b"\r\n", b"")
        or max(map(len, lines)) > 900
        or not raw.endswith(b"\r\n")
    )


@pytest.mark.skipif(not shutil.which("opendkim"), reason="opendkim is not installed")
def test_we_accept_what_opendkim_signs(tmp_path: Path) -> None:
    """In test mode it prints the field that it would insert. It signs nothing that has no author."""
    (tmp_path / "key").write_bytes(pem(RSA))
    configuration = (
        f"Mode s\nKeyTable csl:k=example.org:r:{tmp_path}/key\nSigningTable refile:{tmp_path}/who\n"
        "SignatureAlgorithm rsa-sha256\nRequireSafeKeys no\nInternalHosts csl:0.0.0.0/0\nOversignHeaders From\n"
    )
    (tmp_path / "who").write_text("* k\n")
    count = 0
    for message in MESSAGES:
        (raw,) = message.values
        assert isinstance(raw, bytes)
        if unsuited(raw):
            continue
        (tmp_path / "m.eml").write_bytes(raw)
        (tmp_path / "conf").write_text(f"{configuration}Canonicalization {'/'.join(CANONS[count % 4])}\n")
        command = ["opendkim", "-x", str(tmp_path / "conf"), "-vvv", "-t"]
        done = subprocess.run(
            [*command, str(tmp_path / "m.eml")], capture_output=True, check=False, timeout=30
        )
        field = re.search(rb"hname='DKIM-Signature' hvalue='([^']*)'", done.stdout)
        if field:
            signature = b"DKIM-Signature: " + field[1].strip().replace(b"\n", b"\r\n") + b"\r\n"
            fact = verify(signature + raw, now=time.time())[0]
            assert (message.id, fact.result, fact.reason) == (message.id, "pass", "")
            count += 1
    assert count > 40
