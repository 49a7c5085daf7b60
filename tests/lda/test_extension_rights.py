"""What a site keeps for its own scripts, or offers to nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lda.home import Home

USES = 'require ["editheader", "include"]; addheader "X-A" "1"; discard;'


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


@pytest.fixture
def site(home: Home, tmp_path: Path) -> Path:
    """A script of the site's, and one of the user's, that use the extension."""
    for directory in (tmp_path / "site", home.path / "sieve"):
        directory.mkdir()
        (directory / "uses.sieve").write_text(USES)
    return tmp_path / "site"


def test_a_user_may_not_use_it(home: Home) -> None:
    home.script(USES)
    assert home.deliver(site_only=("editheader",)).sieve == "script_error"
    assert home.deliver(not_offered=("editheader",)).sieve == "script_error"
    assert home.deliver().actions == ["discard"]


def test_the_site_may(home: Home, site: Path) -> None:
    before = (site / "uses.sieve",)
    assert home.deliver(before=before, site_only=("editheader",)).actions == ["discard"]
    assert home.deliver(before=before, not_offered=("editheader",)).sieve == "script_error"


def test_a_user_may_include_a_script_of_the_sites_that_does(home: Home, site: Path) -> None:
    home.script('require "include"; include :global "uses";')
    assert home.deliver(site=site, site_only=("editheader",)).actions == ["discard"]


@pytest.mark.parametrize("how", ["included", "named"])
def test_a_script_of_the_users_gains_nothing_by_the_site(home: Home, site: Path, how: str) -> None:
    (site / "first.sieve").write_text('require "include"; include :personal "uses";')
    first = site / "first.sieve" if how == "included" else home.path / "sieve" / "uses.sieve"
    done = home.deliver(before=(first,), site=site, site_only=("editheader",))
    assert (done.actions, done.sieve) == (["keep INBOX"], "script_error")
