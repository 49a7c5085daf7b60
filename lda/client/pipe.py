"""pipe - tamis-lda, the transport of pipe(8) and mailbox_command of local(8), with dovecot-lda's options.

    tamis-lda -f ${sender} -a ${original_recipient} -d ${recipient} --queue-id=${queue_id}

It gives envelope and message to the resident engine (lda/handoff) and waits for the durable answer. Without
an engine it delivers in this process, by the same code. ``python3 -I -S .../lda/client/pipe.py`` starts it
fastest.

There are three ends: 0 after the durable answer; 75; and a 5.x.x text with its exit status. To pipe(8) every
exit status but 0, 71 and 75 is a bounce, the 1 of a traceback included, and so is its time limit (1000 s):
whatever happens here, signals and our own deadline too, is 75. stdout and stderr are one stream whose first
bytes must be the status, so nothing else is written to it.

Its start is what a message costs: lda/client imports what is built in, and ours only where there is no
engine. This file guards the ends and stays small, for a script is compiled each time; the rest has its .pyc.
"""

import _signal  # type: ignore[import-not-found]  # signal itself loads enum: 3 ms
import posix
import sys

TEMPFAIL = 75


def main() -> None:
    """Deliver standard input and leave the process; this never returns."""
    out = -1
    try:
        out = _claim_output()
        for number in (_signal.SIGALRM, _signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP, _signal.SIGQUIT):
            _signal.signal(number, lambda caught, _: _leave(out, TEMPFAIL, _interrupted(caught)))
        posix.umask(0o077)
        from lda.client.delivery import deliver

        status, text = deliver(sys.argv[1:])
    except BaseException as exc:  # a traceback would be a bounce
        status, text = TEMPFAIL, "4.3.0 Internal error in tamis-lda: " + type(exc).__name__
    _leave(out, status, text)


def _claim_output() -> int:
    """Our own descriptor for the one answer; nobody else reaches it, unless a terminal is watching."""
    try:
        out = posix.dup(1)
    except OSError:
        return -1
    try:
        if not posix.isatty(out):
            null = posix.open("/dev/null", posix.O_WRONLY)
            if _same(1, 2):
                posix.dup2(null, 2)
            posix.dup2(null, 1)
    except OSError:
        pass  # a system without /dev/null delivers too
    return out


def _same(one: int, other: int) -> bool:
    try:
        return posix.fstat(one)[:3] == posix.fstat(other)[:3]
    except OSError:
        return False


def _leave(out: int, status: int, text: str) -> None:
    try:
        if text:
            line = "".join(char if " " <= char <= "~" else "?" for char in text)
            posix.write(out, line.encode("ascii") + b"\n")
    finally:
        posix._exit(status)  # noqa: SLF001  # no flush at exit may turn this status into another


def _interrupted(number: int) -> str:
    if number == _signal.SIGALRM:
        return "4.3.0 The delivery took too long, try again later"
    return f"4.3.0 The delivery was interrupted by signal {number}"


if __name__ == "__main__":
    sys.path.insert(0, __file__.rpartition("/lda/client/")[0] or ".")
    main()
