from __future__ import annotations

import pytest

from tamis.service import InetAddress, UnixAddress, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:/run/tamis/policyd", UnixAddress("/run/tamis/policyd")),
        ("unix:/run/a:b", UnixAddress("/run/a:b")),
        ("inet:127.0.0.1:10031", InetAddress("127.0.0.1", 10031)),
        ("inet:[::1]:10031", InetAddress("::1", 10031)),
        ("inet:0.0.0.0:0", InetAddress("0.0.0.0", 0)),
    ],
)
def test_addresses_are_read_as_postfix_writes_them_and_written_so(
    text: str, address: UnixAddress | InetAddress
) -> None:
    assert parse_address(text) == address
    assert str(address) == text


def test_localhost_is_the_loopback_address_of_ipv4() -> None:
    assert parse_address("inet:localhost:25") == InetAddress("127.0.0.1", 25)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "must be"),
        ("/run/x", "must be"),
        ("tcp:127.0.0.1:1", "must be"),
        ("unix:", "slash"),
        ("unix:run/x", "slash"),
        ("unix:/run/a\nb", "printed"),
        ("unix:/run/a\0b", "printed"),
        ("unix:/" + "x" * 107, "too long"),
        ("unix:/" + "d" * 100 + "/x", "too long"),
        ("inet:10031", "IP address"),
        ("inet::10031", "IP address"),
        ("inet:mail.example.org:25", "IP address"),
        ("inet:::1:10031", "brackets"),
        ("inet:127.0.0.1", "IP address"),
        ("inet:127.0.0.1:", "port"),
        ("inet:127.0.0.1:65536", "port"),
        ("inet:127.0.0.1:-1", "port"),
        ("inet:127.0.0.1:٣", "port"),
        ("inet:127.0.0.1:" + "9" * 5000, "port"),
        ("inet:300.0.0.1:25", "IP address"),
    ],
)
def test_what_cannot_be_listened_on_is_refused_with_a_sentence(text: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "exposed"),
    [
        ("inet:127.0.0.1:1", False),
        ("inet:127.8.8.8:1", False),
        ("inet:[::1]:1", False),
        ("inet:0.0.0.0:1", True),
        ("inet:[::]:1", True),
        ("inet:192.0.2.1:1", True),
    ],
)
def test_only_loopback_is_for_this_machine_alone(text: str, exposed: bool) -> None:
    address = parse_address(text)
    assert isinstance(address, InetAddress)
    assert address.exposed is exposed
