"""The programs that scripts call, as real programs: what they are given, and how little harm they can do."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from lda.config import LdaConfig
from lda.process import MAX_COMPLAINT_BYTES, Bounds, run
from lda.programs import Failed, Programs, ProgramsConfig, environment
from lda.script_config import SieveConfig
from lda.sieve import Answer, ScriptError, compile_script
from lda.sieve.extensions.pipe import ToProgram
from lda.sieve.programs import RunProgram
from tamis.config.schema import Duration, Size
from tamis.mail.message import Message

RAW = b"Subject: hello\n\nbody\n"
OWN = frozenset({os.geteuid(), 0})
TOLD = environment(
    home=Path("/home/bob"), user="bob", host="mx", sender="s@a", recipient="r@b", original_recipient=""
)


class Place:
    """A directory of programs for all three commands, in a place of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path / "bin"
        self.path.mkdir(mode=0o755)
        self.path.chmod(0o755)

    def program(self, name: str, body: str, mode: int = 0o755) -> Path:
        path = self.path / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(mode)
        return path

    def programs(self, owners: frozenset[int] | None = OWN, **options: object) -> Programs:
        where = {"pipe": self.path, "filter": self.path, "execute": self.path}
        return Programs(ProgramsConfig(**{**where, **options}), TOLD, owners)  # type: ignore[arg-type]

    def execute(
        self,
        name: str,
        *arguments: str,
        data: Message | str | None = None,
        room: int | None = 4096,
        **options: object,
    ) -> Answer:
        command = "filter" if room is None else "execute"
        question = RunProgram(command, name, arguments, data, room)  # type: ignore[arg-type]
        return self.programs(**options).answer(question)  # type: ignore[arg-type]

    def filter(self, name: str, data: Message, **options: object) -> Answer:
        return self.execute(name, data=data, room=None, **options)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    tmp_path.chmod(0o755)
    return Place(tmp_path)


# -- what a program is given


def test_it_gets_arguments_as_they_are_and_no_shell_sees_them(place: Place) -> None:
    place.program("args", 'for a in "$@"; do echo "[$a]"; done')
    hostile = ("", "a b", "$(id)", "`id`", ";|&<>*?", "--", "-rf", "\u00e4", "'\"\\")
    answer = place.execute("args", *hostile)
    assert isinstance(answer, bytes)
    assert answer.decode().splitlines() == [f"[{argument}]" for argument in hostile]


def test_it_is_told_who_the_message_is_for_and_nothing_else(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables that Dovecot sets (its sieve_extprograms.txt), and a path; nothing of the engine's."""
    monkeypatch.setenv("SECRET", "x")
    place.program("env", "exec env")
    answer = place.execute("env")
    assert isinstance(answer, bytes)
    found = dict(line.split("=", 1) for line in answer.decode().splitlines())
    for name in ("PWD", "_", "SHLVL", "OLDPWD"):  # a shell's own
        found.pop(name, None)
    assert found == {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/home/bob",
        "USER": "bob",
        "HOST": "mx",
        "SENDER": "s@a",
        "RECIPIENT": "r@b",
        "ORIG_RECIPIENT": "r@b",
    }


def test_it_starts_in_the_root_with_none_of_our_files(place: Place, tmp_path: Path) -> None:
    place.program("where", "pwd; ls /proc/self/fd | wc -l")
    with (tmp_path / "ours").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)
        answer = place.execute("where")
    assert answer == b"/\n4\n"  # the three, and what ls reads


@pytest.mark.parametrize(
    ("eol", "expected"), [("crlf", b"a\r\nb\r\nc\rd\r\n\r\n"), ("lf", b"a\nb\nc\rd\n\n")]
)
def test_lines_end_as_the_site_says(place: Place, eol: str, expected: bytes) -> None:
    place.program("cat", "exec cat")
    assert place.execute("cat", data="a\r\nb\nc\rd\n\r\n", input_eol=eol) == expected
    message = Message(b"a\r\nb\nc\rd\n\r\n")
    assert place.filter("cat", message, input_eol=eol) == expected


