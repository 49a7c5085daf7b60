"""postgrey's options and whitelists as a `greylist` check, and what it remembers in our store."""

from __future__ import annotations

import asyncio
import fcntl
import json
import subprocess
import time
from io import BytesIO
from pathlib import Path

import pytest

from policyd.checks.greylist import Greylist
from tamis.check import Services
from tamis.cli.__main__ import main
from tamis.cli.policy.importing.berkeley import BadFile, records
from tamis.cli.policy.importing.postgrey_database import Counts, Errand, errands
from tamis.config.schema import Duration
from tamis.dns import ZoneResolver
from tamis.log import Log
from tamis.store import open_store
from tamis.store.config import StoreConfig
from tamis.transaction import Transaction
from tamis.verdict import Kind
from tests.tamis.cli.policy.house import Workbench

WRITER = """
use BerkeleyDB;
my %db;
tie(%db, 'BerkeleyDB::Btree', -Filename => $ARGV[0], -Flags => DB_CREATE) or die;
while (<STDIN>) { chomp; my ($key, $value) = split /\\t/; $db{$key} = $value; }
delete $db{deleted};
untie %db;
"""
HAS_WRITER = not subprocess.run(
    ["perl", "-MBerkeleyDB", "-e", "1"], capture_output=True, check=False
).returncode
needs_writer = pytest.mark.skipif(not HAS_WRITER, reason="perl has no BerkeleyDB")

DAY = 86400


def write(path: Path, rows: dict[str, str]) -> None:
    """A database as postgrey makes it, by the library that postgrey uses."""
    text = "".join(f"{key}\t{value}\n" for key, value in rows.items())
    subprocess.run(["perl", "-e", WRITER, str(path)], input=text, text=True, check=True)


def test_options_in_all_the_ways_they_are_written(bench: Workbench) -> None:
    bench.file("whitelist_recipients", "postmaster@\n")
    text = f"""\
# --delay=1 is a comment
POSTGREY_OPTS="--inet=10023 --delay=60 --max-age 14 --retry-window=6h --auto-whitelist-clients=3 --ipv6cidr=56
  --privacy"
POSTGREY_TEXT="please wait %s seconds"
POSTGREY_OPTS="$POSTGREY_OPTS --whitelist-recipients={bench.directory}/whitelist_recipients"
"""
    imported = bench.text("postgrey", text.replace("56\n ", "56"), "postgrey")
    assert imported.status == 0
    assert imported.checks["greylist"] == {
        "delay": "1m",
        "remember": "14d",
        "retry_within": "6h",
        "known_after": 3,
        "ipv6_prefix": 56,
        "reply": "DEFER_IF_PERMIT please wait {seconds} seconds",
        "exempt_recipient_files": [f"{bench.directory}/whitelist_recipients"],
    }


@pytest.mark.parametrize(
    "option", ["--delay=soon", "--nonsense=1", "--greylist-action=OK", "--x-greylist-header=X: y"]
)
def test_options_that_are_not_for_us_are_left_out(bench: Workbench, option: str) -> None:
    imported = bench.text("postgrey", f"ExecStart=/usr/sbin/postgrey --max-age=7 '{option}'\n")
    assert imported.status == 1
    assert imported.checks["greylist"] == {"remember": "7d"}


def test_whitelists_are_named_where_they_are(bench: Workbench) -> None:
    clients = bench.file("whitelist_clients", "# partners\nexample.org\n192.0.2.7\n/^mx\\d+\\./\n")
    recipients = bench.file("whitelist_recipients", "postmaster@\n")
    imported = bench.run("postgrey", clients, recipients)
    assert imported.checks["greylist"] == {
        "exempt_client_files": [str(clients)],
        "exempt_recipient_files": [str(recipients)],
    }


def test_of_a_whitelist_with_a_line_that_is_not_for_us_the_others_are_written_out(bench: Workbench) -> None:
    """A back reference or a look-ahead is nothing for RE2."""
    clients = bench.file("whitelist_clients", "example.org\n/^(?!mx)/\n192.0.2.7  # partner\n")
    imported = bench.run("postgrey", clients)
    assert imported.checks["greylist"] == {"exempt_clients": ["example.org", "192.0.2.7"]}
    assert imported.left_out() == ["2: /^(?!mx)/"]


