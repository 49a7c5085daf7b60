"""options - from the settings of a test file to what the engine takes: limits, and one object for each extension."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeVar

from lda.sieve import Context, Limits
from lda.sieve.extensions.editheader import EditHeader
from lda.sieve.extensions.enotify import NotifyOptions
from lda.sieve.extensions.report import ReportOptions
from lda.sieve.extensions.spamtest import SpamTest, VirusTest
from lda.sieve.extensions.vacation import DAY_S, VacationOptions
from lda.sieve.testsuite import Suite
from lda.svtest.settings import BadSetting, Section, Settings

USER = "testsuite-mail-user@example.org"
POSTMASTER = "postmaster@example.com"
ENVIRONMENT = {
    "host": "mail.example.com",
    "domain": "example.com",
    "location": "MS",
    "phase": "post",
    "vnd.dovecot.default-mailbox": "INBOX",
    "vnd.dovecot.username": USER,
}
_NO_LIMIT_S = 10**9
_EDITHEADER = "sieve_editheader_header/"

Scan = TypeVar("Scan", SpamTest, VirusTest)


def limits(settings: Settings) -> Limits:
    """What a script may use. Raises BadSetting."""
    engine, variables, include = settings.of(), settings.of("variables"), settings.of("include")
    usual = settings.usual
    longest = ("sieve_variables_max_value_size", "sieve_variables_max_variable_size")
    return dataclasses.replace(
        usual,
        cpu_s=float(engine.seconds("sieve_max_cpu_time", int(usual.cpu_s)) or _NO_LIMIT_S),
        actions=engine.number("sieve_max_actions", usual.actions) or usual.steps,
        redirects=engine.number("sieve_max_redirects", usual.redirects),
        notifications=settings.of("enotify").number("sieve_notify_max_notifications", usual.notifications),
        variable_bytes=variables.size(*longest, default=usual.variable_bytes),
        variables=variables.number(
            "sieve_variables_max_scope_count",
            variables.number("sieve_variables_max_scope_size", usual.variables),
        ),
        include_depth=include.number("sieve_include_max_nesting_depth", usual.include_depth),
        includes=include.number("sieve_include_max_includes", usual.includes),
    )


def context(settings: Settings, directory: str, flags: tuple[str, ...]) -> Context:
    """What the engine under test knows. directory: of the test file. Raises BadSetting."""
    named = settings.of("vnd.dovecot.environment")
    items = {**named.names("sieve_env_"), **named.names("sieve_environment/")}
    return Context(
        user=USER,
        now=datetime.now().astimezone(),
        clock=time.thread_time,
        limits=limits(settings),
        recipient_delimiter=settings.of("subaddress").text(
            "recipient_delimiter", default=settings.of().text("recipient_delimiter", default="+")
        ),
        environment={**ENVIRONMENT, **{f"vnd.dovecot.config.{k.lower()}": v for k, v in items.items()}},
        flags=flags,
        settings=(
            Suite(directory=directory),
            _vacation(settings.of("vacation"), settings.of()),
            NotifyOptions(
                max_notifications=limits(settings).notifications,
                author=settings.of().text("sieve_user_email", default=f"Postmaster <{POSTMASTER}>"),
            ),
            _scan(SpamTest, settings.of("spamtest"), "sieve_spamtest_"),
            _scan(VirusTest, settings.of("virustest"), "sieve_virustest_"),
            _editheader(settings.of("editheader")),
            ReportOptions(
                sender=settings.of("vnd.dovecot.report").text("sieve_report_from", default="postmaster"),
                postmaster=POSTMASTER,
            ),
        ),
    )


def _vacation(section: Section, engine: Section) -> VacationOptions:
    check = not section.flag("sieve_vacation_dont_check_recipient")
    return VacationOptions(
        min_period_s=section.seconds("sieve_vacation_min_period", DAY_S),
        max_period_s=section.seconds("sieve_vacation_max_period", 60 * DAY_S),
        default_period_s=section.seconds("sieve_vacation_default_period", 7 * DAY_S),
        default_subject=section.text("sieve_vacation_default_subject", default="Automated reply"),
        subject_template=section.text("sieve_vacation_default_subject_template"),
        user_email=engine.text("sieve_user_email"),
        use_original_recipient=section.flag("sieve_vacation_use_original_recipient"),
        check_recipient=section.flag("sieve_vacation_check_recipient", default=check),
        send_from_recipient=section.flag("sieve_vacation_send_from_recipient"),
        to_header_ignore_envelope=section.flag("sieve_vacation_to_header_ignore_envelope"),
    )


def _scan(kind: type[Scan], section: Section, prefix: str) -> Scan:
    highest = section.text(f"{prefix}score_max_value", f"{prefix}max_value")
    return kind(
        status_header=section.text(f"{prefix}status_header"),
        status_type=_status_type(section.text(f"{prefix}status_type", default="score")),
        max_value=_decimal(highest) if highest else None,
        max_header=section.text(f"{prefix}score_max_header", f"{prefix}max_header"),
        text_values=_texts(section.names(f"{prefix}text_value")),
    )


def _status_type(text: str) -> Literal["score", "strlen", "text"]:
    match text:
        case "score" | "strlen" | "text":
            return text
    raise BadSetting(f"status type '{text}' is none of score, strlen, text")


def _decimal(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,15}(?:\.[0-9]{0,15})?", text):
        raise BadSetting(f"'{text}' is no number")
    return float(text)


def _texts(named: Mapping[str, str]) -> dict[int, str]:
    """``/3`` or ``3`` and the text of that score."""
    found = {name.removeprefix("/"): text for name, text in named.items()}
    return {int(name): text for name, text in found.items() if re.fullmatch(r"[0-9]{1,2}", name)}


def _editheader(section: Section) -> EditHeader:
    below = section.names(_EDITHEADER)
    forbidden = {
        what: [
            below.get(f"{key}/name", key)
            for key in section.text("sieve_editheader_header").split()
            if Section(below).flag(f"{key}/{what}")
        ]
        for what in ("forbid_add", "forbid_delete")
    }
    both = section.text("sieve_editheader_protected").split()
    return EditHeader(
        max_header_size=max(1024, section.size("sieve_editheader_max_header_size", default=2048)),
        forbid_add=(*forbidden["forbid_add"], *section.text("sieve_editheader_forbid_add").split(), *both),
        forbid_delete=(
            *forbidden["forbid_delete"],
            *section.text("sieve_editheader_forbid_delete").split(),
            *both,
        ),
    )
