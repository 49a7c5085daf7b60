"""script_config - the tables [lda.sieve] and below: where scripts lie, what they may use, what they know of the site.

The tables of single extensions are in `lda.automatic`, `lda.scanners` and `lda.forward`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from lda.automatic import DuplicateConfig, VacationConfig
from lda.forward import RedirectConfig, rule_problem
from lda.programs import COMMANDS, ProgramsConfig
from lda.scanners import EditHeaderConfig, SpamTestConfig, VirusTestConfig
from lda.script_cache import MAX_BYTES
from lda.sieve import LANGUAGE, Language
from lda.sieve.extensions import EXTENSIONS
from lda.sieve.extensions.report import ReportOptions
from lda.sieve.limits import DEFAULT, Limits
from tamis.config.schema import Duration, Size, option
from tamis.mail.address import parse_mailbox

_ENVIRONMENT_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MANY = 1_000_000
_GIB = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsConfig:
    """How much one script, or one delivery's scripts, may use. More is an error of the script: the message is kept."""

    script_bytes: Size = option(Size(DEFAULT.script_bytes), "a script", at_least=1, at_most=64 << 20)
    string_bytes: Size = option(Size(DEFAULT.string_bytes), "a string", at_least=64, at_most=64 << 20)
    arguments: int = option(DEFAULT.arguments, "of one command or test", at_least=8, at_most=1000)
    nested_blocks: int = option(DEFAULT.nested_blocks, "in each other", at_least=1, at_most=100)
    nested_tests: int = option(DEFAULT.nested_tests, "in each other", at_least=1, at_most=100)
    identifier_chars: int = option(DEFAULT.identifier_chars, "of a word", at_least=16, at_most=1000)
    errors: int = option(DEFAULT.errors, "told of one script", at_least=1, at_most=10_000)
    actions: int = option(DEFAULT.actions, "of one delivery", at_least=1, at_most=1000)
    redirects: int = option(DEFAULT.redirects, "of one delivery; 0 forbids them", at_least=0, at_most=1000)
    notifications: int = option(
        DEFAULT.notifications, "of one delivery; 0 forbids them", at_least=0, at_most=1000
    )
    steps: int = option(
        DEFAULT.steps, "of work, about 0.1 microseconds each", at_least=10_000, at_most=10**12
    )
    cpu_s: Duration = option(Duration(DEFAULT.cpu_s), "of the processor", at_least=0.01, at_most=500)
    questions: int = option(
        DEFAULT.questions, "about mailboxes, lists, annotations", at_least=1, at_most=_MANY
    )
    variables: int = option(DEFAULT.variables, "of one script", at_least=128, at_most=_MANY)
    variable_bytes: Size = option(
        Size(DEFAULT.variable_bytes),
        "a variable's value; a longer one is cut",
        at_least=4000,
        at_most=64 << 20,
    )
    variable_name_chars: int = option(DEFAULT.variable_name_chars, "of its name", at_least=32, at_most=1000)
    match_variables: int = option(DEFAULT.match_variables, "${1} and so on", at_least=9, at_most=1000)
    includes: int = option(DEFAULT.includes, "of one script, all together", at_least=1, at_most=10_000)
    include_depth: int = option(DEFAULT.include_depth, "in each other", at_least=1, at_most=30)
    regex_bytes: Size = option(
        Size(DEFAULT.regex_bytes), "a regular expression", at_least=64, at_most=1 << 20
    )
    mime_depth: int = option(
        DEFAULT.mime_depth, "parts in each other that are looked into", at_least=1, at_most=50
    )
    mime_parts: int = option(
        DEFAULT.mime_parts, "of a message that are looked at", at_least=1, at_most=100_000
    )
    decoded_bytes: Size = option(
        Size(DEFAULT.decoded_bytes), "of a message's parts, decoded for tests", at_least=1 << 16, at_most=_GIB
    )

    def limits(self) -> Limits:
        """As the engine takes them."""
        return Limits(**{field.name: getattr(self, field.name) for field in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class SieveConfig:
    """Sieve scripts."""

    script: str = option(
        "{home}/.dovecot.sieve",
        "the user's active script; {home} {user} {local} {domain}; or Dovecot's file:~/sieve;active=~/.dovecot.sieve",
    )
    personal: str = option(
        "{home}/sieve", "the user's scripts, NAME.sieve, for include; as for script, which may name it"
    )
    user_fields: bool = option(True, "sieve, sieve_before ... of the user database go before what is here")
    before: tuple[Path, ...] = option(
        (), "the site's scripts that run first: files, or directories of *.sieve"
    )
    after: tuple[Path, ...] = option((), "and those that run last, while the message would be kept")
    default: Path | None = option(None, "the script of users without one")
    default_name: str = option("", "by this name users' scripts can include the default one")
    discard: Path | None = option(None, "a script that runs where a message would reach nobody")
    site: Path | None = option(None, "the site's scripts, NAME.sieve, for include :global")
    memory: str = option("{home}/.tamis.seen", "what vacation and duplicate remember; as for script")
    annotations: str = option(
        "{home}/dovecot-attributes",
        "Dovecot's mail_attribute_dict, a file; as for script; empty: there is none",
    )
    postmaster: str = option("", "the site's postmaster; empty: postmaster@ our hostname")
    report_from: str = option(
        "postmaster",
        "whose reports of abuse are: postmaster, sender, recipient, orig_recipient, user_email, <address>",
    )
    notify_from: str = option(
        "", "envelope senders of notifications, as redirect.envelope_from; empty: whoever is in From"
    )
    not_offered: tuple[str, ...] = option((), "extensions that no script may require")
    site_only: tuple[str, ...] = option((), "extensions that only the site's scripts may require")
    lists: dict[str, Path] = option({}, "lists for extlists by name: files with an entry a line")
    environment: dict[str, str] = option({}, "items vnd.dovecot.config.NAME for scripts")
    cache: Size = option(Size(MAX_BYTES), "of memory for compiled scripts", at_least=0)
    limits: LimitsConfig = option(LimitsConfig(), "how much scripts may use")
    vacation: VacationConfig = option(VacationConfig(), "replies of absent users")
    duplicate: DuplicateConfig = option(DuplicateConfig(), "what the test duplicate remembers")
    redirect: RedirectConfig = option(RedirectConfig(), "messages that are sent on")
    spamtest: SpamTestConfig = option(SpamTestConfig(), "where a spam filter's score is")
    virustest: VirusTestConfig = option(VirusTestConfig(), "where a virus scanner's verdict is")
    programs: ProgramsConfig = option(ProgramsConfig(), "programs that scripts may call")
    editheader: EditHeaderConfig = option(EditHeaderConfig(), "what scripts may do to header fields")

    def language(self, *, site: bool) -> Language:
        """What scripts may require: the site's own, or users'."""
        hidden = {f"vnd.dovecot.{c}" for c in COMMANDS if self.programs.directory(c) is None}
        return _language(frozenset(hidden.union(self.not_offered, () if site else self.site_only)))

    def problems(self) -> Iterator[str]:
        """A template that names what is not there, a path that depends on where we were started."""
        for name in ("script", "personal", "memory", "annotations"):
            yield from _template_problems(name, getattr(self, name))
        for name in ("default", "site", "discard"):
            path = getattr(self, name)
            if path is not None and not path.is_absolute():
                yield f"{name}: must be absolute, not {path}"
        for name in ("before", "after"):
            yield from (
                f"{name}: must be absolute, not {p}" for p in getattr(self, name) if not p.is_absolute()
            )
        for name, path in self.lists.items():
            if not path.is_absolute():
                yield f"lists: {name}: must be absolute, not {path}"
        for name in self.environment:
            if not _ENVIRONMENT_NAME.fullmatch(name):
                yield f"environment: {name!r} can be no item's name"
        yield from self._extension_problems()
        yield from self._author_problems()

    def _extension_problems(self) -> Iterator[str]:
        for option_, names in (("not_offered", self.not_offered), ("site_only", self.site_only)):
            unknown = [name for name in names if name not in LANGUAGE.capabilities]
            yield from (f"{option_}: there is no extension {name!r}" for name in unknown)

    def _author_problems(self) -> Iterator[str]:
        """Whose our own messages cannot be."""
        for problem in ReportOptions(sender=self.report_from).problems():
            yield f"report_from{problem.removeprefix('sender')}"
        if self.notify_from and (problem := rule_problem(self.notify_from)):
            yield f"notify_from: {problem}"
        if self.postmaster and parse_mailbox(self.postmaster) is None:
            yield f"postmaster: {self.postmaster!r} is no address"


@cache
def _language(hidden: frozenset[str]) -> Language:
    return Language(e for e in EXTENSIONS if e.capability not in hidden) if hidden else LANGUAGE


def _template_problems(name: str, template: str) -> Iterator[str]:
    if not template and name == "annotations":
        return
    try:
        where = template.format(home="/home", user="", local="", domain="")
    except (KeyError, IndexError, ValueError) as exc:
        yield f"{name}: {{home}}, {{user}}, {{local}} and {{domain}} can stand in it, not {exc}"
        return
    if name == "script" and where.startswith("file:"):
        return
    if not where.startswith("/"):
        yield f"{name}: must be absolute or begin with {{home}}"
