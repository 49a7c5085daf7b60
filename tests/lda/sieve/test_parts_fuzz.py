"""Commands that change the message or go over its parts, in any order on any message: a plan, never an exception."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tamis.mail.message import Message
from tests.lda.sieve.multipart import PARTS
from tests.lda.sieve.play import ALL, play

SIMPLE = [
    'addheader "X-P" "${t}";', 'addheader :last "Content-Type" "multipart/mixed; boundary=outer";',
    'deleteheader "x-p";', 'deleteheader :index 1 :last "content-type";', 'deleteheader :matches "subject" "*t*";',
    'if header :mime :anychild :matches "x-p" "*" { set "t" "${1}"; }',
    'if exists :mime "content-type" { fileinto :copy "${t}"; }', 'keep;', 'redirect :copy "a@b.example";',
    'if header :mime :anychild :param ["name", "boundary"] :matches "content-type" "*" { set "t" "${0}"; }',
    'if header :mime :type "content-type" "text" { set "n" "x"; }', 'replace "${t}";', 'enclose "${t}";',
    'replace :mime "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n${t}\n--b--\n";',
    'if body :text :contains "a" { set "t" "--outer--"; }', 'if size :over 10K { stop; }',
]  # fmt: skip
INSIDE = ["break;", 'break :name "l";', 'extracttext "t";', 'extracttext :first 3 :upper "t";']


def script_of(seed: int) -> str:
    """A random script."""
    dice = random.Random(seed)

    def block(depth: int) -> str:
        words = []
        for _ in range(dice.randint(1, 4)):
            if depth < 3 and dice.random() < 0.4:
                words.append(f'foreverypart :name "l" {{ {block(depth + 1)} }}')
            else:
                words.append(dice.choice(SIMPLE + INSIDE if depth else SIMPLE))
        return " ".join(words)

    return block(0)


PIECES = st.sampled_from([
    b"--outer\r\n", b"--outer--\r\n", b"--inner\r\n", b"\r\n", b"\n", b"X-P: v\r\n", b"Subject: =?utf-8?q?=FF?=\r\n",
    b"Content-Type: multipart/mixed; boundary=outer\r\n", b"Content-Type: message/rfc822\r\n", b" folded\r\n", b"a",
    b"Content-Type: multipart/alternative; boundary=inner; name*0*=x'y'%F; name*2=z\n", b"\xff\x00", PARTS,
    b"Content-Transfer-Encoding: base64\r\n",
])  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 10**6), st.lists(PIECES, max_size=12).map(b"".join))
def test_any_script_on_any_message_ends_with_a_plan(seed: int, message: bytes) -> None:
    plan = play(ALL + script_of(seed), message)
    for action in plan.actions:
        changed = getattr(action, "message", None)
        if changed is not None:
            again = Message(changed.raw)
            assert again.body == changed.body
            assert [field.raw for field in again.headers] == [field.raw for field in changed.headers]
            assert changed.size_bytes == len(changed.raw)
