"""Random scripts on random messages: nothing but ScriptError is raised, every run ends in a plan."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lda.sieve import Context, ScriptError, compile_script, run_scripts
from lda.sieve.limits import Limits
from lda.sieve.syntax import parse
from tamis.mail.message import Message
from tests.lda.sieve.play import ALL, ENVELOPE, MESSAGE, NOW, drive

WORDS = [
    "if", "elsif", "else", "require", "stop", "keep", "discard", "redirect", "fileinto", "set", "addflag", "not",
    "anyof", "allof", "header", "address", "envelope", "exists", "size", "true", "false", "string", "hasflag", "body",
    "date", "mailboxexists", "ihave", "error", "reject", ":is", ":contains", ":matches", ":regex", ":count", ":value",
    ":copy", ":flags", ":over", ":index", ":last", ":all", ":user", ":comparator", ":content", ":zone", ":raw",
    '"i;octet"', '"i;ascii-numeric"', '"gt"', '"subject"', '"to"', '"from"', '"*[*]*"', '"${1}"', '"${a}"', '"a"',
    '"x@y.example"', '"fileinto"', '"year"', '"(a|b)*"', '""', "5", "10K", "{", "}", "(", ")", "[", "]", ",", ";",
    "text:\na\n.\n", "/* c */", "# c\n", '"', "\\", ":", "text:", "\0", "\xff",
]  # fmt: skip

TESTS = st.recursive(
    st.sampled_from(
        [
            "true", "false", 'header :matches "subject" "* [*] *"', 'header :contains ["to", "x-multi"] ["o", "${1}"]',
            'address :domain :is ["from", "to"] "example.com"', 'envelope :detail "to" "list"', "size :over 100",
            'exists ["from", "x-none"]', 'string :regex "${a}${1}" "(.)b*"', 'hasflag :contains "a"',
            'mailboxexists ["a", "b"]', 'body :content "text" :contains "w"', 'date :value "gt" "date" "year" "2000"',
            'header :count "ge" :comparator "i;ascii-numeric" "x-multi" "2"', 'header :index 2 :last "x-multi" "two"',
            'ihave "nosuch"', 'environment :matches "name" "*"', 'currentdate :is "weekday" "4"',
        ]
    ),
    lambda inner: st.one_of(
        inner.map("not {}".format),
        st.lists(inner, min_size=1, max_size=3).map(lambda tests: f"anyof ({', '.join(tests)})"),
        st.lists(inner, min_size=1, max_size=3).map(lambda tests: f"allof ({', '.join(tests)})"),
    ),
    max_leaves=6,
)  # fmt: skip
COMMANDS = st.recursive(
    st.sampled_from(
        [
            "keep;", "discard;", "stop;", 'fileinto "a";', 'fileinto :copy "b${1}";', 'redirect :copy "x@y.example";',
            'set :upper "a" "${1}${a}x";', 'addflag "a";', 'removeflag ["a", "b"];', 'reject "no";', 'error "${0}";',
            'fileinto :flags "${a}" :create "c";', 'redirect "${a}";', 'setflag "a" "${1}";',
        ]
    ),
    lambda inner: st.builds(
        lambda test, yes, other, no: f"if {test} {{ {' '.join(yes)} }} elsif {other} {{ }} else {{ {' '.join(no)} }}",
        TESTS, st.lists(inner, max_size=3), TESTS, st.lists(inner, max_size=3),
    ),
    max_leaves=8,
)  # fmt: skip
SCRIPTS = st.lists(COMMANDS, max_size=6).map(" ".join)
MESSAGES = st.one_of(
    st.binary(max_size=300),
    st.lists(
        st.one_of(
            st.sampled_from([b"Subject: ", b"To: ", b"From: ", b"X-Multi: ", b"Date: ", b"Content-Type: ", b"\n"]),
            st.sampled_from([b"=?utf-8?q?a=FF?=", b"a@b.example", b"<", b"(", b"--a", b"g: x;", b"\r\n"]),
            st.just(b"multipart/mixed; boundary=a"),
            st.binary(max_size=8),
        ),
        max_size=30,
    ).map(b"".join),
)  # fmt: skip
QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=200)
LIMITS = Limits(steps=500_000)


@QUICK
@given(st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join))
def test_any_words_are_a_script_or_findings(text: str) -> None:
    source = (ALL + text).encode("utf-8", "surrogateescape")
    problems: ScriptError | None = None
    try:
        script = compile_script(source, "s")
    except ScriptError as error:
        problems = error
    if problems is not None:
        assert problems.errors
        assert all(d.source.line > 0 and d.render() for d in problems.diagnostics)
        return
    drive(run_scripts([script], Message(MESSAGE), ENVELOPE, Context(now=NOW, limits=LIMITS)), ())


@QUICK
@given(st.binary(max_size=200))
def test_any_octets_can_be_read(source: bytes) -> None:
    parse(source, "s", Limits())


@QUICK
@given(SCRIPTS, MESSAGES)
def test_any_valid_script_on_any_message_ends_in_a_plan(text: str, message: bytes) -> None:
    script = compile_script((ALL + text).encode(), "s")
    plan = drive(run_scripts([script], Message(message), ENVELOPE, Context(now=NOW, limits=LIMITS)), {"a"})
    delivered = any(action.cancels_keep for action in plan.actions)
    assert plan.implicit_keep or delivered or plan.actions
    assert plan.error is None or (plan.implicit_keep and not delivered)
