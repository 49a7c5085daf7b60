"""Ours against Dovecot's own engine: editheader, spamtest, mime, foreverypart, extracttext, the env namespace."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lda.sieve import Context
from tests.lda.sieve.differential import SCANNERS, SETTINGS, Reference, ours
from tests.lda.sieve.multipart import PARTS

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not Reference.available(), reason="sieve-test is not installed (Debian: dovecot-sieve)"
    ),
]

REQUIRE = """require ["fileinto", "variables", "copy", "relational", "comparator-i;ascii-numeric", "index", "body"];
require ["editheader", "spamtestplus", "virustest", "mime", "foreverypart", "extracttext", "regex", "imap4flags"];
require ["vnd.dovecot.environment", "vnd.dovecot.debug", "mboxmetadata", "servermetadata"];
"""
CONFIG = f"""
plugin {{
  sieve_extensions = +editheader +spamtest +spamtestplus +virustest +mboxmetadata +servermetadata \\
    +vnd.dovecot.environment +vnd.dovecot.debug
{SCANNERS}}}
"""
MESSAGE = (
    b"X-Score: score=2.6, yes\r\nX-Virus: clean\r\nX-A: one\r\nX-A: two\r\nReceived: r\r\nX-A: =?utf-8?q?=C3=BC?=\r\n"
    + PARTS
)
SHOW = 'if header :matches "X-A" "*" { fileinto "first ${1}"; } if header :count "eq" "X-A" "3" { keep; }'
LABEL = 'set "p" "-"; if header :mime :matches "X-P" "*" { set "p" "${1}"; }'
SCRIPTS = [
    'addheader "X-A" "new";' + SHOW,
    'addheader :last "X-A" "new";' + SHOW,
    'deleteheader "X-A";' + SHOW,
    'deleteheader "X-A" "one";' + SHOW,
    'deleteheader ["X-A"] "one";' + SHOW,
    'deleteheader ""; keep;',
    'deleteheader :index 2 "X-A";' + SHOW,
    'deleteheader :index 3 :last "X-A";' + SHOW,
    'deleteheader :index 1 "X-A" "two";' + SHOW,
    'deleteheader :matches "X-A" ["ü", "o*"];' + SHOW,
    'deleteheader "Received"; if exists "received" { fileinto "kept"; }',
    'addheader "Received" "x"; if header :count "eq" "received" "2" { fileinto "added"; }',
    'addheader "X N" "x";',
    'addheader "X-N:" "x";',
    'addheader "X-N";',
    'deleteheader "X-A" "one" "two";',
    'set "n" "X N"; addheader "${n}" "x"; fileinto "a";',
    'fileinto "a"; addheader "X-N" "x"; fileinto "b";',
    'keep; addheader "X-N" "x"; keep;',
    'if spamtest :matches "*" { fileinto "s${1}"; }',
    'if spamtest :percent :matches "*" { fileinto "s${1}"; }',
    'if spamtest :value "ge" :comparator "i;ascii-numeric" "6" { fileinto "spam"; }',
    'if virustest :matches "*" { fileinto "v${1}"; }',
    'deleteheader "x-score"; if spamtest :matches "*" { fileinto "s${1}"; }',
    f'foreverypart {{ {LABEL} fileinto "${{p}}"; }}',
    f'foreverypart {{ {LABEL} set "all" "${{all}} ${{p}}"; }} fileinto "${{all}}";',
    f'foreverypart {{ {LABEL} extracttext :first 12 "t"; fileinto "${{p}} ${{t}}."; }}',
    f'foreverypart {{ {LABEL} if header :mime "x-p" "html" {{ break; }} }} fileinto "${{p}}";',
    f'foreverypart :name "a" {{ foreverypart {{ {LABEL} if header :mime "x-p" "html" {{ break :name "a"; }} }} }}',
    'foreverypart { } if header :mime "x-p" "bin" { keep; }',
    "break;",
    'extracttext "a";',
    'foreverypart :name "a" { break :name "b"; }',
    "foreverypart { " * 4 + "}" * 4,
    "foreverypart { " * 5 + "}" * 5,
    'if header :type "a" "b" { }',
    'if header :anychild "a" "b" { }',
    'if header :mime :type :subtype "a" "b" { }',
    'if address :mime :type "from" "a" { }',
    'foreverypart { extracttext :lower :upper "a"; }',
    'foreverypart { extracttext "1"; }',
    'fileinto "${env.vnd.dovecot.default_mailbox}x${env.nosuch}";',
    'set "env.x" "y";',
    'debug_log "x"; fileinto "a";',
    'if metadata "INBOX" "private" "y" { discard; }',
    'if metadata ["INBOX"] "/private/x" "y" { discard; }',
    'if not servermetadata "/private//x" "y" { discard; }',
]  # fmt: skip
DIFFERENT = {
    'addheader "X-A" "  grün  ";' + SHOW: "RFC 5228 section 2.4.2.2: blanks at the edges do not count",
    'deleteheader :regex "X-A" "^.n";' + SHOW: "2.3 ends there with an assertion (2.3.19, array.c)",
    f'foreverypart {{ {LABEL} extracttext :upper :first 5 "t"; fileinto "${{p}} ${{t}}."; }}':
    "RFC 5703 section 7: :first counts characters, not octets",
    f'foreverypart {{ foreverypart {{ {LABEL} set "all" "${{all}} ${{p}}"; }} }} fileinto "${{all}}";':
    "RFC 5703 section 3: in a part without parts an inner loop does nothing; 2.3 runs it for the last part",
}  # fmt: skip
TESTS = [
    f'header :mime {child} {option} {match} "{field}" "{key}"'
    for child in ("", ":anychild")
    for option in ("", ":type", ":subtype", ":contenttype", ':param ["name", "x"]')
    for field in ("content-type", "content-disposition", "x-p", "x-none")
    for match, key in (
        (":is", ""), (":contains", ""), (":is", "text"), (":is", "text/html"), (":is", "attachment"), (":is", "a b"),
        (":is", "füo.txt"), (":is", "ü"), (':count "eq"', "1"), (':count "ge"', "2"), (':count "eq"', "8"),
    )
]  # fmt: skip


@pytest.fixture(scope="module")
def reference() -> Iterator[Reference]:
    """Not in pytest's own directory: sieve-test runs as nobody, who may not look into it."""
    with tempfile.TemporaryDirectory(prefix="tamis-sieve-") as root:
        engine = Reference(Path(root))
        with (Path(root) / "dovecot.conf").open("a") as config:
            config.write(CONFIG)
        yield engine


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_decides_the_same(reference: Reference, script: str) -> None:
    source = (REQUIRE + script).encode()
    context = Context(now=datetime.now(UTC), settings=SETTINGS)
    assert ours(source, MESSAGE, context) == reference.outcome(source, MESSAGE)


@pytest.mark.parametrize("script", list(DIFFERENT))
def test_what_differs_still_does(reference: Reference, script: str) -> None:
    source = (REQUIRE + script).encode()
    context = Context(now=datetime.now(UTC), settings=SETTINGS)
    assert ours(source, MESSAGE, context) != reference.outcome(source, MESSAGE), DIFFERENT[script]


@pytest.mark.parametrize("start", range(0, len(TESTS), 30))
def test_tests_on_parts_agree(reference: Reference, start: int) -> None:
    tests = TESTS[start : start + 30]
    script = "".join(f'if {test} {{ fileinto :copy "t{n}"; }}\n' for n, test in enumerate(tests))
    source = (REQUIRE + script).encode()
    theirs, mine = reference.outcome(source, MESSAGE), ours(source, MESSAGE)
    assert theirs.status == mine.status == "ok"
    differing = {int(name[1:]) for _, name, *_ in set(theirs.actions) ^ set(mine.actions)}
    assert [tests[index] for index in sorted(differing)] == []
