"""validate - syntax nodes to statements with checked arguments; every error and warning, not only the first.

It knows no command: it reads the declarations (`language`) and asks each statement for its own problems. What a
constant test makes unreachable is not looked at (RFC 5463 needs it: code behind an `ihave` that fails).

At most one finding of a statement's arguments counts as its error; further ones are marked `follows`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from lda.sieve import ast
from lda.sieve.arguments import Arguments, signature
from lda.sieve.diagnostics import Severity
from lda.sieve.language import Command, Complaint, Item, Subtests, Test
from lda.sieve.scope import Scope, near, needs

AnyItem = TypeVar("AnyItem", bound=Item)


def check_script(nodes: Sequence[ast.Command], scope: Scope, *, damaged: bool = False) -> tuple[Command, ...]:
    """The statements of a script; findings are in *scope*. damaged: some are missing after syntax errors."""
    return check_block(nodes, scope, damaged=damaged)


def check_block(nodes: Sequence[ast.Command], scope: Scope, *, damaged: bool = False) -> tuple[Command, ...]:
    """The statements of one block; findings are in *scope*. damaged: commands are missing after syntax errors."""
    commands: list[Command] = []
    before = last = ""
    reachable = True
    for node in nodes:
        kind = _command_class(node, scope)
        if kind is None:
            before = ""
            continue
        if not kind.follows:
            reachable = True
        if kind.heads and (scope.enclosing or last not in ("", node.name)):
            text = f"{node.name} commands can only be placed at top level at the beginning of the file"
            scope.report(Complaint(text, hint="move it to the top"), node)
            last = node.name
            continue
        orphan = bool(kind.follows) and before not in kind.follows and not damaged
        before = last = node.name
        if not (reachable or orphan) and _well_formed(node, kind, scope):
            continue
        command = _command(node, kind, scope, orphan=orphan)
        if command is not None:
            commands.append(command)
            reachable = _condition(command, scope) is not True
    return tuple(commands)


def _well_formed(node: ast.Command, kind: type[Command], scope: Scope) -> bool:
    """Of a branch that is never taken only the shape is checked."""
    spec = signature(kind).subtests
    good = _arity(node, spec[1] if spec else None, f"the {node.name} command", scope) is None
    return good and not node.arguments and node.block is not None


def _condition(item: Item, scope: Scope) -> bool | None:
    """The constant result of the test of *item*, if it has one test and that is constant."""
    test = getattr(item, "test", None)
    return test.constant(scope) if isinstance(test, Test) else None


def _command_class(node: ast.Command, scope: Scope) -> type[Command] | None:
    for kind in scope.visible(scope.language.commands):
        if kind.name == node.name:
            return kind
    if any(test.name == node.name for test in scope.visible(scope.language.tests)):
        scope.report(Complaint(f"attempted to use test '{node.name}' as command"), node)
    elif scope.first_time("name", node.name):
        _unknown(node, "command", scope)
    return None


def _test_class(node: ast.Test, scope: Scope) -> type[Test] | None:
    for kind in scope.visible(scope.language.tests):
        if kind.name == node.name:
            return kind
    if any(command.name == node.name for command in scope.visible(scope.language.commands)):
        scope.report(Complaint(f"attempted to use command '{node.name}' as test"), node)
    elif scope.first_time("name", node.name):
        _unknown(node, "test", scope)
    return None


def _unknown(node: ast.Test, what: str, scope: Scope) -> None:
    """Say what would make the name known: a require, or another spelling."""
    language = scope.language
    rows: list[tuple[str, str]] = [(c, k.name) for c, k in language.commands] if what == "command" else []
    rows += [(c, k.name) for c, k in language.tests] if what == "test" else []
    capability = next((capability for capability, name in rows if name == node.name), "")
    hint = needs(capability) if capability else near(node.name, (name for _, name in rows))
    scope.report(
        Complaint(f"unknown {what} '{node.name}' (only reported once at first occurrence)", hint=hint), node
    )


def _command(node: ast.Command, kind: type[Command], scope: Scope, *, orphan: bool) -> Command | None:
    """The command *node*, or None if something is wrong with it. orphan: it does not follow what it should."""
    values, good, formed = _item_values(node, kind, scope, "command")
    for text in _misfits(node, kind, orphan=orphan):
        scope.report(Complaint(text), node, follows=not formed)
        good = formed = False
    values["body"] = ()
    command = _made(kind, values, node, scope) if good else None
    test = values.get("test")
    if node.block is None or not kind.block or (isinstance(test, Test) and test.constant(scope) is False):
        return command
    scope.enclosing.append(node.name)
    scope.blocks.append(node)
    body = check_block(node.block, scope)
    scope.blocks.pop()
    scope.enclosing.pop()
    return dataclasses.replace(command, body=body) if command is not None else None


def _misfits(node: ast.Command, kind: type[Command], *, orphan: bool) -> Iterator[str]:
    """What is wrong with the block of *node*, and with what stands before it."""
    if kind.block and node.block is None:
        yield f"the {node.name} command requires a command block, but it is missing"
    elif node.block is not None and not kind.block:
        yield f"the {node.name} command does not accept a command block, but one is specified anyway"
    if orphan:
        words = " or ".join(sorted(kind.follows, reverse=True))
        yield f"the {node.name} command must follow an {words} command"


def _test(node: ast.Test, scope: Scope) -> Test | None:
    kind = _test_class(node, scope)
    if kind is None:
        if all(node.name != command.name for command in scope.visible(scope.language.commands)):
            for inner in node.tests:
                _test(inner, scope)
        return None
    values, good, _ = _item_values(node, kind, scope, "test")
    return _made(kind, values, node, scope) if good else None


def _item_values(
    node: ast.Test, kind: type[Item], scope: Scope, what: str
) -> tuple[dict[str, Any], bool, bool]:
    """The values of the fields of *kind*; whether all is well with them; whether only sub-tests are wrong."""
    spec = signature(kind).subtests
    name, wanted = spec if spec is not None else ("", None)
    arguments = Arguments(node, kind, scope, what)
    values = arguments.read()
    for index, complaint in enumerate(arguments.complaints):
        scope.report(complaint, node, follows=index > 0 or arguments.silent)
    arity = _arity(node, wanted, f"the {node.name} {what}", scope)
    if arity is not None:
        scope.report(arity, node)
    tests = _tests(node.tests if wanted else (), wanted.stop if wanted else None, scope)
    if tests is not None and wanted is not None and tests:
        values[name] = tests if wanted.many else tests[0]
    formed = not (arguments.complaints or arguments.silent) and arity is None
    return values, formed and tests is not None, formed


def _tests(nodes: Sequence[ast.Test], stop: bool | None, scope: Scope) -> tuple[Test, ...] | None:
    """The sub-tests up to the one that decides the result for every message; None if one is wrong."""
    tests: list[Test] = []
    good = True
    for node in nodes:
        test = _test(node, scope)
        if test is None:
            good = False
        else:
            tests.append(test)
            if stop is not None and test.constant(scope) is stop:
                break
    return tuple(tests) if good else None


def _arity(node: ast.Test, wanted: Subtests | None, subject: str, scope: Scope) -> Complaint | None:
    """What is wrong with the number of sub-tests."""
    if wanted is None:
        return _slip(node, subject, scope) if node.tests else None
    if wanted.many:
        if node.tests and node.listed:
            return None
        found = "a single test was found" if node.tests else "none is specified"
        return Complaint(f"{subject} requires a list of sub-tests, but {found}")
    if not node.tests:
        return Complaint(f"{subject} requires one sub-test, but none is specified")
    if node.listed:
        return Complaint(f"{subject} requires one sub-test, but a list of sub-tests was found")
    return None


def _slip(node: ast.Test, subject: str, scope: Scope) -> Complaint:
    """Tests where none may be: most often a forgotten semicolon or colon."""
    first = node.tests[0]
    after = subject.removeprefix("the ")
    if any(first.name == tag[1:] for tag in Arguments.tags_of(node.name, scope)):
        return Complaint(f"missing colon ':' before ':{first.name}' tag in {after}", first)
    if all(first.name != kind.name for kind in scope.visible(scope.language.tests)):
        return Complaint(f"missing semicolon ';' after {after}", first)
    return Complaint(f"{subject} accepts no sub-tests, but tests are specified", first)


def _made(kind: type[AnyItem], values: dict[str, Any], node: ast.Test, scope: Scope) -> AnyItem | None:
    """The statement, if it has no problems of its own."""
    item = kind(source=scope.source(node), node=node, **values)
    good, seen = True, False
    found = [
        *item.problems(scope),
        *(c for tag in item.tags for c in (*tag.problems(scope), *tag.among(item))),
    ]
    for complaint in found:
        scope.report(complaint, node, follows=seen)
        if complaint.severity is Severity.ERROR:
            good, seen = False, True
    return item if good else None
