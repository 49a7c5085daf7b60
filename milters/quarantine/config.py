"""config - the table ``[milter.quarantine]``: where held messages go, and how they come out again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from milters.addressed import PATTERNS
from tamis.config.schema import Duration, Size, option
from tamis.mta import Mta

DIGEST_TEXT = """\
These messages to {recipient} were not delivered, for the reasons given. They are kept for {keep}.

{list}
To have one of them after all, write to {contact} and name its id.
If you want none of them, there is nothing to do.
"""
WORDS = ("recipient", "count", "list", "keep", "contact", "hostname")
MAX_TEXT_CHARS = 20_000

_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestConfig:
    """Mail about what is held: `tamis quarantine digest`."""

    users: tuple[str, ...] = option(
        (), f"recipients who are told of their own: {PATTERNS}; without any, nobody"
    )
    admin: tuple[str, ...] = option((), "addresses that are told of everything")
    contact: str = option("", "whom users write to; empty: postmaster@ our hostname. It is in From, too")
    subject: str = option("Messages held for {recipient}: {count}", "of the mail")
    text: str = option(DIGEST_TEXT, "the mail; placeholders " + " ".join(f"{{{word}}}" for word in WORDS))

    def problems(self) -> Iterator[str]:
        """Addresses that are none, and texts that cannot be filled in."""
        for key, addresses in (("admin", self.admin), ("contact", (self.contact,) if self.contact else ())):
            yield from (
                f"{key}: {each!r} is no mail address" for each in addresses if not _ADDRESS.fullmatch(each)
            )
        yield from (f"users: {each!r} is no pattern" for each in self.users if "@" not in each)
        for key in ("subject", "text"):
            text = getattr(self, key)
            for name in sorted(set(_PLACEHOLDER.findall(text)).difference(WORDS)):
                yield f"{key}: {{{name}}} is no placeholder; known are {', '.join(WORDS)}"
            if len(text) > MAX_TEXT_CHARS:
                yield f"{key}: is longer than {MAX_TEXT_CHARS} characters"
        if not (self.subject.strip() and self.subject.isprintable()):
            yield "subject: must be one line of text"
        if "{list}" not in self.text:
            yield "text: must have {list} in it"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineConfig:
    """What becomes of messages that a check wants held."""

    to: Literal["hold", "directory"] = option(
        "hold", "hold: the MTA keeps them in its own queue; directory: we keep them, and the MTA forgets them"
    )
    directory: Path = option(Path("/var/lib/tamis/quarantine"), "where they are, a file each")
    keep: Duration = option(Duration(30 * 86400.0), "older ones are deleted; 0s: never", at_least=0)
    free: Size = option(
        Size(1 << 30), "so much of the disk stays free: what would be held then is deferred", at_least=0
    )
    server: str = option("inet:127.0.0.1:25", "an MTA that takes what is released; empty: command")
    command: tuple[str, ...] = option(
        ("/usr/sbin/sendmail", "-i", "-f", "{sender}", "--", "{recipient}"),
        "the program that takes it otherwise",
    )
    timeout: Duration = option(
        Duration(15.0), "for one message to be put in, or to be given to the MTA", at_least=0.1, at_most=300
    )
    postfix: str = option(
        "", "Postfix's configuration directory where it is not its default: another instance"
    )
    digest: DigestConfig = option(DigestConfig(), "mail about what is held")

    @property
    def mta(self) -> Mta:
        """Who takes what is released, and digests."""
        return Mta(self.server, self.command, self.timeout)

    def problems(self) -> Iterator[str]:
        """Places that cannot be reached."""
        yield from self.mta.problems()
        for key, path in (("directory", str(self.directory)), ("postfix", self.postfix or "/")):
            if not path.startswith("/"):
                yield f"{key}: must be an absolute path"