@needs_writer
def test_a_database_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Many pages, and keys and values too long for one."""
    rows = {f"192.0.2.{n}/user{n}@example.org/bob@example.net": f"{n},{n}" for n in range(3000)}
    rows |= {"k" * 30_000: "v" * 100_000, "deleted": "1", "long": "w" * 5000}
    write(tmp_path / "x.db", rows)
    with (tmp_path / "x.db").open("rb") as file:
        read = {key.decode(): value.decode() for key, value in records(file)}
    assert read == {key: value for key, value in rows.items() if key != "deleted"}


@needs_writer
def test_a_damaged_database_is_an_error_and_nothing_worse(tmp_path: Path) -> None:
    write(tmp_path / "x.db", {f"{n}": "v" * 2000 for n in range(20)})
    whole = (tmp_path / "x.db").read_bytes()
    for at in range(0, len(whole), 97):
        damaged = whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]
        try:
            list(records(BytesIO(damaged)))
        except BadFile:
            continue


@pytest.mark.parametrize("raw", [b"", b"x" * 100, b"\0" * 512])
def test_what_is_no_database_is_told(raw: bytes) -> None:
    with pytest.raises(BadFile):
        list(records(BytesIO(raw)))


def test_slashes_in_local_parts_do_not_part_the_key() -> None:
    rows = [
        (b"192.0.2.0/a/b@example.org/c/d@example.net", b"1,400"),
        (b"192.0.2.0//c@example.net", b"1,400"),
        (b"0123456789abcdef0123456789abcdef01234567", b"1,400"),
        (b"192.0.2.0/waiting@example.org/c@example.net", b"1,200"),
        (b"nonsense", b"1,400"),
    ]
    counts = Counts()
    assert list(errands(rows, 300.0, 1000.0, counts)) == [
        Errand("192.0.2.0", "a/b@example.org", "c/d@example.net", 400),
        Errand("192.0.2.0", "", "c@example.net", 400),
    ]
    assert sum(counts.lost.values()) == 3


def ask(config: Path, **words: str) -> tuple[Kind, str]:
    """What the check of *config* says."""

    async def asked() -> tuple[Kind, str]:
        store = open_store(StoreConfig(url=f"sqlite://{config.parent}/state.db", timeout=Duration(10.0)))
        zone = {"example.org": [{"TXT": "v=spf1 ip4:198.51.100.0/24 -all"}]}
        services = Services(
            store=store, dns=ZoneResolver(zone), log=Log.null(), clock=time.time, hostname="mx.example.net"
        )
        try:
            verdict = await Greylist().run(Transaction(**words), services)  # type: ignore[arg-type]
        finally:
            await store.close()
        return verdict.kind, verdict.reason

    return asyncio.run(asked())


@pytest.fixture
def config(bench: Workbench) -> Path:
    text = f'[store]\nurl = "sqlite://{bench.directory}/state.db"\n[policyd.checks.greylist]\n'
    return bench.file("tamis.toml", text)


@needs_writer
def test_who_waited_at_postgrey_waits_no_more(bench: Workbench, config: Path) -> None:
    now = int(time.time())
    bench.file("db/postgrey.lock", "")
    write(
        bench.directory / "db/postgrey.db",
        {
            "192.0.2.0/ann@example.org/bob@example.net": f"{now - 9000},{now - 5000}",
            "192.0.2.0/news-#@example.org/bob@example.net": f"{now - 9000},{now - 5000}",
            "192.0.2.0/old@example.org/bob@example.net": f"{now - 80 * DAY},{now - 40 * DAY}",
            "192.0.2.0/new@example.org/bob@example.net": f"{now - 100},{now - 50}",
        },
    )
    write(
        bench.directory / "db/postgrey_clients.db",
        {"203.0.113.7": f"12,{now - 5000}", "203.0.113.8": f"1,{now}"},
    )
    assert (
        main(["policy", "import", "postgrey-database", f"{bench.directory}/db", "-c", str(config), "--json"])
        == 0
    )
    assert json.loads(bench.capsys.readouterr().out) == {
        "errands": 2,
        "clients": 2,
        "expired": 1,
        "left_out": {"still waiting: they begin anew": 1},
    }
    same = {"recipient": "bob@example.net", "instance": "1.2.3.4"}
    near, far = {"client_address": "192.0.2.99"}, {"client_address": "198.51.100.1"}
    assert ask(config, sender="ann@example.org", **near, **same)[0] is Kind.PASS
    assert ask(config, sender="news-4711@example.org", **near, **same)[0] is Kind.PASS
    assert ask(config, sender="ann@example.org", **far, **same)[0] is Kind.PASS, "SPF lets it send"
    assert ask(config, sender="old@example.org", **near, **same) == (Kind.DEFER, "new")
    assert ask(config, sender="new@example.org", **near, **same) == (Kind.DEFER, "new")
    assert ask(config, sender="x@example.com", client_address="203.0.113.1", **same) == (Kind.PASS, "known")
    stranger = {"client_address": "233.252.0.1", **same}
    assert ask(config, sender="ann@example.org", **stranger) == (Kind.DEFER, "new")


@needs_writer
def test_an_import_takes_nothing_from_what_is_known_already(bench: Workbench, config: Path) -> None:
    now = int(time.time())
    assert main(["greylist", "allow", "203.0.113.7", "-c", str(config)]) == 0
    bench.file("db/postgrey.lock", "")
    write(bench.directory / "db/postgrey.db", {})
    write(bench.directory / "db/postgrey_clients.db", {"203.0.113.7": f"2,{now}"})
    assert main(["policy", "import", "postgrey-database", f"{bench.directory}/db", "-c", str(config)]) == 0
    bench.capsys.readouterr()
    assert main(["greylist", "show", "203.0.113.7", "-c", str(config)]) == 0
    assert "allowed" in bench.capsys.readouterr().out


def test_while_postgrey_runs_nothing_is_imported(bench: Workbench, config: Path) -> None:
    """Its files lack what it holds in memory."""
    lock = bench.file("db/postgrey.lock", "")
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert main(["policy", "import", "postgrey-database", str(lock.parent), "-c", str(config)]) == 69
    assert "stop it first" in bench.capsys.readouterr().err


def test_a_file_that_is_no_database_is_named(bench: Workbench, config: Path) -> None:
    path = bench.file("db/postgrey.db", "no database at all\n" * 50)
    assert main(["policy", "import", "postgrey-database", str(path.parent), "-c", str(config)]) == 65
    assert bench.capsys.readouterr().err == f"{path}: is no B-tree of Berkeley DB\n"
