"""An import as an admin does it, and what our daemon makes of its outcome."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from policyd.checks import CHECKS
from tamis.cli.__main__ import main
from tamis.cli.check import problems
from tamis.config.load import Loader, parse
from tamis.registry import Configured, configure_checks


@dataclass(frozen=True, slots=True)
class Imported:
    """status: of the command. report: what --json says."""

    status: int
    report: dict[str, Any]

    @property
    def text(self) -> str:
        """The configuration."""
        return str(self.report["configuration"])

    @property
    def checks(self) -> dict[str, dict[str, Any]]:
        """Its tables by label, as TOML has them."""
        return dict(parse("import", self.text).data.get("policyd", {}).get("checks", {}))

    def configured(self) -> tuple[Configured, ...]:
        """The checks as the daemon builds them. Raises ConfigError."""
        loader = Loader(parse("import", self.text))
        made = configure_checks(loader, "policyd.checks", CHECKS)
        loader.finish()
        return made

    def left_out(self) -> list[str]:
        """``line: what`` of all that is not carried over."""
        return [f"{one['line']}: {one['what']}" for one in self.report["left_out"]]


@dataclass(frozen=True, slots=True)
class Workbench:
    """Runs imports of texts below *directory*."""

    directory: Path
    capsys: pytest.CaptureFixture[str]

    def file(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, kind: str, *paths: Path) -> Imported:
        """Import files: what comes of it loads, whatever they are (`tamis check`)."""
        status = main(["policy", "import", kind, *map(str, paths), "--json"])
        imported = Imported(status, json.loads(self.capsys.readouterr().out))
        made = self.file("imported/tamis.toml", imported.text)
        assert problems(made) == []
        return imported

    def text(self, kind: str, text: str, name: str = "source.cf") -> Imported:
        """Import one file with that text."""
        return self.run(kind, self.file(name, text))
