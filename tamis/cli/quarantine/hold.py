"""hold - the hold queue of Postfix, by its own programs: postqueue(1), postcat(1), postsuper(1). Why a message is there
our journal knows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tamis.cli.quarantine.item import Item, Missing
from tamis.errors import TempFail
from tamis.journal import Record, read

TIMEOUT_S = 60.0
_SEARCHED = "/usr/sbin:/usr/bin:/sbin:/bin"
_QUEUE_ID = re.compile(r"[0-9A-Za-z]{5,40}")


class HoldQueue:
    """Of the Postfix with the configuration directory *postfix*, "" for its default. journal: where reasons are since
    then, None for nowhere. needed: messages are held there; otherwise it is no failure that there is none."""

    def __init__(self, postfix: str, journal: Path | None, since_s: float, *, needed: bool = True) -> None:
        self._postfix = postfix
        self._needed = needed
        self._journal = journal
        self._since_s = since_s

    @property
    def is_here(self) -> bool:
        """Whether there is a Postfix, with a configuration."""
        configured = (Path(self._postfix or "/etc/postfix") / "main.cf").exists()
        return configured and shutil.which("postqueue", path=_SEARCHED) is not None

    def items(self) -> Iterator[Item]:
        """See `places.Place`."""
        entries = [entry for entry in self._queue() if entry.get("queue_name") == "hold"]
        reasons = self._reasons({str(entry.get("queue_id")) for entry in entries}) if entries else {}
        yield from sorted((_item(entry, reasons) for entry in entries), key=lambda item: item.time_s)

    def item(self, name: str) -> Item:
        """See `places.Place`."""
        found = (
            next((item for item in self.items() if item.id == name), None)
            if _QUEUE_ID.fullmatch(name)
            else None
        )
        if found is None:
            raise Missing(name)
        return found

    def raw(self, name: str) -> bytes:
        """See `places.Place`."""
        self.item(name)
        return self._run("postcat", "-bhq", name).replace(b"\n", b"\r\n")

    def release(self, name: str, recipients: tuple[str, ...], to: tuple[str, ...]) -> Iterator[str]:
        """See `places.Place`. Postfix releases a message for all its recipients."""
        item = self.item(name)
        if recipients or to:
            raise TempFail(
                "4.3.0", f"{name} is in Postfix's hold queue, and goes to all its recipients or none"
            )
        self._run("postsuper", "-H", name)
        if any(item.id == name for item in self.items()):
            raise TempFail("4.3.0", f"{name} is still on hold")
        yield from item.recipients

    def delete(self, name: str) -> None:
        """See `places.Place`."""
        self.item(name)
        self._run("postsuper", "-d", name, "hold")
        if any(item.id == name for item in self.items()):
            raise TempFail("4.3.0", f"{name} could not be deleted")

    def _queue(self) -> Iterator[dict[str, Any]]:
        try:
            lines = self._run("postqueue", "-j").splitlines()
        except TempFail as exc:
            if self._needed:
                raise
            print(f"tamis quarantine: the hold queue cannot be looked at: {exc.text}", file=sys.stderr)
            return
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                yield entry

    def _run(self, program: str, *words: str) -> bytes:
        """What it prints. Raises TempFail where it fails."""
        path = shutil.which(program, path=_SEARCHED) or program
        where = ("-c", self._postfix) if self._postfix else ()
        try:
            done = subprocess.run([path, *where, *words], capture_output=True, timeout=TIMEOUT_S, check=False)
        except (OSError, subprocess.SubprocessError) as exc:
            raise TempFail("4.3.0", f"{program} cannot be run: {exc}") from exc
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise TempFail(
                "4.3.0", said[-1] if said else f"{program} has failed with status {done.returncode}"
            )
        return done.stdout

    def _reasons(self, wanted: set[str]) -> dict[str, Record]:
        """What the journal has about *wanted*: the record that says hold."""
        if self._journal is None:
            return {}
        found: dict[str, Record] = {}
        try:
            for record in read(self._journal, self._since_s):
                if record.text("queue_id") in wanted and record.text("verdict") == "hold":
                    found[record.text("queue_id")] = record
        except OSError:
            return found
        return found


def _item(entry: dict[str, Any], reasons: dict[str, Record]) -> Item:
    name = str(entry.get("queue_id"))
    known = reasons.get(name)
    said = known.text if known else lambda _name: ""
    recipients = tuple(str(each.get("address", "")) for each in entry.get("recipients", ()))
    held_for = next(
        (str(each["delay_reason"]) for each in entry.get("recipients", ()) if each.get("delay_reason")), ""
    )
    sender = str(entry.get("sender", ""))
    return Item(
        id=name,
        place="hold",
        time_s=float(entry.get("arrival_time", 0)),
        sender="" if sender == "MAILER-DAEMON" else sender,
        recipients=recipients,
        check=said("check"),
        reason=said("reason"),
        text=said("text") or held_for,
        message_id=said("message_id"),
        queue_id=name,
        client_address=said("client_address"),
        sasl_username=said("sasl_username"),
        size_bytes=int(entry.get("message_size", 0)),
    )
