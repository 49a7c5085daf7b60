"""config - [lda.users]: which databases there are, and what is done to an address before they are asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lda.users import Source, ldap, sql
from lda.users.aliases import Aliases
from lda.users.auth_userdb import AuthUserdb, AuthUserdbConfig
from lda.users.chain import Users
from lda.users.ldap import Ldap, LdapConfig
from lda.users.passwd_file import PasswdFile, PasswdFileConfig
from lda.users.rewriting import Case, Rewriting, problems
from lda.users.sql import Sql, SqlConfig
from lda.users.static import Static, StaticConfig
from lda.users.system import System, SystemConfig
from tamis.config.schema import Duration, option
from tamis.log import Log


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersConfig:
    """Who the recipients are: the databases, in the order in which they are asked."""

    sources: tuple[str, ...] = option(("auth_userdb",), "auth_userdb, passwd_file, sql, ldap, system, static")
    recipient_delimiter: str = option(
        "+", "characters of which the first in a local part begins its extension"
    )
    remember: Duration = option(
        Duration(10.0), "how long a user once found is not looked up again; 0: not at all", at_least=0
    )
    case: Case = option("domain", "what is made lower case before databases are asked; lower: all of it")
    aliases: Path | None = option(None, "a file of other addresses of users, a line each: alias: user")
    domain_aliases: dict[str, str] = option({}, "other names of domains")
    catch_all: dict[str, str] = option({}, "who gets mail for those unknown, by domain; * for all others")
    auth_userdb: AuthUserdbConfig = option(AuthUserdbConfig(), "Dovecot's users, whatever database it has")
    passwd_file: PasswdFileConfig = option(PasswdFileConfig(), "a file in Dovecot's passwd-file format")
    sql: SqlConfig = option(SqlConfig(), "a database that SQLAlchemy speaks to; needs tamis[sql]")
    ldap: LdapConfig = option(LdapConfig(), "a directory; needs tamis[ldap]")
    system: SystemConfig = option(SystemConfig(), "the accounts of this machine")
    static: StaticConfig = option(StaticConfig(), "users by template")

    def problems(self) -> Iterator[str]:
        """Databases that are none or cannot be used, rules that lead nowhere."""
        if not self.sources:
            yield "sources: must name at least one database"
        for name in self.sources:
            if name not in SOURCES:
                yield f"sources: unknown database {name!r}; known: {', '.join(SOURCES)}"
        if "sql" in self.sources:
            yield from sql.complaints(self.sql)
        if "ldap" in self.sources:
            yield from ldap.complaints(self.ldap)
        yield from problems(self.domain_aliases, self.catch_all)
        if self.aliases and not self.aliases.is_absolute():
            yield f"aliases: must be absolute, not {self.aliases}"


SOURCES: Mapping[str, Callable[[UsersConfig], Source]] = {
    "auth_userdb": lambda config: AuthUserdb(config.auth_userdb),
    "passwd_file": lambda config: PasswdFile(config.passwd_file),
    "sql": lambda config: Sql(config.sql),
    "ldap": lambda config: Ldap(config.ldap),
    "system": lambda config: System(config.system),
    "static": lambda config: Static(config.static),
}


def make_users(config: UsersConfig, log: Log, only: Source | None = None) -> Users:
    """The users of a configuration. only: whoever asks, it is this one, and no database is asked."""
    if only is not None:
        return Users([only], config.recipient_delimiter, config.remember)
    return Users(
        [SOURCES[name](config) for name in config.sources],
        config.recipient_delimiter,
        config.remember,
        names=config.sources,
        rewriting=rewriting_of(config, log),
        log=log,
    )


def rewriting_of(config: UsersConfig, log: Log) -> Rewriting:
    """Its rules. What becomes wrong with the file of aliases is logged."""
    aliases = (
        Aliases(config.aliases, lambda problem: log.error("aliases refused", problem=problem))
        if config.aliases
        else None
    )
    return Rewriting(
        delimiter=config.recipient_delimiter,
        case=config.case,
        domains={name.lower(): domain for name, domain in config.domain_aliases.items()},
        catch_all={name.lower(): address for name, address in config.catch_all.items()},
        aliases=aliases,
    )
