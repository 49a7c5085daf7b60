"""sequences - the site's scripts and a user's, and what comes of a message: what Dovecot 2.3.19 does, and what we do.

`tests/lda/test_sequences.py` plays them here, `tests/integration/test_sieve_sequences.py` on dovecot-lda.
"""

from __future__ import annotations

from dataclasses import dataclass

REQUIRE = (
    'require ["fileinto", "mailbox", "imap4flags", "copy", "reject", "vacation", "variables", "include"];\n'
    'require "editheader";\n'
)
MESSAGE = b"From: s@a.example\nTo: u@b.example\nSubject: x\nMessage-ID: <1@x>\n\nbody\n"
SENDER, RECIPIENT = "s@a.example", "u@b.example"
MISSING = 'fileinto "Missing";'
BROKEN = "nosuch;"
FLAGGED, SEEN = '"\\\\Flagged"', '"\\\\Seen"'
VACATION = 'vacation :addresses "u@b.example" "away";'


def into(folder: str, *tags: str) -> str:
    return f'fileinto :create {" ".join(tags)} "{folder}";'


def to(address: str, *tags: str) -> str:
    return f'redirect {" ".join(tags)} "{address}@y.example";'


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """stored: folders, "" the INBOX, with the letters of IMAP flags. sent: to whom; "reply": or a refusal."""

    stored: tuple[str, ...] = ()
    sent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """personal, default, discard: None is no such script."""

    name: str
    before: tuple[str, ...] = ()
    personal: str | None = None
    after: tuple[str, ...] = ()
    default: str | None = None
    discard: str | None = None
    stored: tuple[str, ...] = ()
    sent: tuple[str, ...] = ()

    @property
    def played(self) -> Played:
        return Played(stored=self.stored, sent=self.sent)


A, P, B = into("A"), into("P"), into("B")
COPY_B = into("B", ":copy")
FLAG_F = f"setflag {FLAGGED};"
KEEP_F, KEEP_S = f"keep :flags {FLAGGED};", f"keep :flags {SEEN};"
INBOX_F = f'fileinto :copy :flags {FLAGGED} "INBOX";'

