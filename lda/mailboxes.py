"""mailboxes - the world that a plan acts on: one user's mailboxes, their memory, and the MTA for what is sent.

It turns names into folders (`lda.folders`), puts the trace fields on top and has `lda.maildir` write. With
`autocreate` a missing folder is made, with `autosubscribe` it is also subscribed to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from lda.envelope import Envelope
from lda.folders import BadMailbox, Naming
from lda.maildir import Copy, Maildir, letters
from lda.seen import Memory
from lda.sieve.letter import Letter
from lda.submit import SubmitConfig, submit
from lda.subscriptions import subscribe
from lda.trace import HeadersConfig, delivered_to, prepended
from tamis.config.schema import option
from tamis.mail.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class MaildirConfig:
    """The users' mail stores: Maildir++, as Dovecot lays it out."""

    location: str = option("{home}/Maildir", "where the database names none; {home} {user} {local} {domain}")
    separator: Literal[".", "/"] = option(".", "between levels of a folder's name, as in Dovecot's namespace")
    prefix: str = option("", "of the namespace, such as INBOX. ; users may omit it")
    autocreate: bool = option(False, "make a folder that a script names and that is missing")
    autosubscribe: bool = option(False, "subscribe the user to a folder so made")

    special_use: dict[str, str] = option(
        {"Drafts": "Drafts", "Junk": "Junk", "Sent": "Sent", "Trash": "Trash"},
        "which folder has which special use (RFC 6154), as in Dovecot's configuration",
    )

    def problems(self) -> Iterator[str]:
        """A template that names what is not there."""
        try:
            where = self.location.format(home="/home", user="", local="", domain="")
        except (KeyError, IndexError, ValueError) as exc:
            yield f"location: {{home}}, {{user}}, {{local}} and {{domain}} can stand in it, not {exc}"
            return
        if not where.startswith("/"):
            yield "location: must be absolute or begin with {home}"


class Mailboxes:
    """One user's, for one message."""

    def __init__(
        self,
        maildir: Maildir,
        *,
        config: MaildirConfig,
        headers: HeadersConfig,
        submission: SubmitConfig,
        memory: Memory,
        envelope: Envelope,
        message: Message,
    ) -> None:
        self._maildir = maildir
        self._naming = Naming(separator=config.separator, prefix=config.prefix)
        self._special_use = {f"\\{use}".lower(): name for use, name in config.special_use.items()}
        self._create = config.autocreate or envelope.create
        self._subscribe = config.autosubscribe or envelope.subscribe
        self._headers = headers
        self._submit = submission
        self._memory = memory
        self._envelope = envelope
        self._message = message
        self.notes: list[str] = []

    def has(self, mailbox: str) -> bool:
        """Whether the mailbox is there."""
        try:
            return self._maildir.has(self._naming.directory(mailbox))
        except BadMailbox:
            return False

    def special_use(self, flag: str, mailbox: str) -> str:
        """The mailbox that has the special use *flag* and is there, or "". mailbox: only that one counts; "": any."""
        found = self._special_use.get(flag, "")
        if not found or not self.has(found):
            return ""
        try:
            same = not mailbox or self._naming.directory(mailbox) == self._naming.directory(found)
        except BadMailbox:
            return ""
        return found if same else ""

    def stage(self, mailbox: str, message: Message | None, flags: tuple[str, ...], *, create: bool) -> Copy:
        """Write a copy where no reader sees it. Raises BadMailbox, OSError."""
        message = message or self._message
        head = prepended(self._envelope, message.headers, self._headers)
        directory = self._naming.directory(mailbox)
        create = create or self._create
        new = bool(directory) and create and not self._maildir.has(directory)
        copy = self._maildir.stage(directory, head, message.raw, flags=letters(flags), create=create)
        if new and self._subscribe:
            self._subscribe_to(directory)
        return copy

    def _subscribe_to(self, directory: str) -> None:
        """A folder without subscription is no reason to defer."""
        try:
            subscribe(self._maildir.root, directory)
        except OSError as exc:
            self.notes.append(f"the new folder could not be subscribed to: {exc.strerror}")

    def redirect(self, address: str, message: Message | None) -> None:
        """Send a copy that we would know again. Raises TempFail."""
        message = message or self._message
        submit(self._submit, self._envelope.sender, address, delivered_to(self._envelope), message.raw)

    def send(self, letter: Letter) -> None:
        """Send a message of our own. Raises TempFail."""
        submit(self._submit, letter.sender, letter.recipient, b"", letter.raw)

    def seen(self, key: str) -> bool:
        """Whether *key* is remembered; if nobody can say, the message is taken for a new one."""
        try:
            return self._memory.has(key)
        except OSError as exc:
            self.notes.append(f"what was seen before cannot be read: {exc.strerror or exc}")
            return False

    def remember(self, key: str, keep_s: int) -> None:
        """Remember *key* from now on. Raises OSError."""
        self._memory.remember(key, keep_s)

    def once(self, key: str, keep_s: int, act: Callable[[], None]) -> bool:
        """Do *act* unless *key* is remembered, then remember it; False: it was. Raises OSError and what *act*
        raises."""
        return self._memory.once(key, keep_s, act)
