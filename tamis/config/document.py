"""document - the configuration file as tomllib reads it, and where each of its values stands."""

from __future__ import annotations

import fcntl
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tamis.config.where import Where
from tamis.errors import ConfigError, Problem

DEFAULT_PATH = "/etc/tamis/tamis.toml"
MAX_FILE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read and is TOML. *data* as tomllib gives it."""

    file: str
    text: str = field(repr=False)
    data: Mapping[str, Any] = field(repr=False)

    def lines_of(self, wheres: list[Where]) -> list[int]:
        """The line of each value, or of the nearest table above that has one; 0 means the whole file."""
        from tamis.config.lines import line_map

        lines = line_map(self.text)
        return [
            next((lines[where[:n]] for n in range(len(where), 0, -1) if where[:n] in lines), 0)
            for where in wheres
        ]


def default_path() -> Path:
    """``$TAMIS_CONFIG``, else /etc/tamis/tamis.toml."""
    return Path(os.environ.get("TAMIS_CONFIG") or DEFAULT_PATH)


def read(path: str | Path) -> Document:
    """The file at *path*. Raises ConfigError: it cannot be read, is not UTF-8 or not TOML (with the line)."""
    file = str(path)
    try:
        with open(path, "rb") as stream:
            if file.startswith("/dev/fd/"):  # a parent's copy, which it may just be writing anew
                fcntl.flock(stream, fcntl.LOCK_SH)
            raw = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise ConfigError([Problem(file, 0, "", f"cannot be read: {reason}")]) from exc
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError([Problem(file, 0, "", f"is larger than {MAX_FILE_BYTES // 1024**2} MiB")])
    try:
        text = raw.decode("utf-8-sig")  # some editors put a byte order mark in front
    except UnicodeDecodeError as exc:
        line = exc.object.count(b"\n", 0, exc.start) + 1
        raise ConfigError(
            [Problem(file, line, "", f"byte 0x{exc.object[exc.start]:02x} is not UTF-8")]
        ) from None
    return parse(file, text)


def parse(file: str, text: str) -> Document:
    """*text* as if read from *file*."""
    try:
        return Document(file, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as exc:
        from tamis.config.lines import syntax_problem

        raise ConfigError([syntax_problem(file, text, str(exc))]) from None
    except ValueError:  # what int() says of more digits than it reads
        raise ConfigError([Problem(file, 0, "", "a number has too many digits")]) from None
    except RecursionError:
        raise ConfigError([Problem(file, 0, "", "lists or tables are nested too deep")]) from None