CASES = (
    Case(name="nothing at all", stored=("",)),
    Case(name="before files", before=(B,), personal=P, after=(A,), stored=("B",)),
    Case(name="before keeps, the user files", before=("keep;",), personal=P, after=(A,), stored=("P",)),
    Case(name="the user keeps, after files", personal="keep;", after=(A,), stored=("A",)),
    Case(name="the user keeps by doing nothing", personal="", after=(A,), stored=("A",)),
    Case(name="no user's script", after=(A,), stored=("A",)),
    Case(name="the user discards", personal="discard;", after=(A,)),
    Case(name="before discards", before=("discard;",), personal=P),
    Case(name="before files a copy", before=(COPY_B,), personal=P, after=(A,), stored=("B", "P")),
    Case(name="before files and keeps", before=(B + "keep;",), personal=P, after=(A,), stored=("B", "P")),
    Case(name="before stops", before=("stop;",), personal=P, after=(A,), stored=("P",)),
    Case(name="the user keeps and stops", personal="keep; stop;", after=(A,), stored=("A",)),
    Case(name="two before", before=("keep;", "discard;"), personal=P, stored=()),
    Case(name="before does not compile", before=(BROKEN,), personal=P, after=(A,), stored=("",)),
    Case(name="before does not compile after a copy", before=(COPY_B, BROKEN), personal=P, stored=("", "B")),
    Case(name="before fails", before=(MISSING,), personal=P, after=(A,), stored=("",)),
    Case(name="before fails with a copy", before=('fileinto :copy "Missing";',), personal=P, stored=("",)),
    Case(name="the user's does not compile", personal=BROKEN, after=(A,), stored=("",)),
    Case(name="it does not compile after a copy", before=(COPY_B,), personal=BROKEN, stored=("", "B")),
    Case(name="the user's fails", personal=MISSING, after=(A,), stored=("",)),
    Case(name="it fails after a copy", before=(COPY_B,), personal=MISSING, stored=("", "B")),
    Case(name="it fails as a whole", personal=MISSING + P + to("a"), stored=("",)),
    Case(name="it fails at its end", personal=P + to("a") + MISSING, stored=("",)),
    Case(name="a failed one sends no reply", personal=VACATION + MISSING, stored=("",)),
    Case(name="after does not compile", personal="keep;", after=(BROKEN,), stored=("",)),
    Case(name="after fails", personal=into("P", ":copy"), after=(MISSING,), stored=("", "P")),
    Case(
        name="a broken script after a reply",
        personal=VACATION,
        after=(BROKEN,),
        stored=("",),
        sent=("reply",),
    ),
    Case(
        name="a reply from before, then a failure",
        before=(VACATION,),
        personal=MISSING,
        stored=("",),
        sent=("reply",),
    ),
    Case(name="flags go on", before=(FLAG_F,), personal="keep;", stored=(":F",)),
    Case(name="flags go on to no script", before=(FLAG_F,), stored=(":F",)),
    Case(name="a keep waits with its flags", before=(KEEP_F,), personal="", stored=(":F",)),
    Case(name="a keep waits, flags come later", before=("keep;",), personal=f"setflag {SEEN};", stored=("",)),
    Case(name="a keep waits for one that is no keep", before=(KEEP_F,), personal=P, stored=("P",)),
    Case(name="a keep is another keep's", before=(KEEP_F,), personal=KEEP_S, stored=(":S",)),
    Case(name="a keep is a plain keep's", before=(KEEP_F,), personal="keep;", stored=("",)),
    Case(
        name="a keep waits over a script that does not compile",
        before=(KEEP_F,),
        personal=BROKEN,
        stored=(":F",),
    ),
    Case(name="a keep does not wait over one that fails", before=(KEEP_F,), personal=MISSING, stored=("",)),
    Case(name="flags and a script that does not compile", before=(FLAG_F,), personal=BROKEN, stored=(":F",)),
    Case(name="flags and a script that fails", before=(FLAG_F,), personal=MISSING, stored=("",)),
    Case(name="the keep waits until after", personal=KEEP_F, after=(f"setflag {SEEN};",), stored=(":F",)),
    Case(name="a copy in the INBOX is a keep", before=(INBOX_F,), personal=KEEP_S, stored=(":F",)),
    Case(
        name="a copy in the INBOX is the implicit keep",
        before=(INBOX_F,),
        personal=f"setflag {SEEN};",
        stored=(":F",),
    ),
    Case(name="a copy in the INBOX stays", before=(INBOX_F,), personal="discard;", stored=(":F",)),
    Case(
        name="the same folder twice",
        before=(into("X", ":copy"),),
        personal=into("X"),
        after=(),
        stored=("", "X"),
    ),
    Case(
        name="the same folder twice, then another",
        before=(into("X", ":copy"), into("X")),
        personal=P,
        stored=("P", "X"),
    ),
    Case(
        name="a redirect from before",
        before=(to("a", ":copy"),),
        personal=to("a"),
        stored=("",),
        sent=("a@y.example",),
    ),
    Case(name="a redirect ends it", before=(to("a"),), personal=P, sent=("a@y.example",)),
    Case(
        name="redirects are counted together",
        before=(to("a", ":copy") + to("b", ":copy") + to("c", ":copy"),),
        personal=to("d", ":copy") + to("e", ":copy"),
        stored=("",),
        sent=("a@y.example", "b@y.example", "c@y.example"),
    ),
    Case(
        name="a refusal after a copy",
        before=(COPY_B,),
        personal='reject "no";',
        stored=("B",),
        sent=("reply",),
    ),
    Case(
        name="a refusal after a redirect",
        before=(to("a", ":copy"),),
        personal='reject "no";',
        sent=("a@y.example", "reply"),
    ),
    Case(name="before refuses", before=('reject "no";',), personal=P, sent=("reply",)),
    Case(name="a refusal after a keep", before=("keep;",), personal='reject "no";', sent=("reply",)),
    Case(name="one reply", before=(VACATION,), personal=VACATION, stored=("",), sent=("reply",)),
    Case(
        name="edits go on",
        before=('addheader "X-A" "1";',),
        personal='if header "x-a" "1" {' + into("Edited") + "}",
        stored=("Edited",),
    ),
    Case(
        name="variables do not",
        before=('set "a" "1";',),
        personal='if string "${a}" "1" {' + P + "}",
        stored=("",),
    ),
    Case(
        name="global variables do not",
        before=('global "a"; set "a" "1";',),
        personal='global "a"; if string "${a}" "1" {' + P + "}",
        stored=("",),
    ),
    Case(name="the default script", default=into("D"), stored=("D",)),
    Case(
        name="the default script is none for whoever has one",
        personal="keep;",
        default=into("D"),
        stored=("",),
    ),
    Case(name="nor for one that does not compile", personal=BROKEN, default=into("D"), stored=("",)),
    Case(
        name="the default script after before",
        before=("keep;",),
        default=into("D"),
        after=(A,),
        stored=("D",),
    ),
    Case(name="what is discarded", personal="discard;", discard=into("D"), stored=("D",)),
    Case(name="what before discards", before=("discard;",), personal="", discard=into("D"), stored=("D",)),
    Case(
        name="what is discarded is not for after",
        personal="discard;",
        after=(A,),
        discard=into("D"),
        stored=("D",),
    ),
    Case(name="what is sent on is not discarded", personal=to("a"), discard=into("D"), sent=("a@y.example",)),
    Case(
        name="what has a copy is not discarded",
        before=(COPY_B,),
        personal="discard;",
        discard=into("D"),
        stored=("B",),
    ),
    Case(name="discarded and kept", personal="discard;", discard="keep;", stored=("",)),
    Case(name="discarded, and nothing done", personal="discard;", discard=""),
    Case(name="discarded, and stopped", personal="discard;", discard="stop;"),
    Case(name="discarded, and a copy", personal="discard;", discard=to("a", ":copy"), sent=("a@y.example",)),
    Case(name="discarded, and a failure", personal="discard;", discard=MISSING, stored=("",)),
    Case(name="discarded, and what does not compile", personal="discard;", discard=BROKEN),
    Case(
        name="what is refused reaches nobody",
        personal='reject "x";',
        discard=into("D"),
        stored=("D",),
        sent=("reply",),
    ),
    Case(
        name="flags for what is discarded",
        before=(FLAG_F,),
        personal="discard;",
        discard="keep;",
        stored=(":F",),
    ),
)
