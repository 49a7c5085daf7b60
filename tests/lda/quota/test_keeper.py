"""One user's quota over several deliveries, by the files of a Maildir."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lda.quota.config import QuotaConfig, WarningConfig
from lda.quota.rules import Limit, Rules, Usage, parse
from lda.quota.usage import Counter, append, known, recount
from lda.quota.warnings import Level, crossed
from lda.room import check_room, is_limited
from lda.store import MaildirConfig
from tamis.config.schema import Size
from tamis.errors import PermFail, TempFail
from tamis.verdict import Kind
from tests.lda.home import HEAD, Home

RAW = b"x" * (1000 - len(HEAD) - 1) + b"\n"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


def size_file(home: Home) -> str:
    return (home.path / "Maildir" / "maildirsize").read_text()


def limited(storage: int = 0, **options: object) -> QuotaConfig:
    return QuotaConfig(storage=Size(storage), grace="0", **options)  # type: ignore[arg-type]


class TestOverQuota:
    def test_is_deferred_or_refused_as_the_admin_wants_and_stores_nothing(self, home: Home) -> None:
        for _ in range(3):
            home.deliver(RAW, quota=limited(3500))
        with pytest.raises(TempFail) as failure:
            home.deliver(RAW, quota=limited(3500))
        assert failure.value.status == "4.2.2"
        done = home.deliver(RAW, quota=limited(3500, over="reject"))
        assert (done.verdict.kind, done.verdict.status, done.verdict.reason) == (
            Kind.REJECT,
            "5.2.2",
            "quota",
        )
        assert home.files() == {"new": [HEAD + RAW] * 3}

    def test_counts_all_copies_of_one_message(self, home: Home) -> None:
        home.folder(".A")
        home.script('require ["fileinto", "copy"]; fileinto :copy "A";')
        with pytest.raises(TempFail):
            home.deliver(RAW, quota=limited(1500))
        assert home.files() == {}

    def test_sends_nothing_on_either(self, home: Home) -> None:
        home.script('require "copy"; redirect :copy "x@z";')
        with pytest.raises(TempFail):
            home.deliver(RAW, quota=limited(500))
        assert not home.sent.exists()

    def test_a_discard_and_a_redirect_need_no_room(self, home: Home) -> None:
        for script in ("discard;", 'redirect "x@z";'):
            home.script(script)
            assert home.deliver(RAW, quota=limited(1)).verdict.kind is Kind.PASS

    def test_a_retry_of_what_is_stored_needs_no_room(self, home: Home) -> None:
        home.deliver(RAW, queue_id="Q1", quota=limited(1500))
        assert home.deliver(RAW, queue_id="Q1", quota=limited(1500)).actions == ["delivered before"]


class TestTheFile:
    def test_is_written_and_appended_to(self, home: Home) -> None:
        home.deliver(RAW, quota=limited(10_000))
        home.deliver(RAW, quota=limited(10_000))
        home.deliver(RAW, quota=limited(10_000))
        assert size_file(home) == "10000S\n1000 1\n1000 1\n1000 1\n"

    def test_of_somebody_else_is_appended_to_also_without_limits(self, home: Home) -> None:
        (home.path / "Maildir").mkdir()
        (home.path / "Maildir" / "maildirsize").write_text("500S\n100 1\n")
        home.deliver(RAW)
        assert size_file(home) == "500S\n100 1\n1000 1\n"

    def test_is_counted_anew_for_new_limits_and_before_anybody_is_refused(self, home: Home) -> None:
        home.deliver(RAW, quota=limited(10_000))
        home.deliver(RAW, quota=limited(20_000))
        assert size_file(home) == "20000S\n1000 1\n1000 1\n"
        (home.path / "Maildir" / "maildirsize").write_text("20000S\n1000 1\n19000 1\n")
        home.deliver(RAW, quota=limited(20_000))
        assert size_file(home) == "20000S\n2000 2\n1000 1\n"

    def test_is_not_left_where_a_folder_changed_while_it_was_counted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("new", "cur", "tmp"):
            (tmp_path / name).mkdir()
        counter = Counter(root=tmp_path, rules=Rules(Limit(100)))
        monkeypatch.setattr(Counter, "newest", lambda _: -1)
        assert recount(counter) == Usage()
        assert not (tmp_path / "maildirsize").exists()
        assert not list((tmp_path / "tmp").iterdir())

    def test_that_is_a_link_stops_no_mail(self, home: Home) -> None:
        (home.path / "Maildir").mkdir()
        (home.path / "Maildir" / "maildirsize").symlink_to(home.path / "elsewhere")
        (home.path / "elsewhere").write_text("99S\n")
        done = home.deliver(RAW, quota=limited(10_000))
        assert done.verdict.kind is Kind.PASS
        assert (home.path / "elsewhere").read_text() == "99S\n"


class TestCounting:
    @pytest.mark.parametrize("nested", [False, True])
    def test_goes_by_names_and_by_files_without_sizes_in_them(self, tmp_path: Path, nested: bool) -> None:
        for folder in ("", "A/B" if nested else ".A.B", "Junk" if nested else ".Junk"):
            for name in ("new", "cur", "tmp"):
                (tmp_path / folder / name).mkdir(parents=True)
            (tmp_path / folder / "new" / "1.x.mx,S=100,W=110").write_bytes(b"")
            (tmp_path / folder / "cur" / "2.x.mx,S=10,W=11:2,ST").write_bytes(b"")
            (tmp_path / folder / "cur" / "3.x.mx:2,").write_bytes(b"1234567")
            (tmp_path / folder / "tmp" / "4.x.mx,S=1000").write_bytes(b"")
        (tmp_path / "link").symlink_to(tmp_path)
        rules = Rules(folders=(parse("Junk:ignore"),))
        counter = Counter(root=tmp_path, rules=rules, nested=nested)
        assert counter.count()[0] == Usage(2 * 117, 6)
        virtual = Counter(root=tmp_path, rules=rules, nested=nested, virtual=True)
        assert virtual.count()[0] == Usage(2 * 128, 6)

    def test_an_append_to_nothing_makes_nothing(self, tmp_path: Path) -> None:
        append(tmp_path, Usage(1, 1))
        assert not list(tmp_path.iterdir())

    def test_a_recent_count_is_believed(self, tmp_path: Path) -> None:
        (tmp_path / "maildirsize").write_text("100S\n99 1\n")
        counter = Counter(root=tmp_path, rules=Rules(Limit(100)))
        assert known(counter, Usage(50, 1)) == Usage(99, 1)
        os.utime(tmp_path / "maildirsize", (1, 1))
        (tmp_path / "tmp").mkdir()
        assert known(counter, Usage(50, 1)) == Usage()


class TestWarnings:
    WARNINGS = {
        "half": WarningConfig(
            at=50, above=("/bin/half", "{user}", "{percent}"), below=("/bin/less", "{crossed}")
        ),
        "full": WarningConfig(at=90, above=("/bin/full", "{usage}/{limit}")),
        "many": WarningConfig(at=90, resource="messages", above=("/bin/many",)),
    }

    def told(
        self, above: set[str], storage: int, messages: int = 0
    ) -> tuple[set[str], list[tuple[str, ...]]]:
        levels = [Level("storage", storage, 100), Level("messages", messages, 100)]
        now, told = crossed(self.WARNINGS, frozenset(above), levels, "u@b")
        return set(now), [one.command for one in told]

    def test_are_given_once_on_the_way_up_and_once_on_the_way_down(self) -> None:
        assert self.told(set(), 49) == (set(), [])
        assert self.told(set(), 50) == ({"half"}, [("/bin/half", "u@b", "50")])
        assert self.told({"half"}, 60) == ({"half"}, [])
        assert self.told({"half"}, 95) == ({"half", "full"}, [("/bin/full", "95/100")])
        assert self.told({"half", "full"}, 10) == (set(), [("/bin/less", "below")])

    def test_only_the_highest_of_several_is_told(self) -> None:
        assert self.told(set(), 99)[1] == [("/bin/full", "99/100")]
        assert self.told(set(), 99, 99)[1] == [("/bin/full", "99/100"), ("/bin/many",)]

    def test_are_commands_without_a_shell(self, home: Home) -> None:
        script = home.path / "warn"
        script.write_text(f'#!/bin/sh\necho "$@" >>{home.path}/warned\n')
        script.chmod(0o755)
        warnings = {
            "half": WarningConfig(
                at=50, above=(str(script), "up", "{percent}; touch x"), below=(str(script), "down")
            )
        }
        quota = limited(4000, warnings=warnings)
        for _ in range(3):
            home.deliver(RAW, quota=quota)
        assert (home.path / "warned").read_text() == "up 50; touch x\n"
        for path in (home.path / "Maildir" / "new").iterdir():
            path.unlink()
        (home.path / "Maildir" / "maildirsize").unlink()
        home.deliver(RAW, quota=quota)
        assert (home.path / "warned").read_text() == "up 50; touch x\ndown\n"

    def test_a_command_that_fails_is_noted_and_that_is_all(self, home: Home) -> None:
        quota = limited(1000, warnings={"w": WarningConfig(at=10, above=("/bin/false",))})
        done = home.deliver(RAW, quota=quota)
        assert done.verdict.kind is Kind.PASS
        assert done.notes == ["the quota warning's command has exited with status 1"]


@pytest.mark.parametrize(
    "options",
    [{"rules": ("nonsense",)}, {"rules": ("*:storage=1",)}, {"grace": "x"}, {"grace": "+5%"}],
)
def test_mistakes_are_found_when_the_configuration_is_read(options: dict[str, object]) -> None:
    assert list(QuotaConfig(**options).problems())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "warning",
    [WarningConfig(at=0), WarningConfig(at=5, above=("x",)), WarningConfig(at=5, below=("/x", "{y}"))],
)
def test_mistakes_in_warnings_too(warning: WarningConfig) -> None:
    assert list(warning.problems())


def test_whether_there_is_room_can_be_asked_before_the_message_comes(home: Home) -> None:
    quota = limited(3500)
    assert is_limited(home.user, quota)
    assert not is_limited(home.user, limited())
    check_room(home.user, MaildirConfig(), quota, 3500)
    for _ in range(3):
        home.deliver(RAW, quota=quota)
    check_room(home.user, MaildirConfig(), quota, 0)
    check_room(home.user, MaildirConfig(), quota, 500)
    with pytest.raises(TempFail):
        check_room(home.user, MaildirConfig(), quota, 501)
    with pytest.raises(PermFail):
        check_room(home.user, MaildirConfig(), limited(3500, over="reject"), 501)
