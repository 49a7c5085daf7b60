"""Tables as Postfix writes them: what is found, in which order, and each mistake with its line."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from policyd.tables.keyed import Kind
from policyd.tables.lines import BadTable, logical_lines
from policyd.tables.source import Source, described
from tamis.transaction import Stage

RCPT = frozenset({Stage.RCPT})
VALUES = {"client_address": "192.0.2.7", "sender": "a@example.org"}

CIDR = """
# comment
192.0.2.0/28   REJECT first
192.0.2.7      REJECT second
if 10.0.0.0/8
!10.1.0.0/16   REJECT not one
10.1.2.0/24    REJECT two
  goes on
endif
2001:db8::/32  DUNNO
[2001:db9::]/32 OK
0.0.0.0/0      REJECT rest
"""
REGEXP = r"""
/^dsl-(\d+)-(.*)\.example$/   REJECT 5.7.1 $1 of ${2} costs $$5
if /@slow\.example$/
!/^good@/ 450 4.7.1 slow
endif
/UPPER/i REJECT case
/a\/b/ REJECT slash
|p.pe| HOLD
/ok/ OK
"""
HASH = """
192.0.2.7       REJECT host
192.168         REJECT sixteen
192             REJECT eight
2001:db8        REJECT group
example.org     REJECT domain
.example.net    REJECT below
good.example.org OK
"""


def source(tmp_path: Path, spec: str, text: str, kind: Kind = Kind.CLIENT) -> Source:
    path = tmp_path / "table"
    path.write_text(text)
    made = Source(f"{spec}:{path}", kind, RCPT)
    made.load()
    return made


def found(made: Source, value: str) -> str:
    """The text of what is said, ``OK``, or "" for no opinion."""
    assert made._table is not None
    answer = made._table.find(value)
    if answer is None:
        return ""
    rule, groups = answer
    verdict = rule.verdict(
        {**dict.fromkeys(["recipient", "client_name", "helo_name", "sasl_username"], ""), **VALUES}, groups
    )
    return "OK" if verdict.final else verdict.text


def wrong(tmp_path: Path, spec: str, text: str, kind: Kind = Kind.CLIENT) -> list[str]:
    with pytest.raises(BadTable) as caught:
        source(tmp_path, spec, text, kind)
    return [line.replace(str(tmp_path), "") for line in described(tmp_path / "table", caught.value)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("192.0.2.7", "first"),
        ("::ffff:192.0.2.7", "first"),
        ("192.0.2.16", "rest"),
        ("10.2.0.1", "not one"),
        ("10.1.2.3", "two goes on"),
        ("10.1.3.3", "rest"),
        ("2001:db8::1", ""),
        ("2001:db9::1", "OK"),
        ("2001:dba::1", ""),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_cidr_first_match_wins(value: str, text: str, tmp_path: Path) -> None:
    assert found(source(tmp_path, "cidr", CIDR), value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("dsl-12-a.b.example", "12 of a.b costs $5"),
        ("DSL-12-x.example", "12 of x costs $5"),
        ("dsl-12-{sender}.example", "12 of {sender} costs $5"),
        ("good@slow.example", ""),
        ("bad@slow.example", "slow"),
        ("UPPER", "case"),
        ("upper", ""),
        ("a/b", "slash"),
        ("is ok", "OK"),
        ("\udce9", ""),
        ("nothing", ""),
    ],
)
def test_regular_expressions_in_their_order(value: str, text: str, tmp_path: Path) -> None:
    assert found(source(tmp_path, "regexp", REGEXP), value) == text


def test_an_expression_that_would_run_for_ever_elsewhere_is_quick_here(tmp_path: Path) -> None:
    table = source(tmp_path, "pcre", "/^(a+)+$/ REJECT evil\n")
    assert found(table, "a" * 5000 + "!") == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("192.0.2.7", "host"),
        ("192.168.3.4", "sixteen"),  # postgrey reads 192.168 as /24
        ("192.1.2.3", "eight"),
        ("193.1.2.3", ""),
        ("2001:db8:1::1", "group"),
        ("2001:db80::1", ""),
        ("example.org", "domain"),
        ("MAIL.example.org", "domain"),
        ("good.example.org", "OK"),
        ("x.good.example.org", "OK"),
        ("example.net", ""),
        ("a.example.net", "below"),
        ("badexample.org", ""),
        ("unknown", ""),
    ],
)
def test_the_most_specific_key_wins(value: str, text: str, tmp_path: Path) -> None:
    assert found(source(tmp_path, "hash", HASH), value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("user+x@example.org", "whole"),
        ("User@Example.ORG", "plain"),
        ("user+y@example.org", "plain"),
        ("other@a.example.org", "domain"),
        ("postmaster@example.net", "local"),
        ("postmaster+1@example.net", "local"),
        ("<>", "null"),
        ("a@b@example.org", "domain"),
        ("alice", "login"),
    ],
)
def test_mailboxes_are_searched_as_access_5_says(value: str, text: str, tmp_path: Path) -> None:
    table = """
