"""Whatever a message and its envelope hold, the checks on content end, and nothing that they say can say more."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from milters.checks.content import Content
from milters.checks.from_field import From
from milters.checks.headers import Headers
from milters.checks.uris import UriList, Uris
from milters.edits import operations
from milters.rules.fields import FieldRule
from milters.rules.part import PartWhen
from milters.rules.rule import Rule
from milters.rules.when import When
from milters.session import answer
from tamis.config.schema import Texts
from tamis.dns import ZoneResolver
from tamis.pipeline import Decision
from tests.milters.rules.world import judged

X = Texts(("/x/",))
CHECKS = (
    From(
        protected_domains=("example.org",),
        protected_names=("Ann Smith",),
        malformed="HOLD {from_name} {from_domain} {sender}",
        lookalike="REJECT {from_name} is no {resembles}",
        several_addresses="tag x",
    ),
    Content(
        rule=(
            Rule(
                name="never",
                when=When(
                    **dict.fromkeys(("body", "html", "header_name", "client_name", "sender", "recipient"), X),
                    header={"subject": X, "from": X},
                    raw_header={"subject": X},
                    part=PartWhen(filename=X, charset=X, encoding=X, disposition=X, type=X),
                ),
                score=1,
            ),
            Rule(name="add", add=("X-All: {sender} {client_name} {helo_name} {score}",)),
            Rule(name="hold", when=When(depth=Texts((">0",))), action="HOLD {helo_name} {sender}"),
        )
    ),
    Uris(lists={"l.test": UriList()}, reply="REJECT {domains} is on {lists}", defanged=True),
    Headers(
        ours=("X-*",),
        rule=(FieldRule(name="r", replace=("Subject: [x] {value} {sender}",), append=("X-B: {helo_name}",)),),
    ),
)
PIECES = st.sampled_from(
    [
        *(
            b"From: ",
            b"Subject: ",
            b"X-Spam: ",
            b"Content-Type: ",
            b"Content-Disposition: ",
            b"\r\n",
            b"\r\n\r\n",
        ),
        *(
            b"\n",
            b"\r",
            b"\0",
            b" ",
            b"\t",
            b"\xff",
            b"\xc3\xa4",
            b"--b",
            b"--",
            b"multipart/mixed; boundary=b",
        ),
        *(
            b"text/html",
            b"text/plain; charset=utf-16",
            b"message/rfc822",
            b"filename*0*=utf-8''%",
            b'name="x',
        ),
        *(b"base64", b"Content-Transfer-Encoding: ", b"quoted-printable", b"=?utf-8?q?", b"?=", b"=?x?b?"),
        *(
            b'<a href="',
            b"http://",
            b"evil.test",
            b"@",
            b"%0d%0a",
            b"&#13;&#10;",
            b"<",
            b">",
            b"(",
            b")",
            b'"',
        ),
        *(
            b"a@b.test",
            b"Ann Smith",
            b"examp1e.org",
            b",",
            b";",
            b":",
            b"=0D=0A",
            b"0x7f.1",
            b"[",
            b"]",
            b"\\",
        ),
    ]
)
MESSAGES = st.lists(st.one_of(PIECES, PIECES, st.binary(max_size=8)), max_size=60).map(b"".join)
# As transports decode them.
VALUES = st.one_of(
    st.text(max_size=40), st.binary(max_size=40).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
)
ZONE = {"evil.test.l.test": [{"A": "127.0.0.2"}]}


@settings(max_examples=150, deadline=None)
@given(MESSAGES, VALUES, VALUES, VALUES)
def test_every_answer_and_edit_is_clean(raw: bytes, sender: str, helo: str, name: str) -> None:
    for check in CHECKS:
        verdict = judged(
            check,
            raw,
            dns=ZoneResolver(ZONE),
            sender=sender,
            helo_name=helo,
            client_name=name,
            recipients=(sender, helo),
        )
        said = answer(Decision(verdict))
        assert all(" " <= c <= "~" for c in said.text + said.quarantine)
        for operation in operations(verdict.edits):
            value = getattr(operation, "value", "")
            assert all(" " <= c <= "~" or c in "\n\t" for c in value)
            assert "\n" not in value.replace("\n\t", "")
