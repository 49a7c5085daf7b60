"""show - `tamis quarantine show ID`: why a message is held, its header and the beginning of its text; or its octets."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from email.utils import formatdate

from tamis.cli.flags import add_config
from tamis.cli.quarantine.item import Item, Missing
from tamis.cli.quarantine.places import NOT_FOUND, open_places
from tamis.log import safe
from tamis.mail.message import Message
from tamis.outcome import EX_OK

MAX_FIELDS = 100
MAX_LINES = 60
_EPILOG = """\
examples:
  tamis quarantine show 261124-9f3ac21b07
  tamis quarantine show --raw 261124-9f3ac21b07 | less
  tamis quarantine show --json 4dT1x83kHmz9

exit status:
  0 it is there   1 it is not   64 usage   69 not available   78 a bad configuration
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of the command."""
    parser.epilog = _EPILOG
    parser.add_argument("id", metavar="ID", help="as `tamis quarantine list` prints it")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--raw", action="store_true", help="the message, octet for octet")
    form.add_argument("--json", action="store_true", help="one object: what is known of it, with its header")
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Raises ConfigError, TempFail, OSError."""
    places = open_places(args)
    try:
        place = places.of(args.id)
        item, raw = place.item(args.id), place.raw(args.id)
    except Missing as exc:
        print(f"tamis quarantine: {exc}", file=sys.stderr)
        return NOT_FOUND
    if args.raw:
        sys.stdout.buffer.write(raw)
        sys.stdout.buffer.flush()
    elif args.json:
        header = [[f.name, f.value.decode("utf-8", "replace").strip()] for f in Message(raw).headers]
        print(json.dumps(asdict(item) | {"header": header}))
    else:
        print("\n".join(_told(item, Message(raw))))
    return EX_OK


def _told(item: Item, message: Message) -> Iterator[str]:
    place = "our quarantine" if item.place == "directory" else "hold queue of Postfix"
    known = {"id": f"{item.id} ({place})", "since": formatdate(item.time_s), "why": item.why()}
    known |= {
        name: str(getattr(item, name)) for name in ("text", "client_address", "sasl_username", "queue_id")
    }
    known |= {"sender": item.sender or "<>", "size": f"{item.size_bytes} bytes"}
    yield from (f"{name + ':':<16}{safe(value)}" for name, value in known.items() if value)
    yield from (f"{'recipient:':<16}{safe(each)}" for each in item.recipients)
    yield ""
    for field in list(message.headers)[:MAX_FIELDS]:
        yield safe(f"{field.name}:{field.value.decode('utf-8', 'replace')}".replace("\r\n", " "))
    yield ""
    words = next(iter(message.view.words), "")
    yield from (safe(line) for line in words.splitlines()[:MAX_LINES])
