"""rows - from a database row's strings to a `User`, bounded and checked. Pure.

A row is the admin's, but its values may have come from a web form: a home with a line end in it is refused
here, once, for every database. What is wrong with a row is temporary: the admin mends it and the mail is
still there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from lda.users import User
from tamis.errors import TempFail

MAX_NAME_CHARS = 320  # RFC 5321 section 4.5.3.1: 64 for the local part, 255 for the domain
MAX_PATH_BYTES = 4096  # PATH_MAX
MAX_FIELDS = 64
MAX_VALUE_CHARS = 8192  # a line of Dovecot's auth protocol
_MAX_ID = 2**32 - 2

_HOSTILE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_VARIABLE = re.compile(r"%(?:\{([^{}]*)\}|([LU]?)([a-z%])|)")
_HARMLESS_OPTIONS = {"INDEX", "INDEXPVT", "VOLATILEDIR"}
_LAYOUTS = {"maildir++", "fs"}


def user_of(name: str, row: Mapping[str, str], uid: int | None, gid: int | None) -> User:
    """The user of a row with Dovecot's names: uid, gid, home, mail, others. *uid*, *gid*: for a row without.

    Raises TempFail 4.3.5, without the row's values: the text may reach the sender."""
    if not is_harmless(name):
        raise TempFail("4.3.5", "The user database gives a name that is not allowed")
    if len(row) > MAX_FIELDS or any(len(v) > MAX_VALUE_CHARS or _HOSTILE.search(v) for v in row.values()):
        raise TempFail("4.3.5", "The user database gives a row that is not allowed")
    mail = _mail_of(row)
    known = User(
        name=name,
        home=_path(row["home"], name) if row.get("home") else Path("/nonexistent"),
        uid=_id(row.get("uid", ""), uid),
        gid=_id(row.get("gid", ""), gid),
        mail=mail,
        fields={k: v for k, v in row.items() if k not in {"uid", "gid", "home", "mail"}},
    )
    if row.get("home"):
        return known
    if not mail:
        raise TempFail("4.3.5", "The user database gives no home")
    return replace(known, home=location_of(known, "").path)


def is_harmless(name: str) -> bool:
    """Whether *name* can stand in a path and in a log: no slash, no dots alone, no controls, not too long."""
    parts = (name, *name.rpartition("@"))
    return (
        0 < len(name) <= MAX_NAME_CHARS
        and "/" not in name
        and not _HOSTILE.search(name)
        and not any(part in {".", ".."} for part in parts)
    )


@dataclass(frozen=True, slots=True)
class Location:
    """Where a user's mail is. path: the INBOX, a Maildir or, with *mbox*, a file. layout: ``fs``, ``maildir++``, or
    "" where the row leaves it to the site. utf8: names of folders are in UTF-8 on disk. mbox: the directory of the
    mbox files other than the INBOX."""

    path: Path
    layout: str = ""
    utf8: bool = False
    mbox: Path | None = None


def location_of(user: User, template: str) -> Location:
    """From the row's ``maildir:PATH[:OPTIONS]`` or ``mbox:DIRECTORY:INBOX=FILE``, or the site's *template*
    (``{home}/Maildir``). Raises TempFail 4.3.5 for other formats, layouts and options."""
    if not user.mail:
        return Location(_path(expand(template, user), user.name))
    kind, colon, rest = user.mail.partition(":")
    location, *options = rest.split(":")
    if not colon or kind.lower() not in {"maildir", "mbox"} or not location:
        raise TempFail("4.3.5", "The mailbox is neither a Maildir nor an mbox")
    told = {name.upper(): value for name, _, value in (option.partition("=") for option in options)}
    layout = told.pop("LAYOUT", "").lower()
    utf8 = told.pop("UTF-8", None) == ""
    mbox = kind.lower() == "mbox"
    inbox = told.pop("INBOX", "") if mbox else location
    if told.keys() - _HARMLESS_OPTIONS or layout not in {"", *_LAYOUTS} or not inbox:
        raise TempFail("4.3.5", "The mailbox has a layout that is not supported")
    folders = _path(_expanded(location, user), user.name) if mbox else None
    return Location(_path(_expanded(inbox, user), user.name), layout, utf8, folders)


def _expanded(location: str, user: User) -> str:
    """*location* with Dovecot's ``~`` and ``%`` variables."""
    if location == "~" or location.startswith("~/"):
        location = str(user.home) + location[1:]
    return _VARIABLE.sub(lambda match: _variable(match, user), location)


def located(text: str, user: User) -> Path:
    """A path as Dovecot's databases write it: ``~``, ``%u``...; a relative one begins at the home. Raises TempFail
    4.3.5."""
    return _path(str(user.home / _expanded(text, user)), user.name)


def _mail_of(row: Mapping[str, str]) -> str:
    """``mail``, or what Dovecot 2.4 has in its place."""
    if row.get("mail") or not row.get("mail_path"):
        return row.get("mail", "")
    options = [
        f":INBOX={row['mail_inbox_path']}" if row.get("mail_inbox_path") else "",
        f":LAYOUT={row['mailbox_list_layout']}" if row.get("mailbox_list_layout") else "",
        ":UTF-8" if row.get("mailbox_list_utf8", "").lower() in {"yes", "y", "true", "1"} else "",
    ]
    return f"{row.get('mail_driver') or 'maildir'}:{row['mail_path']}{''.join(options)}"


def expand(template: str, user: User) -> str:
    """``{home}``, ``{user}``, ``{local}`` and ``{domain}`` in the site's *template*."""
    local, domain = split_name(user.name)
    return template.format(home=user.home, user=user.name, local=local, domain=domain)


def _variable(match: re.Match[str], user: User) -> str:
    """``%u``, ``%Ld``, ``%{domain}``, ``%{user | domain | lower}``. One that we do not know must not become a directory
    that all users share: raises TempFail 4.3.5."""
    local, domain = split_name(user.name)
    home = str(user.home)
    values = {
        "u": user.name, "user": user.name, "n": local, "username": local,
        "d": domain, "domain": domain, "h": home, "home": home, "%": "%",
    }  # fmt: skip
    name, *filters = [word.strip() for word in (match[1] or "").split("|")]
    value = values.get(name or match[3] or "")
    for word in [*filters, *filter(None, [match[2]])]:
        change = _FILTERS.get(word)
        value = change(value) if change and value is not None else None
    if value is None:
        raise TempFail("4.3.5", "The mailbox has a variable that is not supported")
    return value


def split_name(name: str) -> tuple[str, str]:
    """Local part and domain; a name without domain is a local part."""
    local, at, domain = name.rpartition("@")
    return (local, domain) if at else (name, "")


def _path(text: str, name: str) -> Path:
    """An absolute path without ``..``; raises TempFail 4.3.5."""
    path = PurePosixPath(text)
    too_long = len(text.encode("utf-8", "surrogateescape")) > MAX_PATH_BYTES
    if too_long or not path.is_absolute() or ".." in path.parts or _HOSTILE.search(text):
        raise TempFail("4.3.5", "The user database gives a directory that is not allowed")
    return Path(path)


def _id(text: str, default: int | None) -> int:
    if not text and default is not None:
        text = str(default)
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 0 < int(text) <= _MAX_ID):
        raise TempFail("4.3.5", "The user database gives no uid or gid that mail can be delivered as")
    return int(text)


_FILTERS: dict[str, Callable[[str], str]] = {
    "L": str.lower,
    "lower": str.lower,
    "U": str.upper,
    "upper": str.upper,
    "username": lambda value: split_name(value)[0],
    "domain": lambda value: split_name(value)[1],
}
