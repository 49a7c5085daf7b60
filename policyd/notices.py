"""notices - an account has reached a stage, or a limit: the admin, the user and a webhook are told, beside the mail's
way.

    [policyd.checks.outbound.notices]
    admin = ["postmaster@example.org"]
    user = "{account}"
    webhook = "https://alerts.example.org/tamis"
    webhook_secret = { file = "/etc/tamis/webhook.secret" }

Whoever posts a notice does not wait for it, and no failure changes an answer: it is logged, counted and tried again a
few times. What waits when the daemon ends is lost; the journal has the decision all the same. What is sent and how is
in `policyd.notice_channels`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from policyd.notice_channels import Mail, Notice, Told, Webhook
from tamis import metrics
from tamis.check import Services
from tamis.clients import LOOPBACK, address, within
from tamis.config.schema import Duration, Secret, option
from tamis.mta import Mta
from tamis.threads import Threads

StageName = Literal["warn", "slow", "hold", "lock"]
STAGE_NAMES: tuple[StageName, ...] = ("warn", "slow", "hold", "lock")

RETRIES_S = (5.0, 60.0, 300.0)
MAX_WAITING = 100
THREADS = 2

ADMIN_TEXT = """\
The account {account} may be in the wrong hands.

stage:    {stage}
score:    {score} ({signals})
client:   {client_address}
locked:   {until}
time:     {time}

    tamis limit locked {account}
    tamis limit unlock {account}

Messages on hold: mailq, postsuper -H QUEUE_ID, postsuper -d QUEUE_ID.
"""
USER_TEXT = """\
Your account {account} has sent mail in an unusual way, so mail from it is held back.

If this was not you, somebody knows your password: change it now and tell your postmaster.
If it was you, tell your postmaster too. Nothing is lost that is only held.

What was noticed: {signals}; last from {client_address}, {time}.
"""

_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")
_PLACEHOLDER = re.compile(r"\{(\w*)\}")
MAX_TEXT_CHARS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Who is told, and how. What it is about, and in which words, is its heirs'."""

    admin: tuple[str, ...] = option((), "mail addresses of those who look after accounts")
    admin_subject: str = option("", "of their mail")
    admin_text: str = option("", "their mail")
    user: str = option("", 'address of the user, "{account}" or "{account}@example.org"; empty: no mail')
    user_subject: str = option("", "of his mail")
    user_text: str = option("", "his mail")
    mail_from: str = option("", "address in From; empty: postmaster@ our hostname. The envelope has none")
    server: str = option("inet:127.0.0.1:25", "an MTA that takes the mail over SMTP; empty: command")
    command: tuple[str, ...] = option(
        ("/usr/sbin/sendmail", "-i", "-f", "<>", "--", "{recipient}"),
        "the program that takes it otherwise; not with NoNewPrivileges in the unit of systemd",
    )
    webhook: str = option(
        "", "an https URL that gets a JSON object by POST; http on this host only", secret=True
    )
    webhook_secret: Secret | None = option(None, "Tamis-Signature: sha256=HMAC of the body, made with it")
    timeout: Duration = option(Duration(10.0), "for one attempt, of four", at_least=0.1, at_most=60)

    WORDS: ClassVar[tuple[str, ...]] = ()  # the placeholders of subjects and texts

    def told(self, notice: Told) -> Iterator[str]:
        """Which of admin, user and webhook are told of *notice*."""
        raise NotImplementedError

    def problems(self) -> Iterator[str]:
        """Addresses that are none, texts that cannot be filled in, and places that cannot be reached."""
        for each in (*self.admin, *([self.mail_from] if self.mail_from else [])):
            if not _ADDRESS.fullmatch(each):
                yield f"admin: {each!r} is no mail address"
        if self.user and not _ADDRESS.fullmatch(
            self.user.replace("{account}", "a@b" if "@" not in self.user else "a")
        ):
            yield 'user: must be an address with {account} in it, such as "{account}"'
        for key in ("admin_subject", "admin_text", "user_subject", "user_text"):
            yield from _text_problems(key, getattr(self, key), self.WORDS)
        yield from self._place_problems()

    def _place_problems(self) -> Iterator[str]:
        yield from Mta(self.server, self.command, self.timeout).problems()
        if self.webhook and not _may_be_posted_to(self.webhook):
            yield "webhook: must be https://host/path, or http:// with an address of this host"
        if self.webhook_secret and not self.webhook:
            yield "webhook_secret: there is no webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticesConfig(Telling):
    """Who is told of accounts, from which stage on, and in which words."""

    admin_from: StageName = option("warn", "the first stage that they are told of")
    admin_subject: str = option("[{hostname}] {account}: {stage}", "of their mail")
    admin_text: str = option(
        ADMIN_TEXT, "their mail; placeholders " + " ".join(f"{{{p}}}" for p in Notice.WORDS)
    )
    user_from: StageName = option("hold", "the first stage that he is told of")
    user_subject: str = option("Mail from your account is held back", "of his mail")
    user_text: str = option(USER_TEXT, "his mail; the same placeholders")
    webhook_from: StageName = option("warn", "the first stage that it is told of")

    WORDS: ClassVar[tuple[str, ...]] = Notice.WORDS

    def told(self, notice: Told) -> Iterator[str]:
        """See `Telling.told`."""
        assert isinstance(notice, Notice)
        reached = STAGE_NAMES.index(notice.stage)
        for who in ("admin", "user", "webhook"):
            if reached >= STAGE_NAMES.index(getattr(self, f"{who}_from")):
                yield who


