"""hatch_build - installs tamis-lda as a program in C where there is a compiler (lda/client/compile.py)."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Client(BuildHookInterface[Any]):
    """The one file of a wheel that is made, not copied."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make it, and say for which machines the wheel is."""
        sys.path.insert(0, self.root)
        from lda.client.compile import compile_client

        Path(self.directory).mkdir(parents=True, exist_ok=True)
        if compile_client(self._program):
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{platform}"
        build_data["shared_scripts"][str(self._program)] = "tamis-lda"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """The wheel has it now."""
        self._program.unlink()

    @property
    def _program(self) -> Path:
        return Path(self.directory) / "tamis-lda"
