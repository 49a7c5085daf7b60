"""Private keys: which files are read, and which are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tamis.auth.dkim_key import BadKey, load_public, parse_record
from tamis.auth.keys import load_key, make_key, read_key, zone_line
from tests.growth import assert_cheaper
from tests.tamis.auth.site import ED25519, RSA


@pytest.mark.parametrize("style", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_pem_of_either_style_and_the_seed_of_rfc_8463(style: PrivateFormat) -> None:
    pem = RSA.key.private_bytes(Encoding.PEM, style, NoEncryption())
    assert load_key(pem).public == RSA.public
    assert load_key(ED25519.pem).public == ED25519.public
    assert ED25519.record == "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def test_what_is_published_is_what_verifiers_load() -> None:
    for key in (RSA, ED25519):
        assert load_public(parse_record(key.record.encode())).octets == key.public


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o666, 0o620, 0o660, 0o601])
def test_a_file_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_bytes(RSA.pem)
    path.chmod(mode)
    with pytest.raises(BadKey, match="chmod 0600"):
        read_key(path)
    assert read_key(path, exposed=True).public == RSA.public


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_a_file_of_the_owner_and_perhaps_the_group_is_read(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    path.write_bytes(RSA.pem)
    path.chmod(mode)
    assert read_key(path).public == RSA.public


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        b"AAAA",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"\xff",
        RSA.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")),
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
    ],
)
def test_what_is_no_key_of_ours_is_refused(data: bytes) -> None:
    with pytest.raises(BadKey):
        load_key(data)


def test_a_length_that_no_verifier_accepts_is_refused() -> None:
    with pytest.raises(BadKey):
        make_key("rsa", 512)
    with pytest.raises(BadKey):
        make_key("rsa", 8192)


def test_a_zone_line_holds_strings_of_255_at_most() -> None:
    assert zone_line("s._domainkey.a.example", "x") == 's._domainkey.a.example. IN TXT "x"'
    line = zone_line("s._domainkey.a.example", "x" * 600)
    assert max(text.count("x") for text in line.splitlines()) == 255
    assert line.count("x") - line.count("example") == 600


def test_a_damaged_key_is_refused() -> None:
    """It would sign what nobody can verify. (With one number of these wrong OpenSSL finds another way.)"""
    assert isinstance(RSA.key, rsa.RSAPrivateKey)
    whole = RSA.key.private_numbers()
    numbers = {name: getattr(whole, name) for name in ("p", "q", "d", "dmp1", "dmq1", "iqmp")}
    numbers["d"] += 2
    numbers["dmp1"] += 2
    damaged = rsa.RSAPrivateNumbers(**numbers, public_numbers=whole.public_numbers)
    key = damaged.private_key(unsafe_skip_rsa_key_validation=True)
    with pytest.raises(BadKey, match="damaged"):
        load_key(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def test_a_key_of_4096_bits_is_read_in_no_time() -> None:
    """Thousands of domains have thousands of them, and SIGHUP reads all: OpenSSL's own look at the primes takes 100
    times as long."""
    assert_cheaper(load_key, lambda pem: load_pem_private_key(pem, None), make_key("rsa", 4096).pem)
