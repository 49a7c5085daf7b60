"""automatic - the site's options for what scripts send and remember by themselves: vacation, duplicate, notify."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lda.sieve.extensions.duplicate import DuplicateOptions
from lda.sieve.extensions.enotify import NotifyOptions
from lda.sieve.extensions.vacation import VacationOptions
from lda.users import User
from tamis.config.schema import Duration, option

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VacationConfig:
    """Replies of absent users (RFC 5230)."""

    min_period: Duration = option(Duration(_DAY_S), "a sender is not answered again sooner", at_least=0)
    max_period: Duration = option(
        Duration(60 * _DAY_S), "nor later, whatever the script says; 0: no limit", at_least=0
    )
    default_period: Duration = option(Duration(7 * _DAY_S), "for scripts that do not say", at_least=0)
    default_subject: str = option("Automated reply", "for messages without one")
    subject: str = option("Auto: %{subject}", "where the script names none; %{subject} is the message's")
    check_recipient: bool = option(True, "reply only to messages that name an address of the user's")
    use_original_recipient: bool = option(False, "the address before aliases is an address of the user's too")
    send_from_recipient: bool = option(False, "bounces of replies go to the user; else to nobody")

    def problems(self) -> Iterator[str]:
        """Bounds that exclude each other."""
        if self.max_period and self.max_period < self.min_period:
            yield "max_period: must not be below min_period"


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateConfig:
    """What the test duplicate remembers (RFC 7352)."""

    default_period: Duration = option(Duration(_DAY_S / 2), "for scripts that do not say", at_least=0)
    max_period: Duration = option(Duration(2 * _DAY_S), "whatever the script says", at_least=0)


def settings(
    user: User, vacation: VacationConfig, duplicate: DuplicateConfig, notifications: int
) -> tuple[object, ...]:
    """The options of the language's extensions, for `Context.settings`."""
    return (
        VacationOptions(
            min_period_s=int(vacation.min_period),
            max_period_s=int(vacation.max_period),
            default_period_s=int(vacation.default_period),
            default_subject=vacation.default_subject,
            subject_template=vacation.subject,
            user_email=user.name if "@" in user.name else "",
            use_original_recipient=vacation.use_original_recipient,
            check_recipient=vacation.check_recipient,
            send_from_recipient=vacation.send_from_recipient,
        ),
        DuplicateOptions(
            default_period_s=int(duplicate.default_period), max_period_s=int(duplicate.max_period)
        ),
        NotifyOptions(max_notifications=notifications),
    )
