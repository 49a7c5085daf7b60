"""RFC 5703 section 5: replace."""

from __future__ import annotations

from tamis.mail.message import Message
from tamis.mail.mime import structure, text
from tests.lda.sieve.multipart import PARTS
from tests.lda.sieve.play import ALL, errors, filed, play

LABEL = 'set "p" "-"; if header :mime :matches "X-P" "*" { set "p" "${1}"; }'
SMALL = b"Subject: old\r\nFrom: a@b.c\r\nContent-Type: text/html\r\nX-A: 1\r\n\r\n<p>x\r\n"


def replaced(script: str, message: bytes = PARTS) -> Message:
    plan = play(ALL + script, message)
    assert plan.error is None, plan.error
    assert plan.keep_message is not None
    return Message(plan.keep_message.raw)


def at(part: str, command: str) -> str:
    return f'foreverypart {{ {LABEL} if string "${{p}}" "{part}" {{ {command} }} }}'


def shape(message: Message) -> list[str]:
    return [str(part.content_type) for part in structure(message).walk()]


def test_outside_of_a_loop_the_message_is_replaced() -> None:
    message = replaced('replace "Hi\nthere";', SMALL)
    assert bytes(message.raw) == (
        b"Subject: old\r\nFrom: a@b.c\r\nX-A: 1\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n\r\nHi\r\nthere"
    )


def test_a_new_subject_and_a_new_author_keep_the_old_ones() -> None:
    headers = replaced('replace :subject "Größe" :from "Jörg M. <j@x.example>" "Hi";', SMALL).headers
    assert headers.first("original-subject") == b"old"
    assert headers.first("original-from") == b"a@b.c"
    assert headers.first("subject") == b"=?utf-8?q?Gr=C3=B6=C3=9Fe?="
    assert len(headers.all("from")) == len(headers.all("subject")) == 1
    assert headers.first("from") == b"=?utf-8?q?J=C3=B6rg?= M <j@x.example>"
    headers = replaced('replace :from "\\"J, M\\" <j@x.example>" "Hi";', SMALL).headers
    assert headers.first("from") == b'"J, M" <j@x.example>'


def test_an_author_that_is_none_is_passed_over() -> None:
    headers = replaced('set "a" "no address"; replace :from "${a}" "Hi";', SMALL).headers
    assert headers.first("from") == b"a@b.c"


def test_an_entity_brings_its_own_header() -> None:
    entity = "Content-Type: text/html; charset=utf-8\nX-Evil: y\n\n<b>ü</b>"
    message = replaced(f'replace :mime "{entity}";', SMALL)
    assert message.headers.first("content-type") == b"text/html; charset=utf-8"
    assert not message.headers.all("x-evil")
    assert message.body == "<b>ü</b>".encode()


def test_in_a_loop_the_part_is_replaced_and_all_else_stays() -> None:
    message = replaced(at("bin", 'replace "--outer--";'))
    assert shape(message) == [*shape(Message(PARTS))[:-1], "text/plain"]
    part = list(structure(message).walk())[-1]
    assert text(message.raw, part) == "--outer--"
    assert part.headers.first("x-p") == b"bin"
    assert not part.headers.all("content-disposition")
    before, _, after = PARTS.partition(b"Content-Type: application/octet-stream")
    raw = bytes(message.raw)
    assert raw.startswith(before)
    assert raw.endswith(after[after.index(b"\r\n--outer--") :])


def test_the_loop_does_not_go_into_what_is_gone() -> None:
    script = f'foreverypart {{ {LABEL} set "all" "${{all}} ${{p}}"; if string "${{p}}" "PART" {{ replace "x"; }} }}'
    script += 'fileinto "${all}";'
    assert filed(script.replace("PART", "alt"), PARTS) == [" - alt msg - deep bin"]
    assert filed(script.replace("PART", "msg"), PARTS) == [" - alt plain html msg bin"]
    assert filed(script.replace('"PART"', '"-"'), PARTS) == [" -"]
    inner = f'foreverypart {{ {LABEL} set "n" "${{n}} ${{p}}"; if string "${{p}}" "alt" {{ replace "x"; }} }}'
    outer = f'foreverypart {{ {inner} {LABEL} set "o" "${{o}} ${{p}}"; }} fileinto "${{o}}|${{n}}";'
    assert filed(outer, PARTS) == [" - alt msg - deep bin| alt msg - deep bin - deep deep"]


def test_every_part_can_be_replaced_by_text_or_entity() -> None:
    for part in ("alt", "plain", "html", "msg", "deep", "bin"):
        for command in ('replace "new";', 'replace :mime "Content-Type: text/plain\n\nnew";'):
            found = 'if header :mime :anychild "x-p" "' + part + '" { fileinto "a"; }'
            take = at(part, 'extracttext "t";') + 'if string "${t}" "new" { fileinto "b"; }'
            assert filed(at(part, command) + found + take, PARTS) == ["a", "b"]


def test_it_goes_with_edits_of_the_header() -> None:
    message = replaced(at("bin", 'addheader "X-N" "v"; replace "x"; addheader "X-M" "w";'))
    assert [field.name for field in message.headers][:3] == ["X-M", "X-N", "Subject"]
    assert shape(message)[-1] == "text/plain"


def test_what_does_not_fit_is_an_error_and_the_original_is_kept() -> None:
    entity = "Content-Type: text/plain\n\n--outer\n\nmore"
    for script in (at("bin", f'replace :mime "{entity}";'), at("bin", 'enclose "x"; replace "y";')):
        plan = play(ALL + script, PARTS)
        assert plan.error is not None
        assert plan.error.text.startswith("replace action: ")
        assert plan.keep_message is None


def test_an_entity_may_have_parts() -> None:
    entity = "Content-Type: multipart/mixed; boundary=new\n\n--new\n\nA\n--new\n\nB\n--new--\n"
    message = replaced(at("plain", f'replace :mime "{entity}";'))
    assert shape(message)[2:5] == ["multipart/mixed", "text/plain", "text/plain"]


def test_arguments() -> None:
    assert not errors(ALL + 'replace :mime :subject "x" :from "a@b.example" "y";')
    assert len(errors(ALL + 'replace :from "no address" "y";')) == 1
    assert errors(ALL + "replace;")
    assert errors('replace "x";')
