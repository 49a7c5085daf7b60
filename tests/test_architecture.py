"""The floors of the house (docs/architecture.md): who may import whom, and how large a room may grow."""

from __future__ import annotations

import ast
import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("tamis", "policyd", "milters", "lda")
PROGRAMS = {"policyd", "milters", "lda"}

PURE = [
    "*/protocol.py",
    "*/*/protocol.py",
    "lda/sieve/**/*.py",
    "tamis/mail/*.py",
    "milters/attachments/[!cp]*.py",  # but child and pool
    "milters/attachments/compound.py",
    "milters/attachments/pdf.py",
    "tamis/verdict.py",
    "tamis/errors.py",
    "tamis/room.py",
]
DOORS = {"asyncio", "socket", "os", "subprocess", "sqlite3", "redis", "time", "random", "logging"}

# A third-party name lives in the rooms named here and nowhere else.
ROOMS = {
    "Milter": ("milters/session.py", "milters/__main__.py", "milters/transport"),
    "milter": ("milters/session.py", "milters/__main__.py", "milters/transport"),
    "re2": ("lda/sieve/extensions/regex.py", "tamis/patterns.py"),
    "sievelib": ("lda/sieve/parse.py", "tamis/cli/sieve/managesieve/session.py"),
    "redis": ("tamis/store/redis",),
    "dns": ("tamis/dns",),
    "cryptography": ("tamis/auth/dkim_key.py", "tamis/auth/keys.py"),
    "publicsuffixlist": ("tamis/auth/psl.py",),
    "spf": ("tamis/auth/spf.py",),
    "sqlalchemy": ("lda/users/sql.py", "tamis/sql.py", "policyd/tables/sql.py"),
    "ldap3": ("lda/users/ldap_connection.py",),
    "magic": ("milters/attachments/real_type.py",),
    "maxminddb": ("policyd/geo.py",),
    "yaml": ("tamis/cli/zone.py", "tamis/cli/policy/importing/policyd_rate_limit.py"),
    "prometheus_client": ("tamis/metrics", "tamis/service"),
    "orjson": ("tamis/journal/write.py",),
}

# Lower floors never look up. A room that is not listed here may be imported by programs alone.
FLOOR = {
    0: (
        "tamis.errors",
        "tamis.verdict",
        "tamis.mail",
        "tamis.log",
        "tamis.metrics",
        "tamis.patterns",
        "tamis",
    ),
    1: (
        "tamis.transaction",
        "tamis.outcome",
        "tamis.placeholders",
        "tamis.dns",
        "tamis.dnsbl",
        "tamis.clients",
        "tamis.sendmail",
        "tamis.conditions",
        "tamis.store",
        "tamis.config",
        "tamis.journal",
        "tamis.bridge",
        "tamis.room",
        "tamis.worker_counters",
        "tamis.sql",
        "tamis.threads",
        "tamis.srs",
    ),
    2: ("tamis.check", "tamis.auth", "tamis.pipeline", "tamis.registry", "tamis.service", "tamis.mta"),
    3: ("tamis.cli",),
}

MAX_FILE_LINES = 300


def modules() -> list[Path]:
    return sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _type_checking_only(tree: ast.Module) -> set[ast.AST]:
    """Imports below ``if TYPE_CHECKING:`` never run: they are no doors."""
    hidden: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            hidden.update(inner for statement in node.body for inner in ast.walk(statement))
    return hidden


def imports(path: Path, *, nested: bool = True) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    hidden = _type_checking_only(tree)
    for node in ast.walk(tree) if nested else tree.body:
        if node in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            if node.module in PACKAGES:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def floor_of(module: str) -> int | None:
    best: tuple[int, int] | None = None
    for floor, names in FLOOR.items():
        for name in names:
            if (module == name or (module.startswith(name + ".") and name != "tamis")) and (
                best is None or len(name) > best[0]
            ):
                best = (len(name), floor)
    return None if best is None else best[1]


@pytest.mark.parametrize("package", PACKAGES)
def test_programs_do_not_know_each_other_and_the_core_knows_none(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        strangers = {m.split(".")[0] for m in imports(path, nested=package != "tamis")} & (
            PROGRAMS - {package}
        )
        assert not strangers, f"{path.relative_to(ROOT)} imports {strangers}"


def test_only_a_command_of_the_cli_may_load_a_program_and_only_when_it_runs() -> None:
    for path in (ROOT / "tamis").rglob("*.py"):
        if "cli" not in path.parts:
            strangers = {m.split(".")[0] for m in imports(path)} & PROGRAMS
            assert not strangers, f"{path.relative_to(ROOT)} imports {strangers}"


def test_lower_floors_never_look_up() -> None:
    for path in (ROOT / "tamis").rglob("*.py"):
        here = floor_of(name_of(path))
        assert here is not None, f"{path.relative_to(ROOT)}: give it a floor in this test"
        for module in imports(path):
            there = floor_of(module) if module.split(".")[0] == "tamis" else None
            assert there is None or there <= here, (
                f"{path.relative_to(ROOT)} (floor {here}) imports {module} ({there})"
            )


def test_pure_rooms_have_no_doors_to_the_world() -> None:
    rooms = {path for pattern in PURE for path in ROOT.glob(pattern) if "tests" not in path.parts}
    assert len(rooms) > 10
    for path in rooms:
        doors = {m.split(".")[0] for m in imports(path)} & DOORS
        assert not doors, f"{path.relative_to(ROOT)} imports {doors}"


def test_a_third_party_name_lives_in_one_room() -> None:
    for path in modules():
        here = path.relative_to(ROOT).as_posix()
        for module in imports(path):
            rooms = ROOMS.get(module.split(".")[0])
            assert rooms is None or here.startswith(rooms), f"{here} imports {module}, which lives in {rooms}"


def test_no_file_outgrows_its_idea() -> None:
    lines = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in modules()}
    assert not {name: count for name, count in lines.items() if count > MAX_FILE_LINES}


def test_every_module_says_what_it_is() -> None:
    for path in modules():
        assert ast.get_docstring(ast.parse(path.read_text())), f"{path.relative_to(ROOT)} has no docstring"


def test_no_room_is_called_utils() -> None:
    words = re.compile(r"(util|helper|common|misc|manager|base)s?$")
    assert not [p for p in modules() if words.fullmatch(p.stem)]


def test_the_four_top_level_names_are_ours() -> None:
    """Another distribution that installs a module named ``lda`` would overwrite ours silently."""
    owners = importlib.metadata.packages_distributions()
    for package in PACKAGES:
        assert set(owners.get(package, ["tamis"])) == {"tamis"}
