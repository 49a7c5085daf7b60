"""push - `tamis sieve push FILE...`: put scripts on a server by ManageSieve, after checks here and there.

A script is stored whole or not at all. The one in use stays in use, with its old content if the new one is refused.
"""

from __future__ import annotations

import argparse
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize

from tamis.cli.message_file import read_octets
from tamis.cli.sieve.check import tell
from tamis.cli.sieve.managesieve import account
from tamis.cli.sieve.managesieve.command import converse, told
from tamis.cli.sieve.managesieve.trouble import Trouble, script_wrong
from tamis.cli.sieve.site import site_of
from tamis.errors import ConfigError
from tamis.log import safe
from tamis.outcome import EX_DATAERR, EX_NOINPUT, EX_OK, EX_TEMPFAIL, EX_USAGE

if TYPE_CHECKING:
    from lda.sieve import Diagnostic, Limits, Place
    from tamis.cli.sieve.managesieve.protocol import Reply
    from tamis.cli.sieve.managesieve.session import Session

MAX_SCRIPT_BYTES = 8 << 20

_CRLF = re.compile(r"\r?\n")

_EXAMPLES = """\
  tamis sieve push --server mail.example.org --user alice@example.org --activate main.sieve
  tamis sieve push --server sieve://alice@mail.example.org/ --name Holidays vacation.sieve
  tamis sieve push --server mail.example.org a.sieve b.sieve

The name on the server is that of the file, without .sieve. A script of that name is replaced; if it is the active
one, the new one is active at once. Nothing is sent unless all scripts are good, by our own check and the server's.
"""


@dataclass(frozen=True, slots=True)
class _Script:
    """A script on its way. file: how findings call it."""

    file: str
    name: str
    content: str


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="a script; - reads one from stdin")
    parser.add_argument("--name", metavar="NAME", help="its name on the server, for one script")
    parser.add_argument(
        "--activate", action="store_true", help="let it filter mail from now on, for one script"
    )
    parser.add_argument(
        "--no-check", action="store_true", help="do without our own check: the server's alone counts"
    )
    account.arguments(parser, _EXAMPLES)


def run(args: argparse.Namespace) -> int:
    """Check all, then store all; 65 if one of them has errors."""
    try:
        scripts = _scripts(args)
        if not args.no_check:
            _check_here(scripts)
    except Trouble as trouble:
        return told(args, trouble)
    return converse(args, partial(_push, scripts, args.activate))


def _scripts(args: argparse.Namespace) -> list[_Script]:
    """Raises Trouble."""
    if len(args.files) > 1 and (args.name is not None or args.activate):
        raise Trouble("--name and --activate are for one script", EX_USAGE)
    if "-" in args.files and args.name is None:
        raise Trouble("a script from stdin needs a --name", EX_USAGE)
    scripts = [_Script(file, normalize("NFC", args.name or _name(file)), _read(file)) for file in args.files]
    if len({script.name for script in scripts}) < len(scripts):
        raise Trouble("two of the files would have the same name on the server", EX_USAGE)
    return scripts


def _name(file: str) -> str:
    return Path(file).name.removesuffix(".sieve")


def _read(file: str) -> str:
    try:
        raw = read_octets(file, MAX_SCRIPT_BYTES)
    except OSError as exc:
        raise Trouble(f"{file}: {exc.strerror}", EX_NOINPUT) from exc
    if len(raw) > MAX_SCRIPT_BYTES:
        raise Trouble(f"{file}: larger than {MAX_SCRIPT_BYTES} bytes", EX_DATAERR)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise Trouble(f"{file}:{line}: not UTF-8, as RFC 5228 wants it", EX_DATAERR) from None


def _check_here(scripts: list[_Script]) -> None:
    """Print all findings of our own. Raises Trouble for errors."""
    from lda import sieve

    found: list[Diagnostic] = []
    errors, limits = 0, _limits()
    for script in scripts:
        try:
            included = partial(_included, script, scripts, found)
            found += sieve.compile_script(
                script.content.encode(), script.file, limits=limits, library=included
            ).warnings
        except sieve.ScriptError as error:
            found += error.diagnostics
            errors += len(error.errors)
    if errors:
        tell(found, errors, len(scripts))
        raise script_wrong(len(scripts))
    for finding in found:
        print(finding.render())


def _limits() -> Limits:
    """This host's, if its configuration can be read; the server's may be others."""
    try:
        return site_of(None, here=True).scripts.limits.limits()
    except ConfigError:
        return site_of(None, here=False).scripts.limits.limits()


def _included(script: _Script, scripts: list[_Script], found: list[Diagnostic], place: Place) -> bytes:
    """What *script* includes: one that goes to the server with it, or a file beside it. What only the server has counts
    as empty."""
    from lda.sieve import Diagnostic, Severity, Source

    if place.location == "personal":
        for given in scripts:
            if given.name == place.name:
                return given.content.encode()
        if script.file != "-":
            with suppress(OSError), (Path(script.file).parent / f"{place.name}.sieve").open("rb") as file:
                return file.read(MAX_SCRIPT_BYTES)
    text = f"included {place} was not looked at"
    found.append(Diagnostic(source=Source(script.file), text=text, severity=Severity.WARNING))
    return b""


def _push(scripts: list[_Script], activate: bool, session: Session) -> int:
    for script in scripts:
        session.reserve(script.name, len(_CRLF.sub("\r\n", script.content).encode()))
    if session.can_check:
        for script in scripts:
            _judge(script, session.check(script.content), "nothing was stored")
    for number, script in enumerate(scripts):
        try:
            _store(script, session)
        except Trouble:
            for stored in scripts[:number]:
                print(f"{safe(stored.name)}: stored")
            raise
    if activate:
        _activate(scripts[0].name, session)
    active = {listed.name for listed in session.scripts() if listed.active}
    for script in scripts:
        state = "active" if script.name in active else "not the active one"
        print(f"{safe(script.name)}: stored, {state}")
    return EX_OK


def _store(script: _Script, session: Session) -> None:
    try:
        reply = session.put(script.name, script.content)
    except Trouble as trouble:
        if trouble.status == EX_TEMPFAIL and not trouble.advice.startswith("the server asks"):
            advice = "whether it was stored is not known; `tamis sieve get` tells"
            raise Trouble(f"{safe(script.name)}: {trouble}", EX_TEMPFAIL, advice) from trouble
        raise
    _judge(script, reply, "it was not stored", warnings=not session.can_check)


def _activate(name: str, session: Session) -> None:
    try:
        session.activate(name)
    except Trouble as trouble:
        text = f"{safe(name)}: stored, but it may not be the active one: {trouble}"
        raise Trouble(text, trouble.status, "`tamis sieve list` shows which is") from trouble


def _judge(script: _Script, reply: Reply, consequence: str, *, warnings: bool = True) -> None:
    """Print what the server says about the script. Raises Trouble if it does not take it."""
    from tamis.cli.sieve.managesieve.findings import findings, shown

    failed = reply.status != "OK"
    if failed or (warnings and reply.code == "WARNINGS"):
        for finding in findings(reply.text, script.file, failed):
            print(shown(finding, script.content))
    if failed:
        raise Trouble(f"{safe(script.file)}: the server does not take the script; {consequence}", EX_DATAERR)
