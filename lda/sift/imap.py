"""imap - a mailbox on an IMAP server that is sifted (RFC 3501, with MOVE, UIDPLUS, SPECIAL-USE if it has them).

Messages are named by UID, read by their header alone as long as the script needs no more, and never marked as read.
A message moves by MOVE, or by COPY and, after the server's OK, by deletion. Without UIDPLUS deleted messages are only
marked, for a plain EXPUNGE would take others with them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from imaplib import IMAP4

from lda.folders import utf7
from lda.sift.commands import Commands, quoted
from lda.sift.fate import Fate, Target, canonical
from lda.sift.mailbox import Gone, Stored, Unusable
from lda.sift.tally import changed
from tamis.mail.headers import Headers, split
from tamis.mail.message import Message

FETCHED = 100
"""Messages whose headers are asked for at once."""

_UID = re.compile(rb"\bUID (\d+)")
_FLAGS = re.compile(rb"\bFLAGS \(([^)]*)\)")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")
_DATE = re.compile(rb'\bINTERNALDATE ("[^"]*")')
_LIST = re.compile(rb'\(([^)]*)\) (?:"(\\?.)"|NIL) (?:"((?:[^"\\]|\\.)*)"|([^ "]+))')


class RemoteMessage(Message):
    """A message of which only the header was fetched; *fetch* gets all of it. date: INTERNALDATE, quoted."""

    def __init__(self, header: bytes, size_bytes: int, date: str, fetch: Callable[[], bytes]) -> None:
        self._header = header
        self._size_bytes = size_bytes
        self._fetch = fetch
        self.date = date

    @cached_property
    def raw(self) -> bytes:
        return self._fetch()

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    @property
    def crlf_size_bytes(self) -> int:
        return self._size_bytes

    @cached_property
    def _split(self) -> tuple[Headers, int]:
        return split(self._header)

    @cached_property
    def body(self) -> bytes:
        return self.raw[self.body_offset :]


@dataclass(frozen=True, slots=True)
class _Group:
    """What is done to some messages together."""

    copies: tuple[tuple[str, tuple[str, ...]], ...]
    stays: bool
    flags: tuple[str, ...]


class ImapFolder:
    """The mailbox *name* of an account that is logged in. write: it will be changed.

    tell: hears what could not be done. Raises OSError, FileNotFoundError where there is no such mailbox."""

    shareable = False

    def __init__(
        self, connection: IMAP4, name: str, *, write: bool, tell: Callable[[str], object] = str
    ) -> None:
        self._commands = Commands(connection)
        self._tell = tell
        self._delimiter = "/"
        self._listed: dict[str, str] = {}
        self._uses: dict[str, str] = {}
        self._list()
        self.name = canonical(name)
        found = self._known(name)
        if found is None:
            raise FileNotFoundError(0, f"there is no mailbox {name!r}")
        exists = self._commands.select(found, readonly=not write)
        self._uids = self._all_uids() if exists else []
        self._waiting: dict[_Group, list[Stored]] = defaultdict(list)

    def size(self) -> int:
        """How many messages there were."""
        return len(self._uids)

    def messages(self, part: int = 0, parts: int = 1) -> Iterator[Stored | Gone | Unusable]:
        """Those that were there, oldest first."""
        mine = self._uids[part::parts]
        for start in range(0, len(mine), FETCHED):
            wanted = mine[start : start + FETCHED]
            found = {stored.key: stored for stored in self._fetch_headers(wanted)}
            for uid in wanted:
                yield found.get(uid) or Gone()

    def has(self, mailbox: str) -> bool:
        """Whether the mailbox exists."""
        return self._known(mailbox) is not None

    def is_itself(self, mailbox: str) -> bool:
        """Whether *mailbox* is this one."""
        return self._known(mailbox) == self._known(self.name)

    def special_use(self, flag: str) -> str:
        """As the server says (RFC 6154)."""
        return self._uses.get(flag.lower(), "")

    def with_id(self, object_id: str) -> str:
        """Not asked for: no mailbox is known by it."""
        return ""

    def carry_out(self, stored: Stored, fate: Fate) -> None:
        """Changed messages are stored now, all others with the next `settle`. Raises OSError."""
        for target in fate.copies:
            if target.message is not None:
                self._append(target, target.message, stored)
        if fate.stays and fate.message is not None:
            self._append(Target(mailbox=self.name, flags=fate.flags), fate.message, stored)
        copies = tuple((t.mailbox, t.flags) for t in fate.copies if t.message is None)
        stays = fate.stays and fate.message is None
        if copies or not stays or changed(stored.flags, fate.flags):
            self._waiting[_Group(copies, stays, fate.flags)].append(stored)

    def settle(self) -> int:
        """Group by group: copies first, then flags, then deletion."""
        for group, messages in self._waiting.items():
            self._settle(group, messages)
        self._waiting.clear()
        return 0

    def close(self) -> None:
        """Log out."""
        self._commands.logout()

    # -- reading

    def _list(self) -> None:
        for line in self._commands.lines("LIST", '""', '"*"'):
            match = _LIST.match(line)
            if match is None:
                continue
            attributes = match[1].decode("ascii", "replace").lower().split()
            name = match[4] or re.sub(rb"\\(.)", rb"\1", match[3])
            text = name.decode("ascii", "replace")
            self._delimiter = match[2].decode("ascii", "replace")[-1] if match[2] else self._delimiter
            if "\\noselect" not in attributes and "\\nonexistent" not in attributes:
                self._listed[canonical(text)] = text
                self._uses.update(
                    (attribute, text) for attribute in attributes if attribute not in self._uses
                )

    def _wire(self, mailbox: str) -> str:
        """*mailbox* as the server would call it: the other usual separator is understood."""
        other = "/" if self._delimiter == "." else "."
        name = utf7(canonical(mailbox))
        return name.replace(other, self._delimiter) if self._delimiter not in name else name

    def _known(self, mailbox: str) -> str | None:
        """The name of a mailbox that exists; names may leave a prefix ``INBOX.`` out."""
        exact, wire = utf7(canonical(mailbox)), self._wire(mailbox)
        for name in (exact, wire, f"INBOX{self._delimiter}{wire}"):
            if name in self._listed:
                return self._listed[name]
        return None

    def _all_uids(self) -> list[str]:
        found = [_UID.search(line) for line in self._commands.lines("FETCH", "1:*", "(UID)")]
        return [match[1].decode() for match in found if match]

    def _fetch_headers(self, uids: Sequence[str]) -> Iterator[Stored]:
        items = "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER])"
        for facts, header in self._commands.literals(",".join(uids), items):
            uid, flags = _UID.search(facts), _FLAGS.search(facts)
            size, date = _SIZE.search(facts), _DATE.search(facts)
            if uid and flags and size:
                key = uid[1].decode()
                names = tuple(
                    n for n in flags[1].decode("ascii", "replace").split() if n.lower() != "\\recent"
                )
                fetch = self._fetcher(key)
                yield Stored(
                    key, names, RemoteMessage(header, int(size[1]), date[1].decode() if date else "", fetch)
                )

    def _fetcher(self, uid: str) -> Callable[[], bytes]:
        def fetch() -> bytes:
            for _, raw in self._commands.literals(uid, "(BODY.PEEK[])"):
                return raw
            raise Gone

        return fetch

    # -- writing

    def _target(self, mailbox: str) -> str:
        """The server's name of *mailbox*, which is made if it is missing."""
        known = self._known(mailbox)
        if known is None:
            known = self._wire(mailbox)
            self._commands.do("CREATE", quoted(known))
            self._commands.do("SUBSCRIBE", quoted(known))
            self._listed[known] = known
        return known

    def _append(self, target: Target, message: Message, stored: Stored) -> None:
        date = getattr(stored.message, "date", "")
        raw = bytes(message.raw[:])
        self._commands.append(self._target(target.mailbox), target.flags, date, raw)

    def _settle(self, group: _Group, messages: list[Stored]) -> None:
        uids = [stored.key for stored in messages]
        have = {stored.key: stored.flags for stored in messages}
        single = len(group.copies) == 1 and not group.stays and self._commands.can("MOVE")
        for mailbox, flags in group.copies:
            self._flag(uids, flags, have)
            verb = "MOVE" if single else "COPY"
            self._commands.uid(verb, ",".join(uids), quoted(self._target(mailbox)))
        if group.stays:
            self._flag(uids, group.flags, have)
        elif not single:
            self._delete(uids)

    def _flag(self, uids: list[str], flags: tuple[str, ...], have: dict[str, tuple[str, ...]]) -> None:
        """Those that have other flags get these."""
        others = [uid for uid in uids if changed(have[uid], flags)]
        if others:
            self._commands.uid("STORE", ",".join(others), "FLAGS.SILENT", f"({' '.join(flags)})")
            have.update((uid, flags) for uid in others)

    def _delete(self, uids: list[str]) -> None:
        self._commands.uid("STORE", ",".join(uids), "+FLAGS.SILENT", r"(\Deleted)")
        if self._commands.can("UIDPLUS"):
            self._commands.uid("EXPUNGE", ",".join(uids))
        else:
            self._tell(f"{len(uids)} messages are marked as deleted; the server cannot expunge them alone")