user+x@example.org REJECT whole
user@example.org   REJECT plain
example.org        REJECT domain
postmaster@        REJECT local
<>                 REJECT null
alice              REJECT login
"""
    assert found(source(tmp_path, "texthash", table, Kind.MAILBOX), value) == text


@pytest.mark.parametrize(
    ("spec", "text", "said"),
    [
        ("cidr", "192.0.2.0/24 450", "/table:1: 450 is digits only, which Postfix takes for PERMIT"),
        ("cidr", "\n\n192.0.2.0/24", "/table:3: 192.0.2.0/24 has no action"),
        ("cidr", "192.0.2.7/24 OK", "/table:1: 192.0.2.7/24 is no network: 192.0.2.0/24 would be one"),
        ("cidr", "192.0.2.* OK", "/table:1: 192.0.2.* is no network: write 192.0.2.0/24"),
        ("cidr", "192.0.2.0/24 REJCT", "did you mean REJECT?"),
        ("cidr", "192.0.2.0/24 REJECT you {who}", "{who} is no placeholder"),
        ("cidr", "192.0.2.0/24 450 4.7.1", "needs words of its own"),
        ("cidr", "192.0.2.0/24 hash:/etc/x", "no action of access(5)"),
        ("cidr", "if 10.0.0.0/8\n10.1.1.1 OK", "/table:1: this if has no endif"),
        ("cidr", "endif", "/table:1: endif without if"),
        ("cidr", "if 10.0.0.0/8 OK\nendif", "'OK' stands behind the condition"),
        ("regexp", "/a OK", "/table:1: no / ends the pattern"),
        ("regexp", "abc OK", "/table:1: abc is no /pattern/"),
        ("regexp", "/(/ OK", "RE2 says"),
        ("regexp", "/a/q OK", "the flag q is none of"),
        ("regexp", "/a/ REJECT $1", "$1: the expression captures 0"),
        ("regexp", "!/(a)/ REJECT $1", "$1: the expression captures 0"),
        ("regexp", "/a/", "has no action"),
        ("hash", "a OK\nb", "/table:2: b has no action"),
        ("hash", "a REJECT x\nA REJECT y", "/table:2: a has another action at line 1"),
        ("hash", "a@b.example OK", "is a mail address, and names of hosts are looked up here"),
        ("hash", "*.example OK", "only a regular expression"),
    ],
)
def test_a_bad_line_is_named_and_no_table_comes_of_it(
    spec: str, text: str, said: str, tmp_path: Path
) -> None:
    assert any(said in line for line in wrong(tmp_path, spec, text))


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    assert len(wrong(tmp_path, "cidr", "a OK\nb OK\n10.0.0.0/8 554\n")) == 3


def test_if_nests_no_deeper_than_twenty(tmp_path: Path) -> None:
    deep = "if /a/\n" * 30 + "/b/ OK\n" + "endif\n" * 30
    assert any("more than 20" in line for line in wrong(tmp_path, "regexp", deep))


def test_lines_go_on_where_the_next_begins_with_blanks() -> None:
    text = "a b\n c\n# no\n\td\n\ne f\n   \n  g\n"
    assert list(logical_lines(text)) == [(1, "a b c d"), (6, "e f g")]


def test_a_long_list_is_searched_in_few_steps(tmp_path: Path) -> None:
    lines = (f"10.{n // 256}.{n % 256}.0/24 REJECT no {n}" for n in range(20_000))
    table = source(tmp_path, "cidr", "\n".join(lines))
    assert found(table, "10.78.31.9") == f"no {78 * 256 + 31}"
    assert table._table is not None
    assert len(table._table._nodes) == 1  # type: ignore[attr-defined]


@pytest.mark.skipif(not shutil.which("postmap"), reason="Postfix is not installed")
@pytest.mark.parametrize(
    ("spec", "text", "values"),
    [
        ("cidr", CIDR, ["192.0.2.7", "10.2.0.1", "10.1.2.3", "2001:db9::1", "10.1.3.3"]),
        (
            "regexp",
            REGEXP.replace(r"\d", "[0-9]"),
            ["dsl-12-a.b.example", "bad@slow.example", "upper", "a/b"],
        ),
    ],
)
def test_postfix_finds_the_same(spec: str, text: str, values: list[str], tmp_path: Path) -> None:
    made = source(tmp_path, spec, text)
    (tmp_path / "main.cf").write_text("")
    for value in values:
        done = subprocess.run(
            ["postmap", "-c", str(tmp_path), "-q", value, f"{spec}:{made.path}"],
            capture_output=True,
            text=True,
            check=False,
        )
        ours = found(made, value)
        theirs = " ".join(done.stdout.split())
        assert theirs.endswith(ours) if ours else theirs in {"", "DUNNO"}
