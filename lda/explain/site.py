"""site - what a script is told of the site where no delivery runs it: limits, extensions, options, mailboxes' names.

The same tables that deliveries read, through the same functions. Pure but for the clock of the processor.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from lda import sieve
from lda.envelope import Envelope
from lda.folders import Naming
from lda.script_config import SieveConfig
from lda.script_context import context
from lda.store import MaildirConfig
from lda.users import User

Library = Callable[[sieve.Place], bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """hostname: "" where nobody has said. scripts, maildir: [lda.sieve], [lda.maildir]."""

    hostname: str = ""
    recipient_delimiter: str = "+"
    scripts: SieveConfig = field(default_factory=SieveConfig)
    maildir: MaildirConfig = field(default_factory=MaildirConfig)

    def compiled(
        self,
        source: bytes,
        name: str,
        library: Library | None,
        *,
        traced: bool = False,
        language: sieve.Language | None = None,
    ) -> sieve.Script:
        """A user's script. library: reads what it includes; None: that is not looked at. language: another than users
        may write. Raises ScriptError."""
        return sieve.compile_script(
            source,
            name,
            limits=self.scripts.limits.limits(),
            language=language or self.scripts.language(site=False),
            library=library,
            languages={"global": self.scripts.language(site=True)},
            traced=traced,
        )

    def context(self, envelope: sieve.Envelope, now: datetime, default_mailbox: str) -> sieve.Context:
        """What the delivery of a message would know. now: aware."""
        return context(
            User(name=envelope.recipient, home=Path("/nonexistent"), uid=0, gid=0),
            self.scripts,
            Envelope(user=envelope.recipient, sender=envelope.sender, recipient=envelope.recipient),
            hostname=self.hostname,
            recipient_delimiter=self.recipient_delimiter,
            default_mailbox=default_mailbox,
            now=now,
            clock=time.thread_time,
        )

    @property
    def naming(self) -> Naming:
        """How the disk spells mailboxes."""
        return Naming(
            separator=self.maildir.separator,
            prefix=self.maildir.prefix,
            nested=self.maildir.layout == "fs",
            utf8=self.maildir.names == "utf-8",
        )

    def with_use(self, flag: str) -> str:
        """The name of the mailbox that has the special use *flag* (``\\junk``), whether it is there or not; ""."""
        return next(
            (name for use, name in self.maildir.special_use.items() if f"\\{use}".lower() == flag), ""
        )
