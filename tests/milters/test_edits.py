"""Header edits become operations that an MTA carries out in that order with the wanted end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milters.edits import MAX_OPERATIONS, Append, Change, Delete, Insert, Operation, operations
from tamis.verdict import (
    AddHeader,
    AddRecipient,
    ChangeHeader,
    ChangeSender,
    Edit,
    RemoveHeader,
    RemoveRecipient,
    ReplaceBody,
)

NAMES = st.sampled_from(["A", "B", "C"])


def carry_out(fields: list[tuple[str, str]], todo: tuple[Operation, ...]) -> list[tuple[str, str]]:
    """As Postfix does: a deletion counts what is left, an insertion counts from the top."""
    fields = list(fields)
    for operation in todo:
        match operation:
            case Delete(name, occurrence):
                places = [n for n, field in enumerate(fields) if field[0] == name]
                del fields[places[occurrence - 1]]
            case Insert(index, name, value):
                fields.insert(index, (name, value))
            case Append(name, value):
                fields.append((name, value))
    return fields


@given(st.lists(NAMES, max_size=12), st.data())
def test_exactly_the_named_occurrences_go_and_additions_keep_their_order(
    names: list[str], data: st.DataObject
) -> None:
    fields = [(name, str(n)) for n, name in enumerate(names)]
    doomed = data.draw(st.sets(st.sampled_from(range(len(fields))))) if fields else set()
    edits: list[Edit] = [
        RemoveHeader(name, sum(other == name for other in names[: n + 1]))
        for n, name in enumerate(names)
        if n in doomed
    ]
    edits += [
        AddHeader("T", "1"),
        AddHeader("E", "1", at_top=False),
        AddHeader("T", "2"),
        AddHeader("E", "2", at_top=False),
    ]
    left = [field for n, field in enumerate(fields) if n not in doomed]
    shuffled = data.draw(st.permutations(edits[: len(doomed)])) + edits[len(doomed) :]
    assert carry_out(fields, operations(shuffled)) == [("T", "1"), ("T", "2"), *left, ("E", "1"), ("E", "2")]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "plain"),
        ("one\r\n two", "one\n\ttwo"),
        ("one\rX-Forged: 1", "one\n\tX-Forged: 1"),
        ("one\n\n\nBody", "one\n\tBody"),
        ("nul\0 esc\x1b ü \udce9", "nul? esc? ? ?"),
        ("x" * 9000, "x" * 8000),
    ],
)
def test_a_value_cannot_begin_a_field_of_its_own(value: str, written: str) -> None:
    assert operations([AddHeader("X", value)]) == (Insert(0, "X", written),)


def test_too_many_edits_are_never_carried_out_in_part() -> None:
    assert len(operations([RemoveHeader("A", n) for n in range(1, MAX_OPERATIONS + 1)])) == MAX_OPERATIONS
    with pytest.raises(ValueError):
        operations([RemoveHeader("A", n) for n in range(1, MAX_OPERATIONS + 2)])


@pytest.mark.parametrize("name", ["", "A B", "A:", "Ä", "A\r\nB", "x" * 77])
def test_a_name_that_is_none_is_a_defect_of_the_check(name: str) -> None:
    with pytest.raises(ValueError):
        operations([AddHeader(name, "x")])


def test_the_envelope_and_the_body_come_first_and_the_last_of_two_counts() -> None:
    edits: list[Edit] = [
        AddHeader("A", "1"),
        AddRecipient("a@b"),
        AddRecipient("a@b"),
        RemoveRecipient("c@d"),
        ChangeSender("old@x"),
        ChangeSender("new@x"),
        ReplaceBody(b"old"),
        ReplaceBody(b"new"),
    ]
    assert operations(edits) == (
        ChangeSender("new@x"),
        ReplaceBody(b"new"),
        RemoveRecipient("c@d"),
        AddRecipient("a@b"),
        Insert(0, "A", "1"),
    )


def test_values_change_before_fields_go_and_not_those_that_go() -> None:
    edits: list[Edit] = [
        RemoveHeader("Subject", 1),
        ChangeHeader("subject", 1, "gone"),
        ChangeHeader("Subject", 2, "old"),
        ChangeHeader("Subject", 2, "new\r\nX-Forged: 1"),
    ]
    assert operations(edits) == (Change("Subject", 2, "new\n\tX-Forged: 1"), Delete("Subject", 1))
