"""runner - runs test files: one `Trial` each, whatever happens in it."""

from __future__ import annotations

import time
import traceback
from pathlib import Path

from lda.sieve.limits import DEFAULT, Limits
from lda.sieve.machine import Failure
from lda.svtest.bench import Bench
from lda.svtest.coverage import Coverage
from lda.svtest.files import source_of
from lda.svtest.scripts import Uncompiled
from lda.svtest.trial import Trial


def run_file(
    path: Path, *, expect_failure: bool = False, coverage: Coverage | None = None, limits: Limits = DEFAULT
) -> Trial:
    """Run the test file *path*. *limits*: those that it does not set. Raises nothing but what a keyboard raises."""
    trial = Trial(path, expect_failure)
    started = time.monotonic()
    try:
        bench = Bench(trial, coverage, limits)
        script = bench.scripts.compiled_source(source_of(path), str(path.resolve()))
        bench.run(script)
    except Uncompiled as exc:
        trial.failure = "the file does not compile"
        trial.log += str(exc).split("\n")
    except Failure as exc:
        trial.failure = exc.text
    except OSError as exc:
        trial.failure = f"the file cannot be read: {exc.strerror}"
    except Exception as exc:  # a bug of the engine is the failure of this file, not of the whole run
        trial.failure, trial.crashed = f"the engine has crashed: {exc!r}", True
        trial.log += traceback.format_exc().split("\n")
    trial.seconds = time.monotonic() - started
    return trial
