"""store - one user's mail store during one delivery: names become folders, copies are staged, the quota is kept.

It turns names into folders (`lda.folders`) and has `lda.maildir` write. With `autocreate` a missing folder is made,
with `autosubscribe` it is also subscribed to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from mmap import mmap
from pathlib import Path
from typing import Literal

from lda.attempts import Attempt
from lda.compression import Compression
from lda.copies import Copy, Wanted
from lda.envelope import Envelope
from lda.folders import BadMailbox, Naming
from lda.maildir import Maildir, Store, keywords, letters
from lda.mbox import Mbox
from lda.object_ids import mailbox_with_id
from lda.quota.config import QuotaConfig
from lda.quota.keeper import Keeper
from lda.quota.rules import Rules, Usage, rules_of
from lda.quota.usage import Counter
from lda.subscriptions import subscribe
from lda.users import User
from lda.users.rows import Location, expand, location_of
from tamis.config.schema import Duration, option

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MaildirConfig:
    """The users' mail stores, as Dovecot lays them out."""

    location: str = option("{home}/Maildir", "where the database names none; {home} {user} {local} {domain}")
    mbox_folders: str = option(
        "",
        "such as {home}/mail: location is an mbox file (/var/mail/{local}), and folders lie here; empty: Maildir",
    )
    layout: Literal["maildir++", "fs"] = option(
        "maildir++", "folders: .A.B or A/B; the database may say LAYOUT=fs"
    )
    names: Literal["utf-7", "utf-8"] = option("utf-7", "of folders on disk (Dovecot: mailbox_list_utf8)")
    separator: str = option(".", "between levels of a folder's name, as in Dovecot's namespace")
    prefix: str = option("", "of the namespace, such as INBOX. ; users may omit it")
    autocreate: bool = option(False, "make a folder that a script names and that is missing")
    autosubscribe: bool = option(False, "subscribe the user to a folder so made")
    durability: Literal["full", "fast"] = option(
        "full", "fast: do not wait for the disk; a power cut loses what was delivered in the last seconds"
    )
    compression: Compression = option(
        "none", "gz, bz2, xz: Dovecot reads them with its zlib plugin, others do not"
    )
    duplicates: Duration = option(
        Duration(0.0), "a Message-ID that came to the user before is not delivered again within; 0: it is",
        at_least=0,
    )  # fmt: skip
    special_use: dict[str, str] = option(
        {"Drafts": "Drafts", "Junk": "Junk", "Sent": "Sent", "Trash": "Trash"},
        "which folder has which special use (RFC 6154), as in Dovecot's configuration",
    )

    def problems(self) -> Iterator[str]:
        """A template that names what is not there."""
        if len(self.separator) != 1 or not self.separator.isascii() or not self.separator.isprintable():
            yield "separator: must be one character"
        for name in ("location", "mbox_folders"):
            try:
                where = getattr(self, name).format(home="/home", user="", local="", domain="")
            except (KeyError, IndexError, ValueError) as exc:
                yield f"{name}: {{home}}, {{user}}, {{local}} and {{domain}} can stand in it, not {exc}"
                continue
            if where[:1] not in {"/", ""} or not (where or name == "mbox_folders"):
                yield f"{name}: must be absolute or begin with {{home}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where a user's mail lies and by which rules: what all deliveries to the user have in common."""

    location: Location
    naming: Naming
    special_use: dict[str, str]
    counter: Counter


def layout_of(user: User, config: MaildirConfig, quota: QuotaConfig) -> Layout:
    """Raises TempFail 4.3.5 for a user whose row is not understood."""
    location = _location(user, config)
    nested = location.mbox is not None or (location.layout or config.layout) == "fs"
    return Layout(
        location=location,
        naming=Naming(
            separator=config.separator, prefix=config.prefix, nested=nested,
            utf8=location.utf8 or config.names == "utf-8",
        ),
        special_use={f"\\{use}".lower(): name for use, name in config.special_use.items()},
        counter=Counter(
            root=location.mbox or location.path,
            rules=Rules() if location.mbox else rules_of(user.fields, quota.limit, quota.folders),
            nested=nested, virtual=quota.virtual_sizes, separator=config.separator,
        ),
    )  # fmt: skip


