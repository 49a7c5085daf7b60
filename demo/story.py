"""story - what every course on mail servers ends with, played and looked at step by step.

Each step raises Failed as soon as something is not as it should be; later ones build on earlier ones.
"""

from __future__ import annotations

import imaplib
import poplib
import re
import smtplib
from collections.abc import Sequence

from demo import clients, letters
from demo.clients import Reply
from demo.daemons import HouseError, wait_for
from demo.house import House
from demo.letters import ALICE, BOB, CAROL, CROOK, LIST
from demo.nameserver import Zone
from demo.narrator import Failed, Narrator

PASSWORDS = {ALICE: "wonderland", BOB: "builder"}
LIMIT = 3
ZONE: Zone = {
    ("outside.example", "TXT"): '"v=spf1 ip4:192.0.2.10 -all"',
    ("news.outside.example", "TXT"): '"v=spf1 ip4:192.0.2.25 -all"',
    ("bank.example", "TXT"): '"v=spf1 ip4:203.0.113.1 -all"',
}
ARRIVAL_S = 15.0
PROTOCOL_ERRORS = (smtplib.SMTPException, imaplib.IMAP4.error, poplib.error_proto)
ALL = ("postfix", "policyd", "milter", "lmtpd", "dovecot")


class Story:
    """One telling, in one house."""

    def __init__(self, house: House, narrator: Narrator) -> None:
        self._house = house
        self._ports = house.layout.ports
        self._tell = narrator
        self._sent: list[tuple[str, bytes]] = []  # mailbox and message

    def tell(self) -> bool:
        """Play all steps. False, with the reason printed, as soon as one fails."""
        try:
            for step in (
                self.from_outside, self.newsletter, self.forgery, self.unknown_user, self.submission, self.limit,
                self.read_back, self.metrics,
            ):  # fmt: skip
                step()
        except Failed as failure:
            return self._end(failure)
        except (OSError, EOFError, ValueError, HouseError, *PROTOCOL_ERRORS) as exc:
            return self._end(Failed("the servers to answer", f"{type(exc).__name__}: {exc}", ALL))
        return True

    def _end(self, failure: Failed) -> bool:
        self._tell.failed(failure, [(name, self._house.tail(name)) for name in failure.programs])
        return False

    def from_outside(self) -> None:
        """A letter with an attachment from a stranger; SPF has judged it."""
        self._tell.step("Mail comes in from outside (port 25)")
        raw = letters.with_attachment()
        self._deliver("192.0.2.10", "mail.outside.example", CAROL, raw)
        seen = self._arrival("INBOX", raw)
        self._expect_spf("pass", seen)

    def newsletter(self) -> None:
        """The user's own script files it."""
        self._tell.step("Alice has her newsletters filed by a Sieve script (ManageSieve)")
        reply = clients.upload_script(self._ports.sieve, ALICE, PASSWORDS[ALICE], letters.SCRIPT)
        self._expect("the script", "2..", reply, ("dovecot",))
        raw = letters.newsletter()
        self._deliver("192.0.2.25", "news.outside.example", LIST, raw)
        self._arrival("Newsletters", raw)

    def forgery(self) -> None:
        """A header that claims our judgement is removed, ours is put in its place, another host's stays."""
        self._tell.step("A forged Authentication-Results header is taken out")
        raw = letters.forged()
        self._deliver("198.51.100.66", "mail.crook.example", CROOK, raw)
        kept = raw.replace(letters.FORGED.encode() + b"\r\n", b"")
        seen = self._arrival("INBOX", kept)
        results = _unfolded(seen, "Authentication-Results")
        ours = [value for value in results if value.startswith("mx.example.org;")]
        if len(ours) != 1 or "dkim=pass" in ours[0] or len(results) != 2:
            raise Failed(
                "one Authentication-Results of mx.example.org and one of another host",
                str(results),
                ("milter",),
            )
        self._expect_spf("fail", seen)

    def unknown_user(self) -> None:
        """Refused before the message is sent, so that nobody gets a bounce for it."""
        self._tell.step("An unknown user is refused at once")
        with clients.outside(self._ports.smtp, "192.0.2.10", "mail.outside.example") as client:
            reply = clients.send(client, CAROL, "nobody@example.org", b"")
        self._expect("RCPT TO:<nobody@example.org>", "550", reply)

    def submission(self) -> None:
        """A user of ours sends mail; without TLS or with a wrong password nobody does."""
        self._tell.step("Bob sends mail after logging in (port 587, STARTTLS, SASL by Dovecot)")
        with smtplib.SMTP("127.0.0.1", self._ports.submission, timeout=clients.TIMEOUT_S) as client:
            client.ehlo()
            reply = clients.ask(client, f"MAIL FROM:<{BOB}>")
        self._expect("MAIL FROM without STARTTLS", "530", reply)
        try:
            with clients.submission(self._ports.submission, BOB, "wrong"):
                raise Failed("a wrong password to be refused", "a login", ("dovecot", "postfix"))
        except smtplib.SMTPAuthenticationError as exc:
            self._expect("a wrong password", "535", Reply(exc.smtp_code, "Authentication failed"))
        self._submit(1)
        self._arrival("INBOX", letters.from_bob(1))

    def limit(self) -> None:
        """The N+1st is deferred."""
        self._tell.step(f"Bob may write to {LIMIT} recipients an hour, and no more")
        for number in range(2, LIMIT + 1):
            self._submit(number)
        with clients.submission(self._ports.submission, BOB, PASSWORDS[BOB]) as client:
            reply = clients.send(client, BOB, ALICE, letters.from_bob(LIMIT + 1))
        self._expect(f"letter {LIMIT + 1}", "45.", reply, ("policyd", "postfix"))

    def read_back(self) -> None:
        """Every message, by every door, byte for byte."""
        self._tell.step("All of it is read back, byte for byte but for the headers on top")
        for raw in (letters.from_bob(number) for number in range(2, LIMIT + 1)):
            self._arrival("INBOX", raw, quiet=True)
        for implicit, name in ((False, "IMAP, port 143, STARTTLS"), (True, "IMAP, port 993")):
            with clients.imap(self._ports, ALICE, PASSWORDS[ALICE], implicit_tls=implicit) as client:
                self._compare(name, "INBOX", clients.messages(client, "INBOX"))
                self._compare(name, "Newsletters", clients.messages(client, "Newsletters"))
        for implicit, name in ((False, "POP3, port 110, STLS"), (True, "POP3, port 995")):
            with clients.pop3(self._ports, ALICE, PASSWORDS[ALICE], implicit_tls=implicit) as client:
                self._compare(name, "INBOX", clients.retrieve(client))

    def metrics(self) -> None:
        """The three pages agree with the story."""
        self._tell.step("The three /metrics pages say the same")
        count = len(self._sent)
        policyd = clients.metrics(self._ports.policyd_metrics)
        decisions = "tamis_decisions_total"
        self._expect_total(
            "policyd", policyd, count, decisions, program="policyd", stage="RCPT", verdict="pass"
        )
        self._expect_total("policyd", policyd, 1, decisions, program="policyd", stage="RCPT", verdict="defer")
        milter = clients.metrics(self._ports.milter_metrics)
        self._expect_total("milter", milter, count, "tamis_milter_messages_total", action="accept")
        lda = clients.metrics(self._ports.lda_metrics)
        self._expect_total("lmtpd", lda, count, "tamis_lda_deliveries_total", outcome="stored")

    def _deliver(self, address: str, name: str, sender: str, raw: bytes) -> None:
        with clients.outside(self._ports.smtp, address, name) as client:
            reply = clients.send(client, sender, ALICE, raw)
        self._expect(f"a message of {sender} from {name} [{address}]", "250", reply, ALL)

    def _submit(self, number: int) -> None:
        with clients.submission(self._ports.submission, BOB, PASSWORDS[BOB]) as client:
            reply = clients.send(client, BOB, ALICE, letters.from_bob(number))
        self._expect(f"letter {number}", "250", reply, ALL)

    def _expect(self, what: str, code: str, reply: Reply, programs: Sequence[str] = ("postfix",)) -> None:
        if not re.fullmatch(code, str(reply.code)):
            raise Failed(f"{what}: {code.replace('.', 'x')}", str(reply), programs)
        self._tell.seen(f"{what}: {reply}")

    def _arrival(self, mailbox: str, raw: bytes, *, quiet: bool = False) -> bytes:
        """Wait until alice has *raw* in *mailbox*, and return what she has."""
        found: list[bytes] = []

        def look() -> bool:
            with clients.imap(self._ports, ALICE, PASSWORDS[ALICE]) as client:
                found[:] = filter(None, [letters.find(raw, clients.messages(client, mailbox))])
            return bool(found)

        try:
            wait_for("delivery", look, ARRIVAL_S)
        except HouseError:
            raise Failed(f"the message to be in {mailbox} of {ALICE}", self._whereabouts(), ALL) from None
        self._sent.append((mailbox, raw))
        if not quiet:
            self._tell.seen(f"it is in {mailbox} of {ALICE}")
        return found[0]

    def _whereabouts(self) -> str:
        with clients.imap(self._ports, ALICE, PASSWORDS[ALICE]) as client:
            names = ["INBOX", "Newsletters", "Junk"]
            counts = [f"{name}: {len(clients.messages(client, name))}" for name in names]
        return f"{', '.join(counts)}; in Postfix's queue: {len(self._house.queue())}"

    def _expect_spf(self, result: str, seen: bytes) -> None:
        values = [
            value
            for value in _unfolded(seen, "Authentication-Results")
            if value.startswith("mx.example.org;")
        ]
        if not any(f"spf={result}" in value for value in values):
            raise Failed(
                f"Authentication-Results of mx.example.org with spf={result}", str(values), ("milter",)
            )
        self._tell.seen(f"Authentication-Results: {values[0]}")

    def _compare(self, door: str, mailbox: str, seen: Sequence[bytes]) -> None:
        wanted = [raw for place, raw in self._sent if place == mailbox]
        lost = [raw for raw in wanted if letters.find(raw, seen) is None]
        if lost or len(seen) != len(wanted):
            raise Failed(
                f"{len(wanted)} messages in {mailbox} by {door}",
                f"{len(seen)}; {len(lost)} of those sent are missing or changed",
                ("dovecot", "lmtpd"),
            )
        self._tell.seen(f"{door}: {mailbox}, {len(seen)}")

    def _expect_total(
        self, daemon: str, page: clients.Page, wanted: int, name: str, /, **labels: str
    ) -> None:
        total = clients.total(page, name, **labels)
        shown = f"{name}{{{', '.join(f'{key}={value}' for key, value in labels.items())}}}"
        if total != wanted:
            raise Failed(f"{shown} {wanted}", f"{total:g}", (daemon,))
        self._tell.seen(f"tamis-{daemon}: {shown} {total:g}")


def _unfolded(raw: bytes, name: str) -> list[str]:
    """The values of the header fields *name* of *raw*."""
    head = re.sub(r"\r\n[ \t]+", " ", raw.partition(b"\r\n\r\n")[0].decode("utf-8", "replace"))
    prefix = name.lower() + ":"
    return [line[len(prefix) :].strip() for line in head.split("\r\n") if line.lower().startswith(prefix)]
