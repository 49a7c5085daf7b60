"""RFC 5703: mime, foreverypart, break, extracttext."""

from __future__ import annotations

import pytest

from lda.sieve import Context, Limits
from tamis.mail.mime import parameters_of
from tamis.mail.parameters import decoded
from tests.lda.sieve.multipart import PARTS
from tests.lda.sieve.play import ALL, MESSAGE, NOW, errors, filed, holds, play

LABEL = 'set "p" "-"; if header :mime :matches "X-P" "*" { set "p" "${1}"; }'


@pytest.mark.parametrize(
    ("test", "result"),
    [
        ('header :mime "subject" "top"', True),
        ('header :mime "x-p" "alt"', False),
        ('header :mime :anychild "x-p" "bin"', True),
        ('header :mime :anychild "subject" "inside"', True),
        ('header :mime :anychild :count "eq" "x-p" "6"', True),
        ('header :mime :anychild :index 2 "x-p" "plain"', True),
        ('header :mime :anychild :index 1 :last "x-p" "bin"', True),
        ('address :mime :anychild "from" "inside@example.org"', True),
        ('address :mime "from" "inside@example.org"', False),
        ('exists :mime ["subject", "x-p"]', False),
        ('exists :mime :anychild ["content-disposition", "x-p"]', True),
        ('exists :mime :anychild ["subject", "x-p"]', False),
        ('header :mime :type "content-type" "multipart"', True),
        ('header :mime :subtype "content-type" "MIXED"', True),
        ('header :mime :contenttype "content-type" "multipart/mixed"', True),
        ('header :mime :anychild :contenttype "content-type" "text/html"', True),
        ('header :mime :anychild :contenttype "content-disposition" "attachment"', True),
        ('header :mime :anychild :type "content-disposition" "attachment"', True),
        ('header :mime :anychild :subtype :count "eq" "content-disposition" "2"', True),
        ('header :mime :anychild :subtype "content-disposition" ""', True),
        ('header :mime :type "subject" ""', True),
        ('header :mime :type "x-none" ""', False),
        ('header :mime :param "x" "content-type" "a b"', True),
        ('header :mime :param ["X", "boundary"] :count "eq" "content-type" "2"', True),
        ('header :mime :param "nope" "content-type" ""', True),
        ('header :mime :anychild :param "name" "content-type" ["füo.txt"]', True),
        ('header :mime :anychild :param "name" "content-type" "ü"', True),
        ('header :mime :anychild :param "filename" :matches "content-disposition" "*.exe"', True),
    ],
)
def test_headers_of_parts(test: str, result: bool) -> None:
    assert holds(test, PARTS) is result


def test_the_loop_visits_every_part_depth_first() -> None:
    assert filed(f'foreverypart {{ {LABEL} set "all" "${{all}} ${{p}}"; }} fileinto "${{all}}";', PARTS) == [
        " - alt plain html msg - deep bin"
    ]


def test_an_inner_loop_visits_what_is_in_the_part() -> None:
    inner = f'foreverypart {{ {LABEL} set "all" "${{all}} ${{p}}"; }}'
    script = f'foreverypart {{ {LABEL} if string "${{p}}" "msg" {{ {inner} }} }} fileinto "${{all}}";'
    assert filed(script, PARTS) == [" - deep"]
    again = f'foreverypart {{ {LABEL} if string "${{p}}" "html" {{ {inner} set "all" "${{all}}none"; }} }}'
    assert filed(again + 'fileinto "${all}";', PARTS) == ["none"]


def test_after_a_loop_the_message_is_current_again() -> None:
    assert filed('foreverypart { } if header :mime "subject" "top" { fileinto "a"; }', PARTS) == ["a"]
    after = 'foreverypart { if header :mime "x-p" "html" { break; } } if exists :mime "x-p" { fileinto "b"; }'
    assert filed(after, PARTS) == []


def test_without_mime_a_test_looks_at_the_message() -> None:
    assert filed('foreverypart { if not header "subject" "top" { fileinto "a"; } }', PARTS) == []


def test_a_message_without_parts_is_one_part() -> None:
    assert filed('foreverypart { set "n" "${n}x"; extracttext :first 5 "t"; } fileinto "${n}${t}";') == [
        "xHello"
    ]


def test_break_leaves_the_loop_around_it() -> None:
    script = f'foreverypart {{ {LABEL} if string "${{p}}" "html" {{ break; }} }} fileinto "${{p}}";'
    assert filed(script, PARTS) == ["html"]


def test_break_with_a_name_leaves_that_loop() -> None:
    inner = f'foreverypart :name "in" {{ {LABEL} if string "${{p}}" "html" {{ break :name "LOOP"; }} }}'
    script = f'foreverypart :name "out" {{ set "n" "${{n}}x"; {inner} }} fileinto "${{n}}${{p}}";'
    assert filed(script.replace("LOOP", "out"), PARTS) == ["xhtml"]
    # The loop over the whole, over alt, and over what has no html.
    assert filed(script.replace("LOOP", "in"), PARTS) == ["xxxxxxxxdeep"]
    # Of two loops with one name the inner one.
    assert filed(script.replace("LOOP", "in").replace('"out"', '"in"'), PARTS) == ["xxxxxxxxdeep"]


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("plain", "café Hello"),
        ("html", "Hi you "),
        ("bin", "Hello"),
        ("deep", "in"),
        ("alt", ""),
        ("msg", ""),
    ],
)
def test_the_text_of_a_part(part: str, text: str) -> None:
    script = f'foreverypart {{ {LABEL} if string "${{p}}" "{part}" {{ extracttext "t"; break; }} }}'
    assert filed(script + 'if string "${t}" "' + text + '" { fileinto "a"; }', PARTS) == ["a"]


