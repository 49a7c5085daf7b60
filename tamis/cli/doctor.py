"""doctor - `tamis doctor`: what this host lacks for Tamis to work, each finding with what to do about it.

It looks and changes nothing. Only what holds for every program is asked here; `tamis check` reads the configuration.
"""

from __future__ import annotations

import argparse
import grp
import json
import os
import pwd
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from tamis.cli import site_postfix, site_users
from tamis.cli.check import problems
from tamis.cli.flags import add_config
from tamis.cli.programs import PROGRAMS, assemble_of
from tamis.cli.site_scripts import findings
from tamis.config.command import styled
from tamis.config.load import Loader, default_path, read
from tamis.errors import ConfigError, TamisError
from tamis.outcome import EX_OK
from tamis.service.address import UnixAddress, parse_address

SOMETHING_FOUND = 1
RED, GREEN = 31, 32  # ECMA-48 section 8.3.117
OUR_NAMES = ("tamis", "policyd", "milters", "lda")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. advice: what to do, "" where all is well."""

    topic: str
    text: str
    advice: str = ""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="findings as a JSON list")


def run(args: argparse.Namespace) -> int:
    """Print the findings; 1 if one of them needs the admin."""
    found = list(examine(args.config or default_path()))
    if args.json:
        print(json.dumps([asdict(finding) for finding in found]))
    else:
        for finding in found:
            print(_line(finding))
    return SOMETHING_FOUND if any(finding.advice for finding in found) else EX_OK


def _line(finding: Finding) -> str:
    mark = styled("!! ", RED, sys.stdout) if finding.advice else styled("ok ", GREEN, sys.stdout)
    advice = f"\n      {finding.advice}" if finding.advice else ""
    return f"{mark} {finding.topic}: {finding.text}{advice}"


def examine(path: Path) -> Iterator[Finding]:
    """Everything, the ground first: later findings rest on earlier ones."""
    yield from _packages()
    try:
        found = problems(path)
    except ConfigError as exc:
        found = list(exc.problems)
    if found:
        advice = "mend it; `tamis check` lists every problem"
        yield Finding("configuration", f"{len(found)} problems, the first: {found[0]}", advice)
        return
    yield Finding("configuration", f"{path} has no problems")
    document = read(path)
    for program in PROGRAMS:
        yield from _program(program, assemble_of(program)(Loader(document)))
    yield from (Finding("postfix", text, advice) for text, advice in site_postfix.findings())


def _packages() -> Iterator[Finding]:
    """The names of our packages are common words: another distribution's would overwrite ours silently."""
    owners = packages_distributions()
    strangers = {owner for name in OUR_NAMES for owner in owners.get(name, ()) if owner != "tamis"}
    if strangers:
        advice = "install Tamis into an environment of its own (README)"
        yield Finding(
            "packages", f"{', '.join(sorted(strangers))} also installs {', '.join(OUR_NAMES)}", advice
        )
    else:
        yield Finding("packages", f"{', '.join(OUR_NAMES)} are ours")


def _program(program: str, assembled: Any) -> Iterator[Finding]:
    root = assembled[0] if isinstance(assembled, tuple) else assembled
    table = next(getattr(root, name) for name in ("policyd", "milter", "lda") if hasattr(root, name))
    yield from _accounts(program, table)
    for spec in _listeners(table):
        yield from _socket(program, spec)
    if hasattr(root, "store"):
        yield _store(program, root.store)
    if hasattr(table, "sieve"):
        yield from (Finding(program, text, advice) for text, advice in findings(table.sieve))
    if hasattr(table, "users"):
        yield from (Finding(program, text, advice) for text, advice in site_users.findings(table.users))
    if isinstance(assembled, tuple) and hasattr(root, "dns"):
        yield from _services(root.dns, assembled[1])


def _accounts(program: str, table: Any) -> Iterator[Finding]:
    for kind, name, look_up in (("user", table.user, pwd.getpwnam), ("group", table.group, grp.getgrnam)):
        try:
            if name:
                look_up(name)
        except KeyError:
            tool = "useradd --system" if kind == "user" else "groupadd --system"
            yield Finding(
                program, f"there is no {kind} {name}", f"{tool} {name}, or another {kind} in tamis.toml"
            )


def _listeners(table: Any) -> Iterable[str]:
    listen = table.listen
    handoff = getattr(table, "handoff", "")
    return [*([listen] if isinstance(listen, str) else listen), *([handoff] if handoff else [])]


def _socket(program: str, spec: str) -> Iterator[Finding]:
    address = parse_address(spec)
    if not isinstance(address, UnixAddress):
        return
    directory = Path(address.path).parent
    if not directory.is_dir():
        advice = "contrib/systemd/tamis.tmpfiles.conf makes it"
        yield Finding(program, f"the directory {directory} for its socket does not exist", advice)
    elif os.path.exists(address.path):
        yield Finding(program, f"its socket {address.path} is there")
    else:
        yield Finding(program, f"its socket {address.path} is not there", f"start {program}")


def _store(program: str, config: Any) -> Finding:
    """Whether the state store answers, asked as a program asks: a look that takes nothing."""
    import asyncio
    import time

    from tamis.store import Window, open_store
    from tamis.store.address import SqliteAddress
    from tamis.store.address import parse_address as parse_url

    where = parse_url(config.url)
    if isinstance(where, SqliteAddress) and not where.path.exists():  # made by us it would be root's
        return Finding(program, f"the state store {where.path} is not there yet; the program makes it")

    async def look() -> None:
        store = open_store(config)
        try:
            await store.charge("doctor", [Window(1, 1.0)], 0, time.time())
        finally:
            await store.close()

    try:
        asyncio.run(look())
    except TamisError as exc:
        return Finding(program, f"the state store does not answer: {exc}", "see [store] in tamis.toml")
    return Finding(program, "the state store answers")


def _services(config: Any, checks: Any) -> Iterator[Finding]:
    """What the checks find that depend on somebody else's service, DNS lists among them."""
    import asyncio

    from tamis.check import SelfTesting
    from tamis.dns import DnsResolver

    async def ask(check: SelfTesting) -> list[tuple[str, str]]:
        return await check.self_test(DnsResolver(config))

    for configured in checks:
        if configured.mode != "off" and isinstance(configured.check, SelfTesting):
            for text, advice in asyncio.run(ask(configured.check)):
                yield Finding(f"check {configured.label}", text, advice)
