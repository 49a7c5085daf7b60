"""manual - docs/man/tamis.toml.5: every option of every program as a manual page, from where docs/options.md comes.

It is made by `python -m tamis.cli.manual > docs/man/tamis.toml.5`, and a test holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tamis.cli.options import Section, sections
from tamis.config.catalogue import Row
from tamis.config.load import DEFAULT_PATH

_HEAD = r""".\" tamis.toml(5) - the configuration of Tamis. Made by `python -m tamis.cli.manual`: do not edit.
.Dd November 24, 2026
.Dt TAMIS.TOML 5
.Os Tamis
.Sh NAME
.Nm tamis.toml
.Nd the configuration of Tamis
.Sh DESCRIPTION
All programs of Tamis read one file in TOML,
.Pa %s ;
.Ev TAMIS_CONFIG
or the option
.Fl c
names another.
Each program reads the tables that say so, and skips those of the others.
Every option may be left out unless it is required.
.Pp
.Xr tamis-check 1
names every mistake with its line.
Each program prints its options with
.Fl -defaults ,
and with
.Fl -changed
what the file makes different.
.Dv SIGHUP
makes it read the file again.
.Ss Types
.Bl -tag -width "true or false"
.It text, path
In quotes.
.It time
.Ql \(dq500ms\(dq , \(dq90s\(dq , \(dq5m\(dq , \(dq1.5h\(dq , \(dq30d\(dq , \(dq2w\(dq :
always with a unit.
.It size
.Ql \(dq10kB\(dq
is 10000 bytes,
.Ql \(dq25MiB\(dq
is 25 times 1024 squared; without a unit it is bytes.
.It rate
.Ql \(dq100/1h\(dq :
so many in so much time.
.It file mode
.Ql \(dq0660\(dq ,
in quotes.
.It network
.Ql \(dq10.0.0.0/8\(dq ;
an address alone is a network of one.
.It secret
The word in quotes, better
.Ql {file = \(dq/etc/tamis/word\(dq}
.Pq mode 0600 ,
.Ql {env = \(dqNAME\(dq}
or, from the LoadCredential= of systemd,
.Ql {credential = \(dqname\(dq} .
.It list
In brackets.
.El
.Sh TABLES
"""

_SENTENCE_END = re.compile(r"(?<=[a-z)][.?!]) +(?=[A-Z])")

_TAIL = r""".Sh FILES
.Bl -tag -width Ds
.It Pa %s
Where the programs look for it.
.El
.Sh EXAMPLES
A policy daemon with one limit, and delivery for the users of Dovecot:
.Bd -literal -offset indent
hostname = "mx.example.org"

[policyd.checks.users]
check = "ratelimit"
limits = ["100/1h", "500/1d"]

[lda]
user = "vmail"
.Ed
.Sh SEE ALSO
.Xr tamis 1 ,
.Xr tamis-check 1 ,
.Xr tamis-lda 8 ,
.Xr tamis-lmtpd 8 ,
.Xr tamis-milter 8 ,
.Xr tamis-policyd 8
"""


def page() -> str:
    """The whole page, in mdoc(7)."""
    tables = (line for section in sections() for line in _written(section))
    return _HEAD % DEFAULT_PATH + "".join(f"{line}\n" for line in tables) + _TAIL % DEFAULT_PATH


def _written(section: Section) -> Iterator[str]:
    table = section.table
    yield f".Ss {_escaped(table.header) if table.header else 'Above the first table'}"
    if table.doc:
        yield _escaped(f"{table.doc[:1].upper()}{table.doc[1:].rstrip('.')}.")
    if not table.given:
        yield "There may be several, each with a name of its own."
    yield f"Read by {', '.join(section.programs)}."
    if table.rows:
        yield ".Bl -tag -width Ds"
        for row in table.rows:
            yield from _option(row)
        yield ".El"


def _option(row: Row) -> Iterator[str]:
    yield f".It Cm {_escaped(row.name)}"
    if row.doc:
        yield _escaped(f"{row.doc.rstrip('.')}.")
    default = f"; default {row.default}" if row.default else ""
    yield _escaped(f"({row.kind}{default})")


def _escaped(text: str) -> str:
    """*text* in lines of roff that show it as it is, a new one for each sentence."""
    lines = _SENTENCE_END.sub("\n", text.replace("\\", "\\e")).split("\n")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in lines)


if __name__ == "__main__":
    print(page(), end="")
