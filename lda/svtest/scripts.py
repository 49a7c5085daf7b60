"""scripts - finds and compiles the scripts that a test file names, with what they include."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lda.sieve import Place, Script, ScriptError, compile_script
from lda.sieve.testsuite import LANGUAGE
from lda.svtest import dictionary, options
from lda.svtest.coverage import Coverage
from lda.svtest.faults import listed, stricter
from lda.svtest.settings import Section, Settings

_STORAGES = {"personal": "included", "global": "included-global"}


class Uncompiled(Exception):  # what test_error lists
    """A script that cannot be used. texts: its errors; shown: the same with their places."""

    def __init__(self, texts: list[str], shown: str) -> None:
        super().__init__(shown)
        self.texts = texts


class Scripts:
    """directory: of the test file, in which included scripts lie. coverage: learns what scripts under test run."""

    def __init__(self, directory: Path, settings: Settings, coverage: Coverage | None = None) -> None:
        self._directory = directory
        self._settings = settings
        self._coverage = coverage

    def compiled(self, path: str, asking: str = "") -> Script:
        """The script at *path*, seen from the script called *asking*. Raises Uncompiled."""
        beside = Path(asking).parent if asking.startswith("/") else self._directory
        return self.compiled_file(beside / path)

    def compiled_file(self, path: Path) -> Script:
        """The script in the file *path*; its name is the path. Raises Uncompiled."""
        name = str(path)
        try:
            source = path.read_bytes()
        except (OSError, ValueError) as exc:
            text = f"script '{path.name}' cannot be opened: {getattr(exc, 'strerror', None) or exc}"
            raise Uncompiled([text], text) from None
        script = self.compiled_source(source, name)
        return script if self._coverage is None else self._coverage.watched(script)

    def compiled_source(self, source: bytes, name: str) -> Script:
        """The script *source*. Raises Uncompiled."""
        limits = options.limits(self._settings)
        try:
            script = compile_script(
                source, name, limits=limits, language=LANGUAGE, library=self._included, watch=self._watched
            )
        except ScriptError as error:
            texts = listed(error, name, source, limits, self._included)
            raise Uncompiled(texts, "\n".join(map(str, error.diagnostics))) from None
        if texts := stricter(script.warnings):
            raise Uncompiled(texts, "\n".join(map(str, script.warnings)))
        return script

    def _watched(self, place: Place, script: Script) -> Script:
        """A script that is included, under the name of its file."""
        if self._coverage is None:
            return script
        path = self._directory / _STORAGES[place.location] / f"{place.name}.sieve"
        return self._coverage.watched(replace(script, name=str(path)))

    def _included(self, place: Place) -> bytes | None:
        storage = _STORAGES[place.location]
        section = Section(self._settings.set)  # a storage is opened when it is asked for a script
        is_dictionary, source = dictionary.script(storage, place.name, section, self._directory)
        if is_dictionary:
            return source
        try:
            return (self._directory / storage / f"{place.name}.sieve").read_bytes()
        except OSError:
            return None
