"""Whatever is configured, what `--changed` prints of it is the same configuration; whatever is written, the
programs say what is wrong with it and do not fall over."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lda.config
import milters.config
import policyd.config
from tamis.config.catalogue import Table, tables_of
from tamis.config.changes import changes
from tamis.config.load import Built, Loader, parse
from tamis.config.schema import Duration, FileMode, Rate, Size
from tamis.config.units import MAX_COUNT, MAX_DURATION_S
from tamis.errors import ConfigError
from tests.tamis.config.sample import Door, Inner, Peer, Root, built

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
integers = st.integers(-(2**63) + 1, 2**63 - 1)
rates = st.builds(Rate, st.integers(1, MAX_COUNT), st.floats(1e-6, MAX_DURATION_S).map(lambda s: round(s, 9)))
networks = st.one_of(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)),
    st.tuples(st.integers(2**32, 2**128 - 1), st.integers(0, 128)),
).map(lambda pair: ip_network(pair, strict=False))
inners = st.builds(
    Inner,
    size=st.integers(1, 1 << 30).map(Size),
    ratio=st.floats(0, 1),
    labels=st.dictionaries(texts, integers, max_size=3),
)
peers = st.builds(Peer, name=texts, weight=st.integers(1, 2**63 - 1))
doors = st.builds(
    Door,
    listen=st.lists(texts.map(lambda name: f"unix:/{name}"), min_size=1, max_size=3).map(tuple),
    mode=st.integers(0, 0o777).map(FileMode),
    wait=st.floats(0.01, 90).map(lambda s: Duration(round(s, 9))),
    peers_max=st.integers(1, 1000),
    strict=st.booleans(),
    order=st.sampled_from(["first", "last"]),
    path=texts.filter(bool).map(Path),
    networks=st.lists(networks, max_size=3).map(tuple),
    rates=st.lists(rates, max_size=3).map(tuple),
    uid=st.none() | integers.filter(lambda uid: uid != 13),
    inner=inners,
    peers=st.lists(peers, max_size=3).map(tuple),
)


@settings(deadline=None)
@given(st.builds(Root, hostname=texts, policyd=doors))
def test_any_configuration_is_printed_such_that_it_is_read_again(root: Root) -> None:
    """Secrets aside: those are masked."""
    loader = Loader(parse("t.toml", ""))
    loader.built.append(Built((), root))
    assert built("\n".join(f"{change.key} = {change.value}" for change in changes(loader))) == root


ODD = [
    '""', r'"\u001b[2J"', r'"a\r\nb"', "0", "-1", "9" * 19, "9" * 40, "1.5", "nan", "-inf", "true", "[]", "{}",
    "[[]]", '[1, "a"]', "{x = 1}", "1979-05-27", "10:00:00", '"unix:"', '"inet:a:99999"', '"inet:[::1]:0"', '"::"',
    '"😀"', '"/"', '"%"', '"{"', '"{}"', '"0s"', '"100y"', '"1TiB"', '"0/1h"', '"1/0s"', '"redis://[/"',
    '"sqlite://"', '"redis://h:x"', '["", ""]', '["unix:/a", "unix:/a"]', '"REJECT"', '"(("', '["("]',
    '{file = ""}', '{env = "a=b"}', r'{file = "\u0000"}', '{file = "/dev/zero"}', '"~x"', f'"{"a" * 300}"',
]  # fmt: skip


@pytest.mark.parametrize("program", [policyd.config.assemble, milters.config.assemble, lda.config.assemble])
def test_no_value_of_any_option_is_too_odd_to_be_judged(program: Callable[[Loader], Any]) -> None:
    """Also the `problems` of each dataclass hold whatever stands there; what they say fits a terminal."""
    for table in tables_of(program):
        for row in table.rows:
            for value in ODD:
                for problem in problems_of(program, text_of(table, row.name, value)):
                    assert problem.isprintable()
                    assert len(problem) < 500


def text_of(table: Table, name: str, value: str) -> str:
    """A file in which only the option *name* is odd: those of a template are there too."""
    others = [f"{row.name} = {row.default}" for row in table.rows if row.default and row.name != name]
    return "\n".join([table.header, *(() if table.given else others), f"{name} = {value}"])


def problems_of(program: Callable[[Loader], object], text: str) -> list[str]:
    try:
        loader = Loader(parse("t.toml", text))
    except ConfigError as exc:  # not even TOML: digits without end
        return [str(exc)]
    program(loader)
    return [str(problem) for problem in loader.problems()]
