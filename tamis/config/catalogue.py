"""catalogue - every option that a program reads, table by table: what `--defaults` and docs/options.md print."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, replace
from typing import Any, get_args, get_origin, get_type_hints

from tamis.config.kind import kind
from tamis.config.load import Document, Loader, Offer
from tamis.config.schema import default_of, options_of, table_class, without_none
from tamis.config.toml import keys, text, toml


@dataclass(frozen=True, slots=True)
class Row:
    """One option. *default* is TOML; "" where there is none."""

    name: str
    kind: str
    default: str
    doc: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table. *header*: ``[policyd]``, ``[[list]]``, "" for what stands above the first header.

    given: it is there whether the file names it or not; otherwise this is a template."""

    header: str
    doc: str
    rows: tuple[Row, ...]
    given: bool


def tables_of(assemble: Callable[[Loader], object]) -> Iterator[Table]:
    """The tables of the program that *assemble* builds, then a template for each kind of check."""
    loader = Loader(Document("", "", {}))
    assemble(loader)
    for built in loader.built:
        if not built.where:
            yield from _tables(type(built.instance), "", "", "", None, True)
    for where, offer in loader.offered.items():
        for name in offer.choices:
            yield from _template(offer, name, keys((*where, name)))


def _tables(cls: type[Any], form: str, path: str, doc: str, instance: Any, given: bool) -> Iterator[Table]:
    """*instance* holds the defaults; None: they are those of *cls*."""
    hints = get_type_hints(cls)
    defaults = {o: default_of(o) if instance is None else getattr(instance, o.name) for o in options_of(cls)}
    inner = {o: _inner(hints[o.name]) for o in defaults}
    rows = tuple(_row(o, hints[o.name], default) for o, default in defaults.items() if inner[o] is None)
    yield Table(form.format(path), doc, rows, given)
    for option, found in inner.items():
        if found is not None:
            table, form_below = found
            below = f"{path}.{option.name}" if path else option.name
            is_there = isinstance(defaults[option], table)
            yield from _tables(
                table,
                form_below,
                below,
                _doc(option),
                defaults[option] if is_there else None,
                given and is_there,
            )


def _template(offer: Offer, name: str, path: str) -> Iterator[Table]:
    cls = offer.choices[name]
    module = sys.modules[cls.__module__].__doc__ or ""
    first, *below = _tables(cls, "[{}]", path, module.partition("\n")[0].partition(" - ")[2], None, False)
    [shared] = _tables(offer.shared, "", "", "", None, False)
    rows = (replace(row, default=text(name)) if row.name == offer.by else row for row in shared.rows)
    yield replace(first, rows=(*rows, *first.rows))
    yield from below


def _row(option: Field[Any], hint: Any, default: Any) -> Row:
    none = default is None or default is MISSING
    about = kind(hint, option.metadata)
    if none:
        about += ", required" if default is MISSING else ", no default"
    return Row(option.name, about, "" if none else toml(hint, default, {}), _doc(option))


def _doc(option: Field[Any]) -> str:
    return " ".join(str(option.metadata.get("doc", "")).split())


def _inner(hint: Any) -> tuple[type[Any], str] | None:
    """The dataclass of a table, of a list of tables or of tables with free names, and the form of its header."""
    hint = without_none(hint)
    if get_origin(hint) is tuple:
        hint, form = get_args(hint)[0], "[[{}]]"
    elif get_origin(hint) is dict:
        hint, form = get_args(hint)[1], "[{}.NAME]"
    else:
        form = "[{}]"
    cls = table_class(hint)
    return None if cls is None else (cls, form)
