"""Which server --server names."""

from __future__ import annotations

import pytest

from tamis.cli.sieve.managesieve.account import parse_server
from tamis.cli.sieve.managesieve.trouble import Trouble


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail.example.org", ("", "mail.example.org", 4190)),
        ("mail.example.org:2000", ("", "mail.example.org", 2000)),
        ("[::1]:2000", ("", "::1", 2000)),
        ("alice@mail.example.org", ("alice", "mail.example.org", 4190)),
        ("sieve://mail.example.org/", ("", "mail.example.org", 4190)),
        ("sieve://alice%40example.org@mail.example.org:1/", ("alice@example.org", "mail.example.org", 1)),
        ("sieve://alice@example.org@mail.example.org", ("alice@example.org", "mail.example.org", 4190)),
    ],
)
def test_a_server_is_a_host_or_a_url(text: str, expected: tuple[str, str, int]) -> None:
    assert parse_server(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://h/",
        "h:port",
        "h:70000",
        "sieve://h/script",
        "sieve://:1/",
        "sieve://a:secret@h/",
        "h?x",
        "h\x1b",
    ],
)
def test_what_is_no_server_is_a_wrong_call(text: str) -> None:
    with pytest.raises(Trouble) as caught:
        parse_server(text)
    assert caught.value.status == 64
    assert "secret" not in f"{caught.value} {caught.value.advice}"