class MailStore:
    """One user's, for one message. tell: hears what could not be done though the message is stored."""

    def __init__(
        self,
        layout: Layout,
        user: User,
        config: MaildirConfig,
        quota: QuotaConfig,
        *,
        hostname: str,
        envelope: Envelope,
        attempt: Attempt,
        tell: Callable[[str], object],
    ) -> None:
        sync, location = config.durability == "full", layout.location
        self.root = layout.counter.root
        self._mailboxes: Maildir | Mbox
        if location.mbox is not None:
            self._mailboxes = Mbox(location.path, location.mbox, envelope.sender, sync=sync)
        else:
            store = Store(nested=layout.naming.nested, sync=sync, compression=config.compression)
            self._mailboxes = Maildir(location.path, hostname, store, tell)
        self._naming = layout.naming
        self._special_use = layout.special_use
        self._create = config.autocreate if envelope.create is None else envelope.create
        self._subscribe = config.autosubscribe if envelope.subscribe is None else envelope.subscribe
        self._attempt = attempt
        self._tell = tell
        self._virtual = quota.virtual_sizes
        self._quota = Keeper(quota, layout.counter, user, tell)
        self._copies: list[tuple[str, Copy]] = []

    def directory(self, mailbox: str) -> str:
        """Where it is below the root; "" for the INBOX. Raises BadMailbox."""
        return self._naming.directory(mailbox)

    def has(self, mailbox: str) -> bool:
        """Whether the mailbox is there."""
        try:
            return self._mailboxes.has(self._naming.directory(mailbox))
        except BadMailbox:
            return False

    def obstacle(self, mailbox: str, *, create: bool) -> str:
        """Why no copy can be stored into the mailbox, or ""."""
        try:
            directory = self._naming.directory(mailbox)
        except BadMailbox as exc:
            return str(exc)
        found = not directory or create or self._create or self._mailboxes.has(directory)
        return "" if found else "the mailbox does not exist"

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

    def with_id(self, object_id: str) -> str:
        """The mailbox that has the object identifier (RFC 8474), or ""."""
        return mailbox_with_id(self.root, object_id, self._naming)

    def stage(
        self, mailbox: str, head: bytes, raw: bytes | mmap, flags: tuple[str, ...], *, create: bool
    ) -> Copy:
        """Write a copy where no reader sees it. Raises BadMailbox, OSError; PermFail and TempFail over quota."""
        directory = self._naming.directory(mailbox)
        create = create or self._create
        new = bool(directory) and create and not self._mailboxes.has(directory)
        want = Wanted(
            flags=letters(flags), keywords=keywords(flags), create=create,
            token=self._attempt.token(directory), look=self._attempt.look,
        )  # fmt: skip
        size = self._size(head, raw)
        if not want.look:
            self._quota.check(mailbox or "INBOX", size)
        copy = self._mailboxes.stage(directory, head, raw, want)
        if not copy.known:
            self._staged(mailbox or "INBOX", size, copy, check=want.look)
        if new and self._subscribe:
            self._subscribe_to(directory)
        return copy

    def settle(self) -> None:
        """The message is delivered: count what was stored."""
        added = Usage()
        for mailbox, copy in self._copies:
            if copy.committed and self._quota.counts(mailbox):
                added = added.plus(Usage(copy.written.size + copy.written.lines * self._virtual, 1))
        self._quota.stored(added)

    def _staged(self, mailbox: str, size: int, copy: Copy, *, check: bool) -> None:
        """*check*: what might have been known, and was not, has still to pass the quota."""
        try:
            if check:
                self._quota.check(mailbox, size)
        except BaseException:
            copy.close()
            raise
        self._quota.staged(mailbox, size)
        self._copies.append((mailbox, copy))

    def _size(self, head: bytes, raw: bytes | mmap) -> int:
        """As the quota counts it, before it is written."""
        size = len(head) + len(raw)
        if not self._virtual:
            return size
        ends = sum(raw[at : at + _PIECE_BYTES].count(b"\n") for at in range(0, len(raw), _PIECE_BYTES))
        return size + head.count(b"\n") + ends

    def _subscribe_to(self, directory: str) -> None:
        """A folder without subscription is no reason to defer."""
        try:
            subscribe(self.root, directory)
        except OSError as exc:
            self._tell(f"the new folder could not be subscribed to: {exc.strerror}")


def _location(user: User, config: MaildirConfig) -> Location:
    location = location_of(user, config.location)
    if user.mail or not config.mbox_folders:
        return location
    return replace(location, mbox=Path(expand(config.mbox_folders, user)))
