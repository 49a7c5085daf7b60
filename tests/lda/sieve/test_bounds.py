"""No script on any message runs for long: what loops over the message or the script spends steps."""

from __future__ import annotations

import pytest

from lda.sieve import Context, Plan, compile_script, run_scripts
from lda.sieve.limits import Limits
from tamis.mail.message import Message
from tests.growth import assert_cheaper
from tests.lda.sieve.play import ALL, ENVELOPE, NOW, drive, play

STEPS = 1_000_000
TURNS = 100
"""A step may cost as much as so many turns of an empty loop, about a microsecond: ten times what is meant."""

LONG = b"Subject: " + b"a" * 1_000_000 + b"\r\n\r\n"
MANY = b"".join(b"X: y%d\r\n" % number for number in range(9000)) + b"\r\n"
ADDRESSES = b"To: " + b"a@b.example, " * 50_000 + b"\r\n\r\n"
PARTS = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 100_000
NESTED = b"".join(
    b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level) for level in range(500)
)
PARAMETERS = b"Content-Type: text/plain" + b"; a=b" * 100_000 + b"\r\n\r\n"
WORDS = b"Subject: " + b"=?utf-8?q?a?= " * 60_000 + b"\r\n\r\n"
HTML = b"Content-Type: text/html\r\n\r\n" + b"<a<&" * 1_000_000
VALUE = f'set "a" "{"a" * 4000}"; '


def keys(count: int, text: str) -> str:
    """A list of *count* different keys."""
    return "[" + ", ".join(f'"{text.format(number)}"' for number in range(count)) + "]"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ('if header :matches "subject" "*a*a*a*a*a*a*a*a*b" { }', LONG),
        ('if header :matches "subject" "*a?a?a?a*a?a?a*a?b?c*" { }', LONG),
        ('if header :matches "subject" "*' + "?" * 3000 + 'b*" { }', LONG),
        ("".join(f'if header :matches "subject" "*a*a*b{n}*" {{ }}' for n in range(300)), LONG),
        ('if header :regex "subject" "^(a|aa)+b$" { } if header :regex "subject" "(a*)*b" { }', LONG),
        ('if header :regex "subject" "(a*)\\\\1b" { }', LONG),
        ('if header :regex "subject" "(a+)+\\\\1x" { }', LONG),
        ('if header :regex "subject" "((a{1,100}){1,100}){1,100}" { }', LONG),
        ("".join(f'if header :regex "x" "(y1|y2)*z{n}" {{ }}' for n in range(300)), MANY),
        (f'if header :contains "x" {keys(3000, "k{}")} {{ }}', MANY),
        (f'set "a" "q"; if header :is "x" {keys(3000, "k{}${{a}}")} {{ }}', MANY),
        (f'set "a" "q"; if header :regex "x" {keys(300, "k{}${{a}}*")} {{ }}', MANY),
        ('if address :matches "to" "*x*" { } if address :detail "to" "x" { }', ADDRESSES),
        ('if body :content "" :contains "b" { } foreverypart { extracttext "t"; foreverypart { } }', PARTS),
        ("foreverypart { foreverypart { foreverypart { foreverypart { } } } }", NESTED),
        ('if header :mime :param "a" "content-type" "b" { }' * 30, PARAMETERS),
        ('if header :mime :anychild :matches "x" "*a*b" { }' * 100, PARTS),
        ('if header "subject" "b" { }' * 100, WORDS),
        ('if body :contains "b" { } foreverypart { extracttext "t"; }', HTML),
        ('addheader "X" "y"; deleteheader "Y" "z";' * 300, MANY),
        (('deleteheader :matches "X" "*' + "?" * 50 + 'b*";') * 100, MANY),
        (VALUE + 'set "a" "${a}${a}${a}${a}";' * 2000, b"\r\n"),
        (VALUE + 'set :quotewildcard "a" "${a}";' * 2000, b"\r\n"),
        (VALUE + 'set :encodeurl "a" "${a}";' * 2000, b"\r\n"),
        (f'set "a" "{"a " * 2000}"; ' + 'addflag "b" "${a}";' * 1000, b"\r\n"),
        (f"addflag {keys(256, 'f{}')}; " + 'if hasflag :matches ["*1*x", "*2*x"] { }' * 300, b"\r\n"),
        ('if date "date" "iso8601" "x" { }' * 1000, b"Date: " + b"(" * 100_000 + b"\r\n\r\n"),
    ],
    ids=range(27),
)
def test_nothing_takes_longer_than_its_steps(script: str, message: bytes) -> None:
    """The script is compiled outside of the limit: its size is limited."""
    context = Context(now=NOW, limits=Limits(steps=STEPS))
    play(ALL, context=context)  # what is made once
    compiled = compile_script((ALL + script).encode(), "script")

    def run(raw: bytes) -> Plan:
        return drive(run_scripts([compiled], Message(raw), ENVELOPE, context), ())

    plan = run(message)
    assert (
        plan.error is None or "takes too long" in plan.error.text or "exceeded the limit" in plan.error.text
    )
    assert_cheaper(run, turned, message, times=TURNS)


def turned(_: bytes) -> None:
    """An empty loop of as many turns as a script has steps."""
    for _turn in range(STEPS):
        pass


def test_what_an_error_quotes_is_short() -> None:
    plan = play(ALL + VALUE + 'fileinto "${a}${a}${a}${a}";')
    assert plan.error is not None
    assert len(plan.error.text) < 1100
