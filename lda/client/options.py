"""options - the command line and environment of tamis-lda: dovecot-lda's options, and long names for all.

``--sender=${sender}`` is the safe spelling: pipe(8) before 3.12 drops an argument that expands to nothing.
A mistake in master.cf is no reason to bounce mail: `Refusal`. Built-in modules only (lda/client/pipe.py).
"""

import posix

SHORT = {
    "a": "original_recipient",
    "c": "config",
    "d": "user",
    "f": "sender",
    "m": "mailbox",
    "o": "setting",
    "p": "file",
    "r": "recipient",
}
LONG = {*SHORT.values(), "queue_id", "engine", "deadline"}
# -e: we never mail a rejection ourselves. -k: nothing of ours is told by the environment.
_FLAGS = "ek"
# What local(8) tells mailbox_command, where no option does.
_LOCAL = {"sender": b"SENDER", "recipient": b"RECIPIENT", "original_recipient": b"ORIGINAL_RECIPIENT"}
_SETTINGS = {"lda_mailbox_autocreate": "create", "lda_mailbox_autosubscribe": "subscribe"}
_USAGE = (
    "tamis-lda [-ek] [-a address] [-c file] [-d user] [-f sender] [-m mailbox] [-o setting] [-p file]"
    " [-r recipient] [--queue-id=id] [--engine=socket] [--deadline=seconds] < message: see tamis-lda(8)"
)
_ENVELOPE = (
    "user",
    "sender",
    "recipient",
    "original_recipient",
    "mailbox",
    "queue_id",
    "create",
    "subscribe",
)


class Refusal(Exception):
    """A temporary end, with the sentence for it."""


def parse(arguments: list[str]) -> dict[str, str]:
    """The options by their long names. A mistake in master.cf is no reason to bounce: Refusal."""
    found: dict[str, str] = {}
    rest = arguments[::-1]
    while rest:
        word = rest.pop()
        if word == "--" and not rest:
            break
        if word[:1] == "-" and word[1:2] and word[1] in _FLAGS:  # as in -ek, or -ed user
            word = "-" + word[1:].lstrip(_FLAGS)
            if word == "-":
                continue
        if word in {"-h", "--help"}:
            raise Refusal(_USAGE)  # nothing is delivered, so this is no success
        name, value = _option(word)
        if value is None:
            value = _next(rest, word)
        if name == "setting":
            name, value = _setting(value)
        if name in found:
            raise Refusal("tamis-lda got " + word.partition("=")[0] + " twice: one recipient a call")
        found[name] = value
    return found


def _option(word: str) -> tuple[str, str | None]:
    """An option's long name, and its value if it stands in the same word."""
    if word[:2] == "--":
        name, equals, value = word[2:].partition("=")
        name = name.replace("-", "_")
        if name in LONG:
            return name, value if equals else None
    elif word[:1] == "-" and word[1:2] in SHORT:
        return SHORT[word[1]], word[2:] or None
    if word[:1] == "-":
        raise Refusal("tamis-lda does not know the option " + word)
    raise Refusal("tamis-lda got an argument too many: its transport needs destination_recipient_limit = 1")


def _next(rest: list[str], word: str) -> str:
    """The next argument. pipe(8) before 3.12 drops one that expands to nothing: then an option is next."""
    if not rest or (rest[-1][:1] == "-" and _is_option(rest[-1])):
        raise Refusal("tamis-lda got no argument after " + word + ": write --sender=${sender} and the like")
    return rest.pop()


def _is_option(word: str) -> bool:
    return word[:2] == "--" or not word[2:]


def _setting(text: str) -> tuple[str, str]:
    """dovecot-lda's ``-o name=value``, for the settings that mean something here."""
    name, _, value = text.partition("=")
    if name not in _SETTINGS or value not in {"yes", "no"}:
        raise Refusal("tamis-lda does not know the setting " + text)
    return _SETTINGS[name], value


def envelope_of(options: dict[str, str], head: bytes) -> dict[str, str]:
    """What the engine is told; *head*: the first bytes of the message.

    To pipe(8) the null sender is MAILER-DAEMON, unless null_sender= says otherwise."""
    envelope = {name: options[name] for name in _ENVELOPE if name in options}
    if "user" not in envelope:
        told = {name: posix.environ[key] for name, key in _LOCAL.items() if key in posix.environ}
        envelope = {**{name: _text(raw) for name, raw in told.items()}, **envelope}
    if "sender" not in envelope and (sender := _sender_of(head)) is not None:
        envelope["sender"] = sender
    for name in ("user", "sender", "recipient", "original_recipient"):
        value = envelope.get(name, "")
        if value[:1] == "<" and value[-1:] == ">":
            envelope[name] = value[1:-1]
    if envelope.get("sender", "").upper() == "MAILER-DAEMON":
        envelope["sender"] = ""
    if envelope.get("user") == "":
        raise Refusal("tamis-lda got an empty user: pipe(8) needs ${recipient} or ${user} after -d")
    return envelope


def _sender_of(head: bytes) -> str | None:
    """The sender where nobody else says: of the ``From `` line, or of the Return-Path that the MTA put on top."""
    line = head.partition(b"\n")[0]
    if head[:5] == b"From ":
        return _text([*line.split(), b""][1])
    if line[:12].lower() == b"return-path:":
        return _text(line[12:].strip())
    return None


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
