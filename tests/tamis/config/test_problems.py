"""What an admin reads about a bad file: every mistake at once, each with its line, in the order of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tamis.config.sample import complaints, complaints_about

OF_A_VALUE = [
    ('listen = "unix:/x"', "listen: expected a list in [ ], not a text"),
    ("listen = [5]", "listen[0]: expected a text in quotes, not the number 5"),
    ('listen = ["a\\u0000b"]', "listen[0]: a NUL character, which no option may hold"),
    ("listen = []", "listen: must name a socket while strict = true"),
    ('listen = ["a", "unix:/x", "b\\u001b"]', "listen: a is no address", r"listen: b\x1b is no address"),
    ("mode = 660", 'mode: a file mode stands in quotes: "0660"'),
    ("mode = 0o660", 'mode: a file mode stands in quotes: "0660"'),
    ('mode = "rw-rw----"', 'mode: expected a file mode such as "0660", not "rw-rw----"'),
    ('mode = "0888"', 'mode: expected a file mode such as "0660", not "0888"'),
    ('mode = "04755"', 'mode: expected a file mode such as "0660", not "04755"'),
    ("wait = 5", 'wait: a time needs a unit: "5s"? (ms, s, m, h, d, w)'),
    ('wait = "5"', 'wait: a time needs a unit: "5s"? (ms, s, m, h, d, w)'),
    ('wait = "5 parsecs"', 'wait: unknown unit of time "parsecs", one of ms, s, m, h, d, w'),
    ('wait = "-5s"', 'wait: expected a time such as "5m", not "-5s"'),
    ("wait = -5", 'wait: expected a time such as "5m", not the number -5'),
    ("wait = inf", 'wait: expected a time such as "5m", not the number inf'),
    (f"wait = {'9' * 4000}", 'wait: expected a time such as "5m", not a huge number'),
    ('wait = "1h30m"', 'wait: expected a time such as "5m", not "1h30m"'),
    ("wait = 12:30:00", 'wait: expected a time such as "5m", not a date or time'),
    ("wait = true", 'wait: expected a time such as "5m", not true'),
    ('wait = "2h"', "wait: must be 90s or less, not 2h"),
    ('wait = "1ms"', "wait: must be 10ms or more, not 1ms"),
    ('wait = "999999w"', 'wait: "999999w" is more than a century'),
    ('peers_max = "many"', 'peers_max: expected a whole number, not the text "many"'),
    ("peers_max = 1.5", "peers_max: expected a whole number, not the number 1.5"),
    ("peers_max = true", "peers_max: expected a whole number, not true"),
    ("peers_max = 0", "peers_max: must be 1 or more, not 0"),
    ("peers_max = 1001", "peers_max: must be 1000 or less, not 1001"),
    ("peers_max = 99999999999999999999", "peers_max: a number of more than 64 bits"),
    ('strict = "yes"', 'strict: expected true or false, not the text "yes"'),
    ("strict = 1", "strict: expected true or false, not the number 1"),
    ('order = "las"', 'order: expected "first" or "last", not the text "las", did you mean "last"?'),
    ("order = 1", 'order: expected "first" or "last", not the number 1'),
    ('path = ""', "path: expected a path, not an empty text"),
    ('networks = ["10.0.0.1/8"]', 'networks[0]: "10.0.0.1/8" has bits below its prefix, did you mean "10.0.0.0/8"?'),
    ('networks = ["office"]', 'networks[0]: expected a network such as "10.0.0.0/8", not "office"'),
    ('networks = ["10.0.0.0/33"]', 'networks[0]: expected a network such as "10.0.0.0/8", not "10.0.0.0/33"'),
    ('rates = ["100 per hour"]', 'rates[0]: expected a rate such as "100/1h", not "100 per hour"'),
    ('rates = ["0/1h"]', "rates[0]: the count of a rate must be between 1 and 2147483647, not 0"),
    ('rates = ["5/0s"]', 'rates[0]: the time of a rate must be above 0, not "0s"'),
    ('rates = ["5/h"]', 'rates[0]: expected a time such as "5m", not "h"'),
    ('rates = ["5/1x"]', 'rates[0]: unknown unit of time "x", one of ms, s, m, h, d, w'),
    ("rates = [100]", 'rates[0]: expected a rate such as "100/1h", not the number 100'),
    ("inner = 5", "inner: expected a table, not the number 5"),
    ('inner.size = "25 furlongs"', ('inner.size: unknown unit of size "furlongs", one of B, kB, MB, GB, TB, KiB, MiB, '
     "GiB, TiB")),
    ("inner.size = -1", 'inner.size: expected a size such as "25MiB", not the number -1'),
    ('inner.size = "1.5"', 'inner.size: "1.5" is not a whole number of bytes'),
    ('inner.size = "99999999TiB"', 'inner.size: "99999999TiB" is more than a file can hold'),
    ('inner.size = "0"', "inner.size: must be 1 or more, not 0"),
    ('inner.size = "2GiB"', "inner.size: more than a door holds"),
    ("inner.ratio = 1.5", "inner.ratio: must be 1 or less, not 1.5"),
    ("inner.ratio = inf", "inner.ratio: expected a number of 64 bits or less, not the number inf"),
    ("inner.ratio = nan", "inner.ratio: expected a number of 64 bits or less, not the number nan"),
    ('inner.labels = {"a b" = "x"}', 'inner.labels."a b": expected a whole number, not the text "x"'),
    (f"inner.ratio = {'9' * 4000}", "inner.ratio: expected a number of 64 bits or less, not a huge number"),
    ("inner.labels = []", "inner.labels: expected a table, not a list"),
    ("peers = [{}]", "peers[0].name: is missing: who it is"),
    ('peers = [{name = "a"}, {name = 5, wait = 1}]', "peers[1].name: expected a text in quotes, not the number 5",
     'peers[1].wait: unknown option, did you mean "weight"?'),
    ('peers = [{name = "a", colour = 1}]', "peers[0].colour: unknown option; known here: name, weight"),
    ("peers = [5]", "peers[0]: expected a table, not the number 5"),
    ("password = 5", "password: expected a text, or one of {file = ...}, {env = ...} and {credential = ...}"),
    ('password = {fil = "/x"}', 'password: unknown origin "fil" of a secret, did you mean "file"?'),
    ('password = {file = "/none"}', "password: cannot read '/none': No such file or directory"),
    ('password = {env = "TAMIS_NONE"}', "password: the environment variable TAMIS_NONE is not set"),
    ("url = 5", "url: not a valid value (secret: not shown)"),
    ("order = 'a\tb'", r'order: expected "first" or "last", not the text "a\tb"'),
]  # fmt: skip


@pytest.mark.parametrize(("line", "wanted"), [(case[0], case[1:]) for case in OF_A_VALUE])
def test_a_bad_value(line: str, wanted: tuple[str, ...]) -> None:
    assert complaints(f"[policyd]\n{line}\n") == [f"2: policyd.{text}" for text in wanted]


def test_a_contradiction_without_a_place_of_its_own_is_said_of_the_table() -> None:
    assert complaints("\n[policyd]\nuid = 13\n") == ["2: policyd: nobody lives at 13"]
    assert complaints("\npolicyd.uid = 13\n") == ["2: policyd: nobody lives at 13"]


OF_A_NAME = [
    ("hostnam = 'x'", '1: hostnam: unknown option, did you mean "hostname"?'),
    ("[polcyd]", '1: polcyd: unknown table, did you mean "policyd"?'),
    ("[weather]", "1: weather: unknown table; known here: dns, hostname, journal, lda, log, milter, policyd, store"),
    ("log = 'syslog'", '1: log: expected a table, not the text "syslog"'),
    ("[[policyd]]", "1: policyd: expected a table, not a list"),
    ("[policyd]\nMode = '0660'", '2: policyd.Mode: unknown option, did you mean "mode"?'),
    ("[policyd]\npeers-max = 5", '2: policyd.peers-max: unknown option, did you mean "peers_max"?'),
    ("[policyd]\nlevel = 'info'", "2: policyd.level: unknown option here, did you mean log.level?"),
    ("[policyd]\nhostname = 'x'", ("2: policyd.hostname: unknown option here, did you mean hostname above the first "
     "[table]?")),
    ("[policyd.log]", "1: policyd.log: unknown table here, did you mean [log]?"),
    ("ratio = 1", "1: ratio: unknown option here, did you mean policyd.inner.ratio?"),
    ("[policyd.check.knock]", '1: policyd.check: unknown table, did you mean "checks"?'),
    ('["a\\u001bb"]\n[log]\n"l\\u0007" = 1', ('1: "a\\x1bb": unknown table; known here: dns, hostname, journal, lda, '
     "log, milter, policyd, store"), '3: log."l\\x07": unknown option; known here: format, level, to'),
    ("[policyd.checks]\nusers = 5", "2: policyd.checks.users: expected a table, not the number 5"),
    ("[policyd]\nchecks = 5", "2: policyd.checks: expected a table, not the number 5"),
    ("[policyd.checks.nock]", '1: policyd.checks.nock: unknown check, did you mean "knock"?'),
    ("[policyd.checks.x]\ncheck = 'nock'", '2: policyd.checks.x.check: unknown check "nock", did you mean "knock"?'),
    ("[policyd.checks.x]\ncheck = 'spf'\nwhatever = 1", ('2: policyd.checks.x.check: unknown check "spf"; known here: '
     "knock, ring")),
    ("[policyd.checks.x]\ncheck = 5", "2: policyd.checks.x.check: expected a text in quotes, not the number 5"),
    ("[policyd.checks.knock]", "1: policyd.checks.knock.rates: must name a rate"),
    ("[policyd.checks.knock]\nrates = ['5/x']", ('2: policyd.checks.knock.rates[0]: expected a time such as "5m", not '
     '"x"')),
    ("[policyd.checks.knock]\nrates = ['5/1s']\nmod = 'off'\nonerror = 'pass'\ntime = 1",
     '3: policyd.checks.knock.mod: unknown option, did you mean "mode"?',
     '4: policyd.checks.knock.onerror: unknown option, did you mean "on_error"?',
     '5: policyd.checks.knock.time: unknown option, did you mean "times"?'),
    ("[policyd.checks.knock]\nrates = ['5/1s']\nmode = 'of'\ntimes = 0",
     '3: policyd.checks.knock.mode: expected "enforce", "shadow" or "off", not the text "of", did you mean "off"?',
     "4: policyd.checks.knock.times: must be 1 or more, not 0"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), [(case[0], list(case[1:])) for case in OF_A_NAME])
def test_a_bad_name(text: str, wanted: list[str]) -> None:
    assert complaints(text) == wanted


def test_many_at_once_stand_in_the_order_of_the_file() -> None:
    """Whatever kind they are of, and whoever found them."""
    assert complaints(
        """\
