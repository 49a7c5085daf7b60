"""sendmail - stands in for sendmail(1) in a house: hands a redirected message to the house's own Postfix.

    sendmail.py PORT SENDER RECIPIENT < message

Debian's sendmail(1) knows only the machine's own Postfix: an ordinary account may not point it elsewhere.
Run as a script, standard library only.
"""

import re
import smtplib
import sys


def main() -> None:
    """Exit status 0 means that the message is in the queue."""
    port, sender, recipient = sys.argv[1:]
    raw = re.sub(rb"\r?\n", b"\r\n", sys.stdin.buffer.read())
    with smtplib.SMTP("127.0.0.1", int(port), timeout=30) as client:
        client.sendmail(sender, [recipient], raw)


if __name__ == "__main__":
    main()
