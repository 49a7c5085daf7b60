"""compile - make the client in C where there is a compiler. Used when Tamis is installed; no part of a delivery."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("tamis-lda.c")
SCRIPT = """\
#!/bin/sh
# tamis-lda without a compiler: the client in Python, which is slower and does the same.
exec "$(dirname -- "$(readlink -f -- "$0")")/tamis-lda-python" "$@"
"""
_FLAGS = ("-O2", "-Wall", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2")


def compile_client(program: Path) -> bool:
    """Make *program*, to stand beside tamis-lda-python: compiled (True), or else a script that starts that one.

    Linked statically where the system has the library for it: a third of its start is the dynamic linker's."""
    compiler = os.environ.get("CC", "cc")
    for linking in (("-static",), ()):
        command = [*compiler.split(), *_FLAGS, *linking, "-o", str(program), str(SOURCE)]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        except OSError:
            break
        if done.returncode == 0:
            return True
    program.write_text(SCRIPT)
    program.chmod(0o755)
    return False
