"""sendmail - a message given to a program that takes mail, such as sendmail(1). It blocks: for threads and commands."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from typing import IO

_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


def run(command: Sequence[str], pieces: Iterable[bytes], timeout_s: float) -> int:
    """The exit status of *command*, which reads *pieces*; no shell is asked.

    It reads a file, not a pipe: were we killed in the middle of a pipe, it would send what came. Raises OSError and
    ValueError where it never began, TimeoutExpired where it has been killed, and nobody knows what it has done."""
    with ExitStack() as stack:
        file = tempfile.TemporaryFile(prefix="tamis-")  # noqa: SIM115 - `_let_go` is its end
        stack.callback(_let_go, file)
        for piece in pieces:
            file.write(piece)
        file.seek(0)
        process = subprocess.Popen(
            command,
            stdin=file,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
        try:
            return process.wait(timeout_s)
        except BaseException:
            process.kill()
            process.wait()
            raise


def _let_go(file: IO[bytes]) -> None:
    """What the program has taken is not sent again because the disk is in trouble now."""
    with suppress(OSError):
        file.close()
