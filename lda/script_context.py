"""script_context - what a script knows of the site and of its user, out of the configuration. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from lda import automatic, sieve
from lda.envelope import Envelope
from lda.forward import Owner, sender_of
from lda.script_config import SieveConfig
from lda.sieve.extensions.enotify import NotifyOptions
from lda.sieve.extensions.report import ReportOptions
from lda.users import User


def context(
    user: User,
    config: SieveConfig,
    envelope: Envelope,
    *,
    hostname: str,
    recipient_delimiter: str,
    default_mailbox: str,
    now: datetime,
    clock: Callable[[], float] | None,
    limits: sieve.Limits | None = None,
    fixed: tuple[object, ...] | None = None,
) -> sieve.Context:
    """For one delivery. now: aware; clock: as in `sieve.Context`. limits, fixed: what *config* and `options` say, if
    that is at hand."""
    return sieve.Context(
        user=user.name,
        now=now,
        clock=clock,
        limits=limits or config.limits.limits(),
        recipient_delimiter=recipient_delimiter,
        default_mailbox=default_mailbox,
        environment=_environment(hostname, config, envelope.client),
        settings=(
            *(options(user, config) if fixed is None else fixed),
            NotifyOptions(
                max_notifications=config.limits.notifications,
                envelope_from=_notify_from(user, config, envelope, hostname),
            ),
            ReportOptions(sender=config.report_from, postmaster=postmaster(config, hostname)),
        ),
        checks_mailboxes=True,
    )


def options(user: User, config: SieveConfig) -> tuple[object, ...]:
    """Those that no envelope changes."""
    return (
        automatic.vacation(config.vacation, user_email(user)),
        automatic.duplicate(config.duplicate),
        config.spamtest.scan(),
        config.virustest.scan(),
        config.editheader.options(),
    )


def user_email(user: User) -> str:
    """The user's own address: what the database says, or the name where that is one."""
    return user.fields.get("sieve_user_email", "") or (user.name if "@" in user.name else "")


def postmaster(config: SieveConfig, hostname: str) -> str:
    """The address of whoever is in charge."""
    return config.postmaster or f"postmaster@{hostname}"


def _notify_from(user: User, config: SieveConfig, envelope: Envelope, hostname: str) -> str | None:
    if not config.notify_from:
        return None
    owner = Owner(
        user_email=user_email(user), postmaster=postmaster(config, hostname), rewritten=envelope.sender
    )
    return sender_of(config.notify_from, envelope, owner)


def _environment(hostname: str, config: SieveConfig, client: str) -> dict[str, str]:
    """The items of RFC 5183 and of vnd.dovecot.environment that a delivery knows."""
    remote = {"remote-ip": client} if client else {}
    domain = hostname.partition(".")[2]
    own = {f"vnd.dovecot.config.{name.lower()}": value for name, value in config.environment.items()}
    return {"host": hostname, "domain": domain, "location": "MDA", "phase": "during", **remote, **own}
