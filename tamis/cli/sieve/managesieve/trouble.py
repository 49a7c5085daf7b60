"""trouble - what can go wrong between us and a ManageSieve server: a sentence, what to do next, an exit status."""

from __future__ import annotations

from tamis.errors import TamisError
from tamis.log import safe
from tamis.outcome import (
    EX_CANTCREAT,
    EX_DATAERR,
    EX_NOINPUT,
    EX_NOPERM,
    EX_PROTOCOL,
    EX_TEMPFAIL,
    EX_UNAVAILABLE,
)

# RFC 5804 section 1.3: response code, exit status, what to do next. The first word of a code decides, but for those
# of two words.
_CODES = {
    "QUOTA/MAXSIZE": (EX_CANTCREAT, "make the script smaller; the server takes none so large"),
    "QUOTA/MAXSCRIPTS": (EX_CANTCREAT, "`tamis sieve delete NAME` makes room"),
    "QUOTA": (EX_CANTCREAT, "`tamis sieve delete NAME` makes room"),
    "NONEXISTENT": (EX_NOINPUT, "`tamis sieve list` shows the names"),
    "ALREADYEXISTS": (EX_CANTCREAT, "take another name; `tamis sieve list` shows those in use"),
    "ACTIVE": (
        EX_UNAVAILABLE,
        "it is in use: `tamis sieve activate` another one or `tamis sieve deactivate` first",
    ),
    "TRYLATER": (EX_TEMPFAIL, "the server asks to try again later"),
    "ENCRYPT-NEEDED": (EX_NOPERM, "the server wants TLS: leave out --no-starttls"),
    "AUTH-TOO-WEAK": (EX_NOPERM, "the server wants another way to log in than a password"),
    "TRANSITION-NEEDED": (EX_NOPERM, "the server's administrator has to renew this account"),
}


class Trouble(TamisError):
    """*advice*: what to do next, "" where that is plain. *status*: of sysexits."""

    def __init__(self, text: str, status: int = EX_UNAVAILABLE, advice: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.advice = advice


def refused(what: str, code: str, text: str, otherwise: int = EX_UNAVAILABLE, advice: str = "") -> Trouble:
    """The server said NO to *what*. otherwise, advice: for an answer whose code says nothing to us."""
    known = _CODES.get(code) or _CODES.get(code.partition("/")[0])
    status, next_step = known or (otherwise, advice)
    words = safe(text.strip().rstrip("."), 500) or "no reason given"
    return Trouble(
        f"{what}: the server refuses: {words}{f' ({safe(code, 60)})' if code else ''}", status, next_step
    )


def gibberish(text: str) -> Trouble:
    """The peer speaks something else."""
    return Trouble(f"the server does not speak ManageSieve: {text}", EX_PROTOCOL, "is it the right port?")


def script_wrong(files: int) -> Trouble:
    """After the findings have been printed."""
    scripts = "the script has errors" if files == 1 else "there are errors"
    return Trouble(
        f"{scripts}; nothing was sent", EX_DATAERR, "--no-check leaves the judgement to the server"
    )
