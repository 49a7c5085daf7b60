"""mailboxes - the world that a plan acts on: one user's mailboxes, their memory, the MTA and the site's programs.

It puts the trace fields on top and has `lda.store` write.
"""

from __future__ import annotations

from collections.abc import Callable

from lda.attempts import Attempt
from lda.copies import Copy
from lda.envelope import Envelope
from lda.folders import BadMailbox
from lda.outside import Outside
from lda.programs import Programs
from lda.redirects import Redirects
from lda.seen import Memory
from lda.sieve import Answer, FileInto
from lda.sieve.extensions.extlists import FindInLists, ListMembers, ListsExist
from lda.sieve.extensions.pipe import ToProgram
from lda.sieve.letter import Letter
from lda.sieve.programs import RunProgram
from lda.sieve.terms import Terms
from lda.store import MailStore
from lda.submit import SubmitConfig, submit
from lda.trace import HeadersConfig, prepended
from tamis.mail.message import Message


class Mailboxes:
    """One user's, for one message."""

    def __init__(
        self,
        store: MailStore,
        *,
        headers: HeadersConfig,
        submission: SubmitConfig,
        memory: Memory,
        attempt: Attempt,
        redirects: Redirects,
        outside: Outside,
        programs: Programs,
        envelope: Envelope,
        message: Message,
        notes: list[str] | None = None,
    ) -> None:
        self._store = store
        self._headers = headers
        self._submit = submission
        self._memory = memory
        self._attempt = attempt
        self._redirects = redirects
        self._outside = outside
        self._programs = programs
        self._envelope = envelope
        self._message = message
        self.notes: list[str] = [] if notes is None else notes

    def has(self, mailbox: str) -> bool:
        """Whether the mailbox is there."""
        return self._store.has(mailbox)

    def obstacle(self, mailbox: str, *, create: bool) -> str:
        """Why no copy can be stored into the mailbox, or ""."""
        return self._store.obstacle(mailbox, create=create)

    def annotation(self, mailbox: str | None, name: str) -> str | None:
        """The value of an annotation of the mailbox, or of the server; None without one."""
        try:
            directory = self._store.directory(mailbox or "")
        except BadMailbox:
            return None
        place = self._store.root / directory
        return self._outside.annotations.value(place, name, server=mailbox is None)

    def listed(self, question: FindInLists | ListsExist | ListMembers) -> Answer:
        """What an external list says."""
        return self._outside.listed(question)

    def special_use(self, flag: str, mailbox: str) -> str:
        """The mailbox that has the special use *flag* and is there, or "". mailbox: only that one counts; "": any."""
        return self._store.special_use(flag, mailbox)

    def with_id(self, object_id: str) -> str:
        """The mailbox that has the object identifier (RFC 8474), or ""."""
        return self._store.with_id(object_id)

    def stage(self, mailbox: str, message: Message | None, flags: tuple[str, ...], *, create: bool) -> Copy:
        """Write a copy where no reader sees it. Raises BadMailbox, OSError."""
        message = message or self._message
        head = prepended(self._envelope, message.headers, self._headers)
        return self._store.stage(mailbox, head, message.raw, flags, create=create)

    def redirect(self, address: str, message: Message | None, terms: Terms) -> str:
        """Send a copy that we would know again; why it was not sent, "" if it was. Raises TempFail."""
        return self._redirects.send(address, message or self._message, terms)

    def file(self, letter: Letter, copy: FileInto) -> None:
        """Store a copy of what was sent, as it was sent. Raises BadMailbox, OSError, PermFail, TempFail."""
        with self._store.stage(copy.mailbox, b"", letter.raw, copy.flags, create=copy.create) as staged:
            staged.commit()

    def send(self, letter: Letter) -> None:
        """Send a message of our own. Raises PermFail, TempFail."""

        def send() -> None:
            submit(self._submit, letter.sender, letter.recipient, b"", letter.raw, letter.terms)

        self._attempt.once(f"send {letter.recipient}", send)

    def program(self, question: RunProgram) -> Answer:
        """What became of a program that the script calls."""
        return self._programs.answer(question)

    def pipe(self, action: ToProgram) -> None:
        """Have a program take the message, with the fields on top that a stored copy has. Raises `programs.Failed`."""
        message = action.message or self._message
        head = prepended(self._envelope, message.headers, self._headers)
        whole = Message(head + message.raw[:])
        self._attempt.once(f"pipe {action.program}", lambda: self._programs.pipe(action, whole))

    def seen(self, key: str) -> bool:
        """Whether *key* is remembered; if nobody can say, the message is taken for a new one."""
        if self._attempt.noted(f"mark {key}"):
            return False  # what an earlier attempt at this very delivery has remembered
        try:
            return self._memory.has(key)
        except OSError as exc:
            self.notes.append(f"what was seen before cannot be read: {exc.strerror or exc}")
            return False

    def remember(self, key: str, keep_s: int) -> None:
        """Remember *key* from now on. Raises OSError."""
        self._attempt.note(f"mark {key}")
        self._memory.remember(key, keep_s)

    def once(self, key: str, keep_s: int, act: Callable[[], None]) -> bool:
        """Do *act* unless *key* is remembered, then remember it; False: it was. Raises OSError and what *act*
        raises."""
        return self._memory.once(key, keep_s, act)
