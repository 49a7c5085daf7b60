"""options - docs/options.md: every option of every program, from the dataclasses that the programs read.

It is made by `python -m tamis.cli.options > docs/options.md`, and a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tamis.cli.programs import PROGRAMS, assemble_of
from tamis.config.catalogue import Row, Table, tables_of
from tamis.config.load import DEFAULT_PATH

_PREFACE = f"""\
# Options

All programs read one file in TOML, `{DEFAULT_PATH}`; `$TAMIS_CONFIG` or `-c FILE` names another. Each program
reads the tables that say so, and skips those of the others. Every option may be left out unless it is required.

`--check` names every mistake with its line, `--defaults` prints this page's options as TOML, `--changed` prints
what the file makes different. SIGHUP reads the file again.

| type | written |
|---|---|
| text, path | `"in quotes"` |
| time | `"500ms"`, `"90s"`, `"5m"`, `"1.5h"`, `"30d"`, `"2w"`: always with a unit |
| size | `"10kB"` is 10000 bytes, `"25MiB"` is 25 times 1024 squared; without a unit it is bytes |
| rate | `"100/1h"`: so many in so much time |
| file mode | `"0660"`, in quotes |
| network | `"10.0.0.0/8"`, `"2001:db8::/32"`; an address alone is a network of one |
| secret | `"the word"`, better `{{file = "/etc/tamis/word"}}` (mode 0600), `{{env = "NAME"}}` or, from systemd's \
LoadCredential=, `{{credential = "name"}}` |
| list | `[ ... ]` |

This page is made by `python -m tamis.cli.options > docs/options.md`.
"""


@dataclass(slots=True)
class Section:
    """A table and the programs that read it."""

    table: Table
    programs: list[str] = field(default_factory=list)


def sections() -> list[Section]:
    """All tables, each once, in the order of the programs."""
    found: dict[str, Section] = {}
    for program in PROGRAMS:
        for table in tables_of(assemble_of(program)):
            found.setdefault(table.header, Section(table)).programs.append(program)
    return list(found.values())


def page() -> str:
    """The whole page."""
    return "\n".join([_PREFACE, *map(_written, sections())])


def _written(section: Section) -> str:
    table = section.table
    heading = f"`{table.header}`" if table.header else "Above the first table"
    doc = f"{table.doc[:1].upper()}{table.doc[1:].rstrip('.')}. " if table.doc else ""
    template = "" if table.given else "There may be several, each with a name of its own. "
    lines = [f"## {heading}", "", f"{doc}{template}Read by {', '.join(section.programs)}.", ""]
    if table.rows:
        lines += ["| option | type | default | meaning |", "|---|---|---|---|", *map(_line, table.rows), ""]
    return "\n".join(lines)


def _line(row: Row) -> str:
    default = f"`{row.default}`" if row.default else ""
    return f"| `{row.name}` | {_cell(row.kind)} | {_cell(default)} | {_cell(row.doc)} |"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


if __name__ == "__main__":
    print(page(), end="")
