"""automatic - the site's options for what scripts send and remember by themselves: vacation and duplicate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lda.sieve.extensions.duplicate import DuplicateOptions
from lda.sieve.extensions.vacation import VacationOptions
from tamis.config.schema import Duration, option

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VacationConfig:
    """Replies of absent users (RFC 5230)."""

    min_period: Duration = option(Duration(_DAY_S), "a sender is not answered again sooner", at_least=0)
    max_period: Duration = option(
        Duration(0.0), "nor later, whatever the script says; 0: no limit", at_least=0
    )
    default_period: Duration = option(Duration(7 * _DAY_S), "for scripts that do not say", at_least=0)
    default_subject: str = option("Automated reply", "for messages without one")
    subject: str = option("Auto: %{subject}", "where the script names none; %{subject} is the message's")
    check_recipient: bool = option(True, "reply only to messages that name an address of the user's")
    use_original_recipient: bool = option(False, "the address before aliases is an address of the user's too")
    send_from_recipient: bool = option(False, "bounces of replies go to the user; else to nobody")
    to_header_ignore_envelope: bool = option(
        False, "To names who wrote the message (Sender, Resent-From, From), whoever the envelope's sender is"
    )

    def problems(self) -> Iterator[str]:
        """Bounds that exclude each other."""
        if self.max_period and self.max_period < self.min_period:
            yield "max_period: must not be below min_period"


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateConfig:
    """What the test duplicate remembers (RFC 7352)."""

    default_period: Duration = option(Duration(_DAY_S / 2), "for scripts that do not say", at_least=0)
    max_period: Duration = option(Duration(2 * _DAY_S), "whatever the script says", at_least=0)


def vacation(config: VacationConfig, user_email: str) -> VacationOptions:
    """As the extension takes them. user_email: the user's own address, or ""."""
    return VacationOptions(
        min_period_s=int(config.min_period),
        max_period_s=int(config.max_period),
        default_period_s=int(config.default_period),
        default_subject=config.default_subject,
        subject_template=config.subject,
        user_email=user_email,
        use_original_recipient=config.use_original_recipient,
        check_recipient=config.check_recipient,
        send_from_recipient=config.send_from_recipient,
        to_header_ignore_envelope=config.to_header_ignore_envelope,
    )


def duplicate(config: DuplicateConfig) -> DuplicateOptions:
    """As the extension takes them."""
    return DuplicateOptions(default_period_s=int(config.default_period), max_period_s=int(config.max_period))