@pytest.mark.parametrize("size", [(1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_a_line_end_between_two_pieces_is_one(place: Place, size: int) -> None:
    place.program("cat", "exec cat")
    raw = b"x" * (size - 1) + b"\r\ny\r"
    assert place.filter("cat", Message(raw)) == raw
    assert place.filter("cat", Message(raw), input_eol="lf") == raw.replace(b"\r\n", b"\n")


def test_without_input_there_is_nothing_to_read(place: Place) -> None:
    place.program("count", "wc -c")
    for data in (None, ""):
        answer = place.execute("count", data=data)
        assert isinstance(answer, bytes)
        assert answer.strip() == b"0"


# -- what comes back


def test_output_is_not_touched(place: Place) -> None:
    place.program("bytes", r"printf 'a\0\377\r\n\n'")
    assert place.execute("bytes") == b"a\0\xff\r\n\n"


@pytest.mark.parametrize("status", [1, 2, 75, 127, 255])
def test_another_status_than_0_is_no(place: Place, status: int) -> None:
    place.program("no", f"echo much; exit {status}")
    assert place.execute("no") is False


def test_input_that_is_not_read_is_no_failure(place: Place) -> None:
    place.program("lazy", "exec 0<&-; echo done")
    assert place.filter("lazy", Message(b"x" * 500_000)) == b"done\n"


def test_more_output_than_is_wanted_is_thrown_away(place: Place) -> None:
    """A program that talks must neither fill our memory nor hang in its pipe."""
    place.program("talk", "head -c 5000000 /dev/zero; exit $1")
    assert place.execute("talk", "0", room=10) == bytes(10)
    assert place.execute("talk", "0", room=0) == b""
    assert place.execute("talk", "1", room=10) is False


def test_a_filter_that_writes_too_much_has_failed(place: Place) -> None:
    place.program("talk", "exec cat /dev/zero")
    assert place.filter("talk", Message(RAW), max_output=Size(100_000)) == "it has written too much"
    place.program("just", "head -c 100000 /dev/zero")
    assert place.filter("just", Message(RAW), max_output=Size(100_000)) == bytes(100_000)
    assert place.filter("just", Message(RAW), max_output=Size(99_999)) == "it has written too much"


def test_all_that_was_written_before_the_end_is_there(place: Place) -> None:
    place.program("burst", "head -c 60000 /dev/zero; exec 1>&-")
    for _ in range(20):
        assert place.filter("burst", Message(RAW)) == bytes(60_000)


# -- what a program cannot do


def alive(mark: str) -> bool:
    """Whether a process with *mark* among its arguments is there."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes().split(b"\0"):
                return True
        except OSError:
            continue
    return False


def gone(mark: str) -> bool:
    """Whether all processes with *mark* are gone in the end: the system needs a moment to take them away."""
    deadline = time.monotonic() + 30
    while alive(mark):
        if time.monotonic() > deadline:
            return False
        os.sched_yield()
    return True


@pytest.mark.parametrize(
    "body",
    [
        "sleep 51.$1",
        "trap '' TERM INT HUP; sleep 51.$1",
        "exec 0<&- 1>&- 2>&-; sleep 51.$1",
        "while :; do :; done",
        "while :; do echo x; done",
        "(sleep 51.$1 &) ; sleep 51.$1",
    ],
)
def test_a_program_that_hangs_is_ended_with_all_that_it_has_started(place: Place, body: str) -> None:
    place.program("hang", body)
    mark = str(os.getpid())
    answer = place.execute("hang", mark, data="x", timeout=Duration(0.3))
    assert answer == "it took longer than 0.3 s"
    assert gone(f"51.{mark}")


def test_what_it_leaves_behind_ends_with_it_and_is_not_waited_for(place: Place) -> None:
    place.program("leave", "sleep 52.$1 & echo done")
    mark = str(os.getpid())
    assert place.execute("leave", mark) == b"done\n"
    assert gone(f"52.{mark}")


def test_all_programs_of_a_message_have_one_budget(place: Place) -> None:
    place.program("hang", "exec sleep 53")
    programs = place.programs(timeout=Duration(0.6), total=Duration(1.1))
    question = RunProgram("execute", "hang", (), None, 0)
    assert programs.answer(question) == "it took longer than 0.6 s"
    second = programs.answer(question)
    assert isinstance(second, str)
    assert second.startswith("it took longer than 0.")
    assert programs.answer(question) == "the programs for this message have used up their time"


@pytest.mark.parametrize("number", [9, 15, 11])
def test_a_program_that_is_killed_has_failed(place: Place, number: int) -> None:
    place.program("die", f"echo much; echo why >&2; kill -{number} $$")
    assert place.execute("die") == f"it was killed by signal {number}: why"


# -- which programs there are


@pytest.mark.parametrize(
    "name", ["../secret", "/bin/true", "a/../../secret", "", ".", "..", "a\0b", "missing", "\ud800"]
)
def test_a_name_leads_nowhere_else(place: Place, tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("#!/bin/sh\necho secret\n")
    secret.chmod(0o755)
    assert place.execute(name) in (None, "it is not a regular file")


def test_without_a_directory_there_is_none(place: Place, tmp_path: Path) -> None:
    place.program("true", "exit 0")
    assert place.execute("true", execute=None) is None
    assert place.execute("true", execute=tmp_path / "missing") is None
    assert place.execute("true", execute=place.path / "true") in (
        None,
        "it cannot be looked at: Not a directory",
    )


@pytest.mark.parametrize("owners", [OWN, None])
def test_only_files_that_can_be_run_are_programs(place: Place, owners: frozenset[int] | None) -> None:
    (place.path / "directory").mkdir()
    os.mkfifo(place.path / "fifo", 0o755)
    place.program("plain", "exit 0", 0o644)
    (place.path / "loop").symlink_to("loop")
    (place.path / "dangling").symlink_to("missing")
    assert place.execute("directory", owners=owners) == "it is not a regular file"
    assert place.execute("fifo", owners=owners) == "it is not a regular file"
    assert place.execute("plain", owners=owners) == "it is not executable"
    assert place.execute("dangling", owners=owners) is None
    loop = place.execute("loop", owners=owners)
    assert loop is None or isinstance(loop, str)
    assert isinstance(place.execute("x" * 128, owners=owners), str | None)
    assert isinstance(place.execute("\u20ac" * 128, owners=owners), str)


def test_a_program_that_cannot_begin_has_failed(place: Place) -> None:
    (place.path / "odd").write_text("#!/no/such/interpreter\n")
    (place.path / "odd").chmod(0o755)
    assert place.execute("odd") == "it cannot be run: No such file or directory"


def test_a_script_need_not_name_its_shell(place: Place) -> None:
    """As where execvp(3) runs it, which Dovecot calls."""
    (place.path / "plain").write_text('printf "[%s]" "$@"\n')
    (place.path / "garbage").write_bytes(b"\x7fELFnothing")
    for name in ("plain", "garbage"):
        (place.path / name).chmod(0o755)
    assert place.execute("plain", "a b", "$(id)") == b"[a b][$(id)]"
    assert place.execute("garbage") is False


UNTRUSTED = "somebody else than root could change it, or its directory"


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757])
def test_what_others_can_write_is_not_run(place: Place, mode: int) -> None:
    place.program("open", "echo x", mode)
    assert place.execute("open") == UNTRUSTED
    place.program("closed", "echo x")
    place.path.chmod(mode)
    assert place.execute("closed") == UNTRUSTED


def test_a_link_is_followed_to_what_can_be_trusted(place: Place, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    target = elsewhere / "target"
    target.write_text("#!/bin/sh\necho x\n")
    target.chmod(0o755)
    (place.path / "link").symlink_to(target)
    assert place.execute("link") == b"x\n"
    elsewhere.chmod(0o777)
    assert place.execute("link") == UNTRUSTED


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_program_of_somebody_else_is_not_run(place: Place) -> None:
    path = place.program("theirs", "echo x")
    os.chown(path, 65534, 65534)
    assert place.execute("theirs") == UNTRUSTED


def test_the_owner_does_not_matter_where_nobody_is_named(place: Place) -> None:
    """The files of a test suite lie as somebody has unpacked them."""
    place.program("group", "echo x", 0o775)
    place.path.chmod(0o777)
    assert place.execute("group", owners=None) == b"x\n"
    place.program("world", "echo x", 0o777)
    assert place.execute("world", owners=None) == "it is world-writable"


# -- pipe


def pipe(place: Place, name: str, *arguments: str, **options: object) -> None:
    action = ToProgram(program=name, arguments=arguments)
    place.programs(**options).pipe(action, Message(RAW))  # type: ignore[arg-type]


def test_pipe_gives_the_message(place: Place, tmp_path: Path) -> None:
    place.program("save", 'cat >"$1"')
    pipe(place, "save", str(tmp_path / "saved"))
    assert (tmp_path / "saved").read_bytes() == RAW.replace(b"\n", b"\r\n")
    pipe(place, "save", str(tmp_path / "saved"), input_eol="lf")
    assert (tmp_path / "saved").read_bytes() == RAW


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("exit 3", "it has ended with status 3"),
        ("echo 'no paper' >&2; exit 1", "it has ended with status 1: no paper"),
        ("printf 'a\\033[1mb\\nc\\n' >&2; exit 1", "it has ended with status 1: a [1mb c"),
        ("exec sleep 54", "it took longer than 0.2 s"),
        ("kill -9 $$", "it was killed by signal 9"),
    ],
)
def test_pipe_says_why_it_has_failed(place: Place, body: str, why: str) -> None:
    place.program("fail", body)
    with pytest.raises(Failed) as failed:
        pipe(place, "fail", timeout=Duration(0.2 if "sleep" in body else 20.0))
    assert str(failed.value) == why


def test_pipe_to_a_missing_program_has_failed(place: Place) -> None:
    with pytest.raises(Failed, match="there is no such program"):
        pipe(place, "missing")
    with pytest.raises(Failed, match="there is no such program"):
        pipe(place, "missing", pipe=None)


def test_complaints_are_bounded() -> None:
    ended = run(["/bin/sh", "-c", "head -c 100000 /dev/zero >&2"], {}, None, Bounds(seconds=5))
    assert len(ended.complaint) == MAX_COMPLAINT_BYTES
    assert (ended.status, ended.output, ended.overflow) == (0, b"", False)


def test_a_disk_that_is_full_is_a_failure_of_the_program(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message for it is written to a file first."""
    place.program("cat", "exec cat")
    monkeypatch.setattr("tempfile.tempdir", "/proc/no-such-directory")
    with pytest.raises(Failed, match="it cannot be run: "):
        pipe(place, "cat")


# -- what scripts may require


@pytest.mark.parametrize("command", ["pipe", "filter", "execute"])
@pytest.mark.parametrize("site", [True, False])
def test_without_a_directory_the_extension_is_unknown(command: str, site: bool) -> None:
    source = f'require "vnd.dovecot.{command}"; {command} "x";'.encode()
    with pytest.raises(ScriptError) as error:
        compile_script(source, "s", language=SieveConfig().language(site=site))
    assert "vnd.dovecot." in str(error.value)
    config = ProgramsConfig(**{command: Path("/usr/lib/x")})  # type: ignore[arg-type]
    assert config.offered == {command}
    compile_script(source, "s", language=SieveConfig(programs=config).language(site=site))


def test_a_directory_is_absolute() -> None:
    assert list(ProgramsConfig(pipe=Path("bin")).problems()) == ["pipe: must be absolute, not bin"]
    assert not list(ProgramsConfig(pipe=Path("/bin")).problems())


def test_programs_end_before_the_delivery_does() -> None:
    """A delivery that is given up is tried again, and its programs are run again."""
    used = SieveConfig(programs=ProgramsConfig(pipe=Path("/bin")))
    (problem,) = LdaConfig(sieve=used, deadline=Duration(60.0)).problems()
    assert problem.startswith("sieve.programs.total: must be below deadline")
    assert not list(LdaConfig(sieve=used).problems())
    assert not list(LdaConfig(deadline=Duration(1.0)).problems())