def test_first_counts_characters_before_the_modifiers() -> None:
    take = 'extracttext :upper :first 4 "t"; extracttext :first 9 :length "n"; extracttext :first 0 "z";'
    script = (
        f'foreverypart {{ {LABEL} if string "${{p}}" "plain" {{ {take} }} }} fileinto "${{t}}${{n}}${{z}}";'
    )
    assert filed(script, PARTS) == ["CAFé9"]


def test_edits_are_seen_in_the_header_of_the_message_only() -> None:
    script = """
        foreverypart { set "n" "${n}x"; addheader "X-P" "new";
            if header :mime :count "eq" "x-p" "1" { set "ones" "${ones}1"; } }
        fileinto "${n} ${ones}";
    """
    assert filed(script, PARTS) == ["xxxxxxxx 1111111"]


def test_a_stopped_loop_is_over_for_the_next_script() -> None:
    before = ALL + 'foreverypart { if header :mime "x-p" "html" { stop; } }'
    plan = play(ALL + 'if header :mime "subject" "top" { discard; }', PARTS, before=before)
    assert [action.name for action in plan.actions] == ["discard"]


def test_what_is_wrong_is_found() -> None:
    outside = "is not placed inside a foreverypart loop"
    assert errors(ALL + "break;") == [f"the break command {outside}"]
    assert errors(ALL + 'extracttext "a";') == [f"the extracttext command {outside}"]
    assert errors(ALL + 'foreverypart :name "a" { break :name "b"; }') == [
        f"the break command {outside} named 'b'"
    ]
    assert errors(ALL + 'foreverypart :name "a" { if true { break :name "a"; } }') == []
    assert errors(ALL + "foreverypart { " * 4 + "}" * 4) == []
    assert len(errors(ALL + "foreverypart { " * 5 + "}" * 5)) == 1
    assert errors(ALL + 'if header :type "a" "b" { }') == [
        "the :type tag for the header test cannot be specified without the :mime tag"
    ]
    assert errors(ALL + 'if exists :anychild "a" { }') == [
        "the :anychild tag for the exists test cannot be specified without the :mime tag"
    ]
    assert len(errors(ALL + 'if header :mime :type :param "x" "a" "b" { }')) == 1
    assert errors(ALL + 'if address :mime :type "from" "b" { }')
    assert errors(ALL + 'foreverypart { extracttext "1"; }')
    assert errors(ALL + 'foreverypart { extracttext :lower :upper "a"; }')
    assert errors('require ["foreverypart", "extracttext"]; foreverypart { extracttext "a"; }') == [
        "extracttext extension cannot be used without variables extension"
    ]


def test_limits_hold() -> None:
    many = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 3000
    assert filed('foreverypart { set "n" "${n}x"; } set :length "n" "${n}"; fileinto "${n}";', many) == [
        "1000"
    ]
    context = Context(now=NOW, limits=Limits(decoded_bytes=5))
    plan = play(ALL + 'foreverypart { extracttext "a"; }', MESSAGE, context=context)
    assert plan.error is not None
    assert plan.error.text == "a part of the message is too large to be decoded"
    context = Context(now=NOW, limits=Limits(steps=3000))
    plan = play(ALL + 'foreverypart { if header :mime :anychild "a" "b" { } }', many, context=context)
    assert plan.error is not None
    assert "steps" in plan.error.text


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        (b"; a=b; C=\"d e\"", {"a": "b", "c": "d e"}),
        (b"; a*=iso-8859-1'de'%FC; a=u", {"a": "ü"}),
        (b"; a*0=x; a*1=y; a*3=z", {"a": "xy"}),
        (b"; a*0*=''%C3%BC; a*1=\"%41\"", {"a": "ü%41"}),
        (b"; a*1=y", {}),
        (b"; a*=nothing; b*0*=no'quote", {"a": "nothing", "b": "no'quote"}),
        (b"; a==?utf-8?b?w7w=?=", {"a": "ü"}),
        (b"; a*0*=nosuch''%FF", {"a": "\ufffd"}),
    ],
)  # fmt: skip
def test_parameters_with_charsets_and_continuations(raw: bytes, values: dict[str, str]) -> None:
    assert decoded(parameters_of(raw)) == values


def test_a_type_with_junk_behind_it_is_none() -> None:
    """As Dovecot 2.3: type, subtype and disposition are tokens and nothing else (RFC 2045 section 5.1)."""
    message = b"Content-Type: text/plain x; y=z\r\nContent-Disposition: inline (c)\r\n\r\n"
    assert holds('header :mime :type "content-type" ""', message)
    assert holds('header :mime :type "content-disposition" "inline"', message)
