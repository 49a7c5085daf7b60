"""zone - where a command asks its DNS questions: this host's resolver, or a zone file that stands in for the world.

The file is YAML (or JSON): a name maps to a list of records, each ``{A|AAAA|MX|TXT|SPF|PTR|CNAME|NS: value}``, MX as
[preference, name], TXT as a string or a list of strings; the word TIMEOUT in place of a record means no answer. It
is the form of the RFC 7208 test suite.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tamis.config import load
from tamis.dns import DnsConfig, DnsResolver, Resolver, ZoneResolver
from tamis.errors import ConfigError, Problem

SYSTEM = "resolver"
HELP = "where names are looked up: a zone file, or the word resolver (the default)"

_KINDS = frozenset({"A", "AAAA", "MX", "TXT", "SPF", "PTR", "CNAME", "NS"})


class _Strings(getattr(yaml, "CBaseLoader", yaml.BaseLoader)):  # type: ignore[misc]  # chosen when it runs
    """Every scalar is a string: 1:2 would be a number in YAML, and 192.0.2.1 nearly one; ``!!binary`` is bytes."""


_Strings.add_constructor("tag:yaml.org,2002:binary", lambda _, node: base64.b64decode(node.value))


def resolver(source: str, config: Path | None = None) -> Resolver:
    """For the word ``resolver`` that of ``[dns]`` in *config*; else one that knows the file and nothing else.

    Raises ConfigError with every mistake of the file, OSError."""
    return DnsResolver(_dns(config)) if source == SYSTEM else ZoneResolver(read(Path(source)))


def _dns(path: Path | None) -> DnsConfig:
    """Where no file is named and none is at the usual place: the defaults."""
    if path is None and not load.default_path().exists():
        return DnsConfig()
    loader = load.Loader(load.read(path or load.default_path()))
    config = loader.build(DnsConfig, "dns")
    if problems := [problem for problem in loader.problems() if problem.key.startswith("dns")]:
        raise ConfigError(problems)
    return config


def read(path: Path) -> dict[str, list[Any]]:
    """The records of a zone file, for `ZoneResolver`. Raises ConfigError, OSError."""
    try:
        data = yaml.load(path.read_bytes(), Loader=_Strings)
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        mark = getattr(exc, "problem_mark", None)
        sentence = getattr(exc, "problem", None) or str(exc)
        raise ConfigError([Problem(str(path), mark.line + 1 if mark else 0, "", sentence)]) from exc
    if not isinstance(data, Mapping):
        raise ConfigError([Problem(str(path), 0, "", "no mapping of names to lists of records")])
    problems: list[Problem] = []
    zone: dict[str, list[Any]] = {}
    for name, records in data.items():
        wrong = [sentence for record in _listed(records) if (sentence := _complaint(record))]
        problems += [Problem(str(path), 0, str(name), sentence) for sentence in wrong]
        zone[str(name)] = [] if wrong else _with_txt([_whole(record) for record in _listed(records)])
    if problems:
        raise ConfigError(problems)
    return zone


def _listed(records: Any) -> list[Any]:
    """A single record may stand without its list; an empty value is an empty list."""
    if isinstance(records, list):
        return records
    return [records] if records else []


def _whole(record: Any) -> Any:
    """*record* without the line end that a block of YAML leaves behind a text."""
    if not isinstance(record, Mapping):
        return record
    return {kind: value.rstrip("\n") if isinstance(value, str) else value for kind, value in record.items()}


def _complaint(record: Any) -> str:
    """What is wrong with a record; "" if nothing."""
    if record == "TIMEOUT":
        return ""
    if not isinstance(record, Mapping) or len(record) != 1:
        return f"{record} is no record: write {{TYPE: value}} or TIMEOUT"
    ((kind, value),) = record.items()
    if kind not in _KINDS:
        return f"type {kind} is none of {', '.join(sorted(_KINDS))}"
    return "" if value == "TIMEOUT" or _fits(kind, value) else _SHAPES.get(kind, f"{kind} is no text")


_SHAPES = {
    "MX": "MX is not [preference, name]",
    "TXT": "TXT is neither a string nor a list of strings",
    "SPF": "SPF is neither a string nor a list of strings",
}


def _fits(kind: str, value: Any) -> bool:
    match kind, value:
        case "MX", [str() as preference, str()]:
            return preference.isdecimal()
        case (("TXT" | "SPF"), list()):
            return all(isinstance(text, str | bytes) for text in value)
        case (("TXT" | "SPF"), bytes()):
            return True
        case _:
            return kind != "MX" and isinstance(value, str)


def _with_txt(records: list[Any]) -> list[Any]:
    """The suite's convention: SPF stands for TXT too, unless the name has TXT of its own (NONE: it has no TXT)."""
    plain = [record for record in records if record == "TIMEOUT" or "SPF" not in record]
    if not any("TXT" in record for record in plain if record != "TIMEOUT"):
        plain += [{"TXT": r["SPF"]} for r in records if r != "TIMEOUT" and "SPF" in r]
    return [record for record in plain if record == "TIMEOUT" or record.get("TXT") != "NONE"]
