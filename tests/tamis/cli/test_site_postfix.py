"""`tamis doctor` says whether Postfix lets others smuggle mail in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tamis.cli import site_postfix

pytestmark = pytest.mark.skipif(not shutil.which("postconf"), reason="Postfix is not installed")


@pytest.mark.parametrize(
    ("main", "wrong"),
    [
        ("smtpd_forbid_bare_newline = no\nsmtpd_forbid_unauth_pipelining = no\n", 2),
        ("smtpd_forbid_bare_newline = normalize\nsmtpd_forbid_unauth_pipelining = no\n", 1),
        ("how = normalize\nsmtpd_forbid_bare_newline = $how\nsmtpd_forbid_unauth_pipelining = yes\n", 0),
    ],
)
def test_each_door_that_is_open_is_told_with_what_shuts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, main: str, wrong: int
) -> None:
    (tmp_path / "main.cf").write_text("compatibility_level = 3.6\n" + main)
    monkeypatch.setenv("MAIL_CONFIG", str(tmp_path))
    found = list(site_postfix.findings())
    assert len(found) == 2
    assert sum(bool(advice) for _, advice in found) == wrong


def test_a_host_without_postfix_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_CONFIG", str(tmp_path))
    assert not list(site_postfix.findings())
