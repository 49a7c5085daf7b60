"""Who is answered, clause by clause of RFC 5230 and RFC 3834."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from tests.lda.sieve.test_vacation import ENVELOPE, MESSAGE, reply

_NOBODY = MESSAGE.replace(b"To: bob@example.com\n", b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """What the message has besides the usual, who it is from, and whether it is answered."""

    law: str
    fields: bytes = b""
    sender: str = ENVELOPE.sender
    script: str = 'vacation "Away";'
    message: bytes = MESSAGE
    answered: bool = False


CLAUSES = (
    Clause(law="5230 4: a message to the user, from a person, is answered", answered=True),
    Clause(law="5230 4.5: to :addresses too", message=b"To: info@example.com\n" + _NOBODY,
           script='vacation :addresses "INFO@example.com" "Away";', answered=True),
    Clause(law="5230 4.5: the message must name the user", message=_NOBODY),
    Clause(law="5230 4.5: in a field that names recipients", message=b"Reply-To: bob@example.com\n" + _NOBODY),
    *(
        Clause(law=f"5230 4.5: {name} is one", message=name.encode() + b": x@y.z, Bob <BOB@example.com>\n" + _NOBODY,
               answered=True)
        for name in ("To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc")
    ),
    Clause(law="5230 4.5: not as a display name", message=b'To: "bob@example.com" <x@y.z>\n' + _NOBODY),
    Clause(law="5230 4.5: nor as a part of one", message=b"To: notbob@example.com, bob@example.com.org\n" + _NOBODY),
    Clause(law="5230 4.5: undisclosed recipients are nobody", message=b"To: undisclosed-recipients:;\n" + _NOBODY),
    Clause(law="5230 4.6: no list", fields=b"List-Id: <list.example.org>\n"),
    *(
        Clause(law=f"5230 4.6: {name} is a list's", fields=name.encode() + b": <mailto:x@y.z>\n")
        for name in ("List-Help", "List-Subscribe", "List-Unsubscribe", "List-Post", "List-Owner", "List-Archive")
    ),
    Clause(law="5230 4.6: an empty list field is one too", fields=b"List-Id:\n"),
    Clause(law="5230 4.6: List-Something is no list's", fields=b"List-Something: x\n", answered=True),
    Clause(law="3834 2: no automatic message", fields=b"Auto-Submitted: auto-generated\n"),
    Clause(law="3834 2: nor another reply", fields=b"Auto-Submitted: auto-replied\n"),
    Clause(law="3834 5: nor one of a kind yet unknown", fields=b"Auto-Submitted: x-new; owner-email=a@b\n"),
    Clause(law="3834 5: no means no", fields=b"Auto-Submitted: no\n", answered=True),
    Clause(law="3834 5: in any case", fields=b"AUTO-submitted:  NO\n", answered=True),
    Clause(law="3834 5: with parameters", fields=b"Auto-Submitted: no; because=x\n", answered=True),
    Clause(law="3834 5: and comments", fields=b"Auto-Submitted: (a) no (by (her) hand)\n", answered=True),
    Clause(law="3834 5: a comment is no answer", fields=b"Auto-Submitted: auto-replied (no)\n"),
    Clause(law="3834 5: of several fields each counts", fields=b"Auto-Submitted: no\nAuto-Submitted: auto-replied\n"),
    *(
        Clause(law=f"3834 2: Precedence {word}", fields=b"Precedence: " + word.encode() + b"\n")
        for word in ("bulk", "LIST", "junk")
    ),
    Clause(law="3834 2: Precedence first-class", fields=b"Precedence: first-class\n", answered=True),
    Clause(law="3834 2: nobody is not answered", sender=""),
    Clause(law="3834 2: MAILER-DAEMON", sender="MAILER-DAEMON@example.org"),
    Clause(law="3834 2: in any case", sender="mailer-Daemon@example.org"),
    Clause(law="3834 2: owner- of a list", sender="owner-list@example.org"),
    Clause(law="3834 2: -request of a list", sender="list-request@example.org"),
    Clause(law="3834 2: but not request", sender="request@example.org", answered=True),
    Clause(law="3834 2: nor an owner", sender="the-owner@example.org", answered=True),
    Clause(law="3834 2: listserv", sender="LISTSERV@example.org"),
    Clause(law="3834 2: majordomo", sender="majordomo@example.org"),
    Clause(law="5230 4.6: not the user", sender="BOB@example.com"),
    Clause(law="5230 4.6: under no address", sender="bob@example.net",
           script='vacation :addresses "bob@example.net" "Away";'),
    Clause(law="MS-OXCMAIL: who wants none gets none", fields=b"X-Auto-Response-Suppress: DR, OOF\n"),
    Clause(law="MS-OXCMAIL: all is all", fields=b"X-Auto-Response-Suppress: all\n"),
    Clause(law="MS-OXCMAIL: not other things", fields=b"X-Auto-Response-Suppress: DR, RN\n", answered=True),
)  # fmt: skip


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.law)
def test_who_is_answered(clause: Clause) -> None:
    message = clause.fields + clause.message
    action = reply(clause.script, message, envelope=replace(ENVELOPE, sender=clause.sender))
    assert bool(action.letters) == clause.answered == (not action.declined)
