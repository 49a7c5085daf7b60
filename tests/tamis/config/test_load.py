"""From TOML to frozen dataclasses: every type, defaults, and what stays unread."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest

from tamis.config.load import Loader, default_path, keys_of, load, parse
from tamis.config.schema import Rate, option
from tamis.errors import ConfigError
from tests.tamis.config.sample import Inner, Knock, Peer, Root, assemble, built, complaints

EVERYTHING = """\
hostname = "mx.example.org"
[log]
to = "stderr"
[policyd]
listen = ["unix:/a", "inet:[::1]:1"]
mode = "0600"
wait = "1.5s"
peers_max = 5
strict = false
order = "last"
path = "/srv"
networks = ["10.0.0.0/8", "192.0.2.1", "2001:db8::/32"]
rates = ["1/1s", "10 / 1m"]
password = "swordfish"
url = "redis://h"
uid = 5000
inner = { size = "2kB", ratio = 1, labels = { a = 1, "b c" = 2 } }
[[policyd.peers]]
name = "x"
[[policyd.peers]]
name = "y"
weight = 2
"""


def test_an_empty_file_means_the_defaults() -> None:
    assert built("") == Root()


def test_every_type() -> None:
    root = built(EVERYTHING)
    door = root.policyd
    assert (root.hostname, root.log.to, root.log.level) == ("mx.example.org", "stderr", "info")
    assert (door.listen, door.mode, door.wait) == (("unix:/a", "inet:[::1]:1"), 0o600, 1.5)
    assert (door.peers_max, door.strict, door.order, door.path) == (5, False, "last", Path("/srv"))
    assert door.networks == tuple(map(ip_network, ("10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32")))
    assert door.rates == (Rate(1, 1.0), Rate(10, 60.0))
    assert door.password is not None
    assert (door.password.reveal(), door.url, door.uid) == ("swordfish", "redis://h", 5000)
    assert door.inner == Inner(size=door.inner.size, ratio=1.0, labels={"a": 1, "b c": 2})
    assert (door.inner.size, type(door.inner.ratio)) == (2000, float)
    assert door.peers == (Peer(name="x"), Peer(name="y", weight=2))


def test_a_table_that_is_given_in_part_keeps_the_rest_of_its_option() -> None:
    """The default of the option, not that of the table's class."""
    assert built("policyd.inner.size = 5").policyd.inner.ratio == 0.25


def test_what_is_built_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        built("").policyd.uid = 1  # type: ignore[misc]


def test_nothing_secret_is_in_a_repr() -> None:
    text = repr(built(EVERYTHING))
    assert "swordfish" not in text
    assert "redis://h" not in text


def test_checks_come_in_the_order_of_the_file() -> None:
    rates = 'rates = ["1/1s"]'
    text = (
        f"[policyd.checks.z]\ncheck='knock'\n{rates}\n[policyd.checks.ring]\nmode='shadow'\n{rates}\n"
        f"[policyd.checks.a]\ncheck='ring'\non_error='pass'\ntimes=9\n{rates}\n"
    )
    loader = Loader(parse("t.toml", text))
    _, checks = assemble(loader)
    loader.finish()
    assert [(c.label, c.mode, c.on_error) for c in checks] == [
        ("z", "enforce", "defer"), ("ring", "shadow", "defer"), ("a", "enforce", "pass"),
    ]  # fmt: skip
    ring: object = checks[2].check
    assert ring == Knock(times=9, rates=(Rate(1, 1.0),))


def test_a_plain_value_error_of_a_dataclass_is_a_problem_of_its_table() -> None:
    @dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
    class Picky:
        """It looks at itself."""

        log: int = option(5, "a number")

        def __post_init__(self) -> None:
            if self.log == 6:
                raise ValueError("six is not for us")

    loader = Loader(parse("t.toml", "log = 6"))
    loader.build(Picky)
    with pytest.raises(ConfigError, match=r"^t\.toml: six is not for us$"):
        loader.finish()


def test_building_twice_tells_a_problem_once() -> None:
    loader = Loader(parse("t.toml", "[policyd]\nwait = 5\n"))
    loader.build(Root)
    loader.build(Root)
    assert len(loader.problems()) == 1


def test_a_stand_in_is_not_blamed() -> None:
    """Where a value is bad, what the table says about the default that stands in for it is not about the file."""
    text = "[policyd.checks.knock]\nrates = [1]\n"
    assert len(complaints(text)) == 1


def test_the_path_comes_from_the_environment_or_is_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAMIS_CONFIG", "/x/y.toml")
    assert default_path() == Path("/x/y.toml")
    monkeypatch.setenv("TAMIS_CONFIG", "")
    assert default_path() == Path("/etc/tamis/tamis.toml")


def test_load_returns_what_was_assembled(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    path.write_text(EVERYTHING)
    root, checks = load(path, assemble)
    assert (root.hostname, checks) == ("mx.example.org", ())
    assert keys_of("policyd.checks") == keys_of(("policyd", "checks"))


def test_what_a_delivery_loads_is_small() -> None:
    """tamis-lda starts once for each message."""
    code = (
        "import sys, tamis.config.load; print(*{'asyncio', 'importlib.metadata', 'json'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