def _may_be_posted_to(url: str) -> bool:
    try:
        parts = urlsplit(url)
        local = within(address(parts.hostname or ""), LOOPBACK) and parts.port != 0
    except ValueError:
        return False
    printable = url.isascii() and url.isprintable() and " " not in url
    named = bool(parts.hostname) and not parts.username
    return printable and named and (parts.scheme == "https" or (parts.scheme == "http" and local))


def _text_problems(key: str, text: str, words: Sequence[str]) -> Iterator[str]:
    if len(text) > MAX_TEXT_CHARS:
        yield f"{key}: is longer than {MAX_TEXT_CHARS} characters"
    if key.endswith("subject") and not (text.strip() and text.isprintable()):
        yield f"{key}: must be one line of text"
    for name in sorted(set(_PLACEHOLDER.findall(text)).difference(words)):
        yield f"{key}: {{{name}}} is no placeholder; known are {', '.join(words)}"


@dataclass(slots=True)
class Notices:
    """Tells those whom the configuration names. Used from one event loop at a time."""

    config: Telling
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(THREADS))
    _threads: Threads = field(default_factory=lambda: Threads(THREADS, "notice"))

    def post(self, notice: Told, services: Services) -> None:
        """Send it while the caller goes on. Never raises."""
        for channel in self._channels(notice, services):
            if len(self._tasks) >= MAX_WAITING:
                metrics.count_notice(channel.name, "dropped")
                services.log.warning("notice dropped", channel=channel.name, account=notice.account)
                continue
            task = asyncio.get_running_loop().create_task(self._send(channel, notice, services))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait until all are sent or given up."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def _channels(self, notice: Told, services: Services) -> Iterator[Mail | Webhook]:
        config = self.config
        told = set(config.told(notice))
        sender = config.mail_from or f"postmaster@{services.hostname}"
        for recipient in config.admin if "admin" in told else ():
            yield self._mail(sender, recipient, config.admin_subject, config.admin_text)
        if config.user and "user" in told:
            recipient = config.user.replace("{account}", notice.account)
            if _ADDRESS.fullmatch(recipient):
                yield self._mail(sender, recipient, config.user_subject, config.user_text)
            else:
                services.log.warning("no address for a notice", account=notice.account)
        if config.webhook and "webhook" in told:
            secret = config.webhook_secret.reveal() if config.webhook_secret else ""
            yield Webhook(config.webhook, secret, config.timeout)

    def _mail(self, sender: str, recipient: str, subject: str, text: str) -> Mail:
        config = self.config
        return Mail(sender, recipient, subject, text, config.server, config.command, config.timeout)

    async def _send(self, channel: Mail | Webhook, notice: Told, services: Services) -> None:
        for pause_s in (*RETRIES_S, None):
            try:
                async with self._turn:
                    await self._threads.call(partial(channel.send, notice), self.config.timeout)
            except (
                Exception
            ) as exc:  # smtplib, ssl and http.client have many; none of them may end the daemon
                error = f"{type(exc).__name__}: {exc}"
                services.log.warning(
                    "notice not sent",
                    channel=channel.name,
                    account=notice.account,
                    error=error,
                    again_s=pause_s or 0,
                )
            else:
                metrics.count_notice(channel.name, "sent")
                return
            if pause_s is not None:
                await asyncio.sleep(pause_s)
        metrics.count_notice(channel.name, "failed")


__all__ = ["STAGE_NAMES", "Notice", "Notices", "NoticesConfig", "StageName", "Telling"]
