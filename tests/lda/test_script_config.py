"""Every limit is an option, and every option of an extension can be set."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from lda.config import assemble
from lda.envelope import Envelope
from lda.script_config import LimitsConfig, SieveConfig
from lda.script_context import context
from lda.sieve.extensions.editheader import EditHeader
from lda.sieve.extensions.enotify import NotifyOptions
from lda.sieve.extensions.spamtest import SpamTest, VirusTest
from lda.sieve.extensions.vacation import VacationOptions
from lda.sieve.limits import DEFAULT, Limits
from lda.users import User
from tamis.config.load import load
from tamis.errors import ConfigError
from tests.lda.sieve.play import NOW


def configured(tmp_path: Path, text: str) -> SieveConfig:
    (tmp_path / "tamis.toml").write_text(text)
    return load(tmp_path / "tamis.toml", assemble).lda.sieve


def complaints(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        configured(tmp_path, text)
    return "\n".join(map(str, caught.value.problems))


def test_all_limits_are_options_with_the_engines_defaults() -> None:
    assert {f.name for f in fields(LimitsConfig)} == {f.name for f in fields(Limits)}
    assert LimitsConfig().limits() == DEFAULT


@pytest.mark.parametrize("name", [field.name for field in fields(LimitsConfig)])
@pytest.mark.parametrize("value", ["-1", '"-1"', "1000000000000000", '"100000GiB"', '"100000000d"'])
def test_each_limit_has_a_lower_and_an_upper_bound(tmp_path: Path, name: str, value: str) -> None:
    assert f"lda.sieve.limits.{name}: " in complaints(tmp_path, f"[lda.sieve.limits]\n{name} = {value}")


def test_what_is_set_reaches_the_engine(tmp_path: Path) -> None:
    config = configured(
        tmp_path,
        """
        [lda.sieve]
        notify_from = "orig_recipient"
        [lda.sieve.limits]
        notifications = 3
        redirects = 7
        cpu_s = "2s"
        script_bytes = "64KiB"
        [lda.sieve.spamtest]
        status_header = "X-Spam-Score: ([0-9.]+)"
        max_value = 15
        [lda.sieve.virustest]
        status_header = "X-Virus"
        status_type = "text"
        [lda.sieve.virustest.text_value]
        1 = "clean"
        5 = "found"
        [lda.sieve.editheader]
        protected = ["X-Spam-Score"]
        forbid_delete = ["X-Trace"]
        max_header_size = "4KiB"
        [lda.sieve.environment]
        Cluster = "north"
        [lda.sieve.vacation]
        to_header_ignore_envelope = true
        check_recipient = false
        """,
    )
    user = User(name="u", home=Path("/h"), uid=1, gid=1, fields={"sieve_user_email": "me@b.example"})
    made = context(
        user,
        config,
        Envelope(user="u", sender="s@a", recipient="u@b", original_recipient="o@b", client="192.0.2.1"),
        hostname="mx.b.example",
        recipient_delimiter="+",
        default_mailbox="INBOX",
        now=NOW,
        clock=None,
    )
    assert (made.limits.redirects, made.limits.cpu_s, made.limits.script_bytes) == (7, 2.0, 65536)
    assert made.setting(SpamTest) == SpamTest(status_header="X-Spam-Score: ([0-9.]+)", max_value=15)
    assert made.setting(VirusTest).text_values == {1: "clean", 5: "found"}
    edit = made.setting(EditHeader)
    assert (edit.max_header_size, edit.may_add("x-spam-score"), edit.may_delete("x-trace")) == (
        4096,
        False,
        False,
    )
    assert made.environment["vnd.dovecot.config.cluster"] == "north"
    assert made.environment["remote-ip"] == "192.0.2.1"
    assert made.setting(NotifyOptions) == NotifyOptions(max_notifications=3, envelope_from="o@b")
    vacation = made.setting(VacationOptions)
    assert (vacation.to_header_ignore_envelope, vacation.check_recipient) == (True, False)
    assert vacation.user_email == "me@b.example"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[lda.sieve]\nbefore = ["relative"]', "before: must be absolute"),
        ('[lda.sieve]\ndiscard = "relative"', "discard: must be absolute"),
        ('[lda.sieve]\nscript = "{nobody}"', "script: {home}"),
        ('[lda.sieve]\npostmaster = "nobody"', "postmaster: 'nobody' is no address"),
        ('[lda.sieve.lists]\nvip = "relative"', "lists: vip: must be absolute"),
        ('[lda.sieve.environment]\n"a b" = "x"', "'a b' can be no item's name"),
        ('[lda.sieve.redirect]\nenvelope_from = "nobody"', "envelope_from: must be"),
        ('[lda.sieve.spamtest]\nstatus_header = "X"', "max_value: must be set"),
        ('[lda.sieve.spamtest]\nstatus_header = "X: (("', "status_header: is no field name"),
        ('[lda.sieve.virustest.text_value]\n6 = "x"', "text_value: '6' is no score from 0 to 5"),
        ('[lda.sieve]\nnot_offered = ["nosuch"]', "not_offered: there is no extension 'nosuch'"),
        ('[lda.sieve]\nsite_only = ["nosuch"]', "site_only: there is no extension 'nosuch'"),
        ('[lda.sieve]\nnotify_from = "nobody"', "notify_from: must be"),
        ('[lda.srs]\ndomain = "ours.example"', "secret: must be set"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, text: str, complaint: str) -> None:
    assert complaint in complaints(tmp_path, text)


@pytest.mark.parametrize("rule", ["sender", "orig_recipient", "<>", "<x@y.example>"])
def test_senders_of_redirects(tmp_path: Path, rule: str) -> None:
    config = configured(tmp_path, f'[lda.sieve.redirect]\nenvelope_from = "{rule}"')
    assert config.redirect.envelope_from == rule
