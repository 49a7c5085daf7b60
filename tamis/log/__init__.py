"""log - one event a line, logfmt or JSON, to syslog or stderr, in Postfix's own field names.

    level=info event=decision stage=RCPT client_address=192.0.2.7 sender=a@example.org verdict=pass

It never raises into the mail path and never waits for a syslogd that hangs: a line that cannot be written is
counted in `Log.lost` and reported with the next one that can. Values may be hostile: see `tamis.log.text`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tamis.log.places import (
    Frame,
    Sink,
    Syslog,
    nowhere,
    plain,
    plain_json,
    stamped,
    stamped_json,
    syslog,
    write_stderr,
)
from tamis.log.text import (
    MAX_TRACEBACK_CHARS,
    MAX_VALUE_CHARS,
    described,
    json_members,
    logfmt,
    safe,
    shortened,
    too_long,
    traced,
)

if TYPE_CHECKING:
    from tamis.config.log import LogConfig

__all__ = ["LEVELS", "Log", "safe"]

LEVELS = {"debug": 0, "info": 1, "warning": 2, "error": 3}


class Log:
    """The events of one program.

    lost: lines that nobody took since the last that somebody did."""

    def __init__(
        self, sink: Sink, *, level: str = "info", as_json: bool = False, frame: Frame | None = None
    ) -> None:
        self.lost = 0
        self._sink = sink
        self._threshold = LEVELS[level]
        self._json = as_json
        self._frame = frame or (plain_json if as_json else plain)

    @classmethod
    def open(cls, config: LogConfig, program: str, *, spare_stderr: bool = True) -> Log:
        """The log that *config* asks for. *program* is its name in syslog, such as ``tamis-policyd``.

        What syslog does not take goes to stderr, unless that is the sender's bounce: *spare_stderr*."""
        log = cls(write_stderr)
        log.configure(config, program, spare_stderr=spare_stderr)
        return log

    @classmethod
    def null(cls) -> Log:
        """A log that keeps nothing."""
        return cls(nowhere)

    def configure(self, config: LogConfig, program: str, *, spare_stderr: bool = True) -> None:
        """Change level, form and place for all who hold this log (a reload)."""
        self._threshold = LEVELS[config.level]
        self._json = config.format == "json"
        if config.to == "stderr":
            self._take(write_stderr, stamped_json(program) if self._json else stamped(program))
        else:
            spare = write_stderr if spare_stderr else None
            self._take(Syslog(spare=spare), syslog(program, plain_json if self._json else plain))

    def _take(self, sink: Sink, frame: Frame) -> None:
        old, self._sink, self._frame = self._sink, sink, frame
        if isinstance(old, Syslog):
            old.close()

    def debug(self, event: str, /, **fields: object) -> None:
        """For the developer."""
        if not self._threshold:
            self._write("debug", event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        """What happened. Empty fields ("", None, an empty list) are left out; 0 and False are not."""
        if self._threshold <= 1:
            self._write("info", event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """The admin may want to act."""
        if self._threshold <= 2:
            self._write("warning", event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        """The admin should act."""
        self._write("error", event, fields)

    def exception(self, event: str, exc: BaseException, /, **fields: object) -> None:
        """A defect of ours: the traceback, its innermost part, on the same line."""
        failure = {"error": described(exc), "traceback": traced(exc)}
        self._write("error", event, {**failure, **fields}, MAX_TRACEBACK_CHARS)

    def _write(self, level: str, event: str, fields: dict[str, object], limit: int = MAX_VALUE_CHARS) -> None:
        try:
            render = json_members if self._json else logfmt
            fields = {"event": event, **fields}
            line = self._frame(level) + render(fields, limit)
            if too_long(line):
                line = self._frame(level) + render(shortened(render, fields, limit), limit)
            self._sink(line)
        except Exception:  # whatever is wrong with a line, a value or the disk: mail goes on
            self.lost += 1
            return
        if self.lost:
            lost, self.lost = self.lost, 0
            self._write("warning", "log lines lost", {"lines": lost})