hostnam = "x"

[policyd.checks.nock]
[policyd.checks.ring]
rates = []

[policyd]
wait = "soon"
listen = []
inner.size = "2GiB"

[log]
levle = "info"
to = "stdout"
"""
    ) == [
        '1: hostnam: unknown option, did you mean "hostname"?',
        '3: policyd.checks.nock: unknown check, did you mean "knock"?',
        "5: policyd.checks.ring.rates: must name a rate",
        '8: policyd.wait: expected a time such as "5m", not "soon"',
        "9: policyd.listen: must name a socket while strict = true",
        "10: policyd.inner.size: more than a door holds",
        '13: log.levle: unknown option, did you mean "level"?',
        '14: log.to: expected "syslog" or "stderr", not the text "stdout"',
    ]


def test_the_tables_of_other_programs_are_skipped() -> None:
    """Also what is wrong in them: their programs say it."""
    assert (
        complaints("[milter]\nnonsense = 1\n[lda.users]\nsources = 5\n[store]\nurl = 1\n[dns]\n[journal]\n")
        == []
    )


def test_a_secret_is_never_in_a_sentence() -> None:
    text = (
        '[policyd]\nurl = ["hunter2"]\npassword = ["hunter2"]\n[policyd.checks.knock]\npassword = "hunter2"\n'
    )
    found = complaints(text)
    assert len(found) == 4
    assert "hunter2" not in "".join(found)


SYNTAX = [
    ("a = ", 1, 'not TOML: no value; texts stand in quotes: "unix:/run/x"'),
    ("\nwait = 5m", 2, ("not TOML: something is left over behind the value; texts, times and sizes stand in quotes: "
     '"5m"')),
    ("[log\n", 1, "not TOML: expected ']' at the end of a table declaration"),
    ('[log]\nlevel = "info\nto = 5\n', 2, "not TOML: a quote is not closed in this line"),
    ("a = [1,\n\n", 1, 'not TOML: no value; texts stand in quotes: "unix:/run/x"'),
    ("a b = 5", 1, "not TOML: expected '=' after a key in a key/value pair"),
    ("a = '''\nx\n", 2, 'not TOML: expected "\'\'\'"'),
    ('hostname = "a"\nhostname = "b"', 2, "hostname: is given twice, first in line 1"),
    ("[log]\n[policyd]\n[log]", 3, "log: is given twice, first in line 1"),
    ("[policyd]\nwait = '1s'\n[policyd.inner]\n[policyd]\n", 4, "policyd: is given twice, first in line 1"),
    ("x = {a = 1, 'a' = 2}", 1, "x.a: is given twice, first in line 1"),
    ('[log]\n"le\\u0076el" = 1\nlevel = 2', 3, "log.level: is given twice, first in line 2"),
    ("log.level = 1\n[log]\n", 2, "gives a key or table that was already given"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "sentence"), SYNTAX)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_what_is_not_toml(tmp_path: Path, text: str, line: int, sentence: str, newline: str) -> None:
    """Only the first thing is known then: what stands behind it cannot be read."""
    path = tmp_path / "t.toml"
    path.write_bytes(text.replace("\n", newline).encode())
    assert complaints_about(path) == [f"{path}:{line}: {sentence}"]


class TestFile:
    def test_one_that_is_not_there(self, tmp_path: Path) -> None:
        path = tmp_path / "none.toml"
        assert complaints_about(path) == [f"{path}: cannot be read: No such file or directory"]

    def test_a_directory(self, tmp_path: Path) -> None:
        assert complaints_about(tmp_path) == [f"{tmp_path}: cannot be read: Is a directory"]

    def test_one_that_is_not_utf_8(self, tmp_path: Path) -> None:
        path = tmp_path / "t.toml"
        path.write_bytes(b'# caf\xc3\xa9\nhostname = "caf\xe9"\n')
        assert complaints_about(path) == [f"{path}:2: byte 0xe9 is not UTF-8"]

    def test_a_byte_order_mark_is_no_mistake(self, tmp_path: Path) -> None:
        path = tmp_path / "t.toml"
        path.write_bytes(b'\xef\xbb\xbfhostname = "x"\nnone = "\xff"\n')
        assert complaints_about(path) == [f"{path}:2: byte 0xff is not UTF-8"]
        path.write_bytes(b'\xef\xbb\xbfhostname = "x"\n')
        assert complaints_about(path) == []

    def test_one_that_is_too_large(self, tmp_path: Path) -> None:
        path = tmp_path / "t.toml"
        path.write_bytes(b"#" * (4 * 1024 * 1024 + 1))
        assert complaints_about(path) == [f"{path}: is larger than 4 MiB"]

    @pytest.mark.parametrize(
        "text", ["a = " + "[" * 20_000, "a = " + "{a=" * 20_000], ids=["lists", "tables"]
    )
    def test_nesting_that_would_overflow_the_stack(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "t.toml"
        path.write_text(text)
        assert complaints_about(path) == [f"{path}: lists or tables are nested too deep"]

    def test_a_number_that_would_take_forever_to_read(self) -> None:
        assert complaints(f"a = {'9' * 5000}") == ["a number has too many digits"]

    def test_nesting_that_is_only_senseless(self) -> None:
        text = f"[policyd]\nrates = {'[' * 90}{']' * 90}\n"
        assert complaints(text) == ['2: policyd.rates[0]: expected a rate such as "100/1h", not a list']
