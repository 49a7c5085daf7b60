"""Scripts are found where Dovecot has them: its locations, its names in the user database."""

from __future__ import annotations

from pathlib import Path

import pytest

from lda.script_config import SieveConfig
from lda.script_places import places
from lda.users import User
from tamis.errors import TempFail


def user(home: Path, **fields: str) -> User:
    named = {name.replace("__", "/"): value for name, value in fields.items()}
    return User(name="u@b.example", home=home, uid=1, gid=1, fields=named)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "sieve").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("location", "active", "personal"),
    [
        ("file:~/sieve;active=~/.active", ".active", "sieve"),
        ("file:%h/sieve;active=%h/%n.sieve", "u.sieve", "sieve"),
        ("file:~/new;active=~/.active;bindir=~/bin", ".active", "new"),
        ("file:~/sieve", ".dovecot.sieve", "sieve"),
        ("~/sieve", ".dovecot.sieve", "sieve"),
        ("~/my.sieve", "my.sieve", "sieve"),
        ("my.sieve", "my.sieve", "sieve"),
        ("scripts/%d/x.sieve", "scripts/b.example/x.sieve", "sieve"),
        ("file:scripts;active=act", "act", "scripts"),
    ],
)
def test_locations_of_2_3(home: Path, location: str, active: str, personal: str) -> None:
    found = places(user(home, sieve=location), SieveConfig())
    assert (found.active, found.personal) == (home / active, home / personal)
    assert found.log == home / f"{active}.log"
    if location.startswith("file:") and "%" not in location:
        assert places(user(home), SieveConfig(script=location)).active == home / active


def test_the_names_of_2_4(home: Path) -> None:
    fields = {"sieve_script__personal__path": "~/scripts", "sieve_script__personal__active_path": "~/.now"}
    found = places(user(home, **fields), SieveConfig())
    assert (found.active, found.personal) == (home / ".now", home / "scripts")
    fields = {"sieve_script__personal__sieve_script_path": "~/scripts/one.sieve"}
    assert places(user(home, **fields), SieveConfig()).active == home / "scripts/one.sieve"


def test_without_anything_they_are_where_dovecot_has_them_by_default(home: Path) -> None:
    found = places(user(home), SieveConfig())
    assert (found.active, found.personal) == (home / ".dovecot.sieve", home / "sieve")
    assert found.log == home / ".dovecot.sieve.log"
    assert list(found.site()) == []


def test_what_the_database_says_goes_before_the_site(home: Path) -> None:
    site = SieveConfig(
        before=(Path("/s/b"),),
        after=(Path("/s/a"),),
        default=Path("/s/d"),
        discard=Path("/s/x"),
        site=Path("/s/g"),
    )
    theirs = user(
        home, sieve_before="/u/b", sieve_before2="/u/b2", sieve_before4="/u/b4", sieve_after="", sieve_default="/u/d",
        sieve_default_name="base", sieve_discard="~/x", sieve_global="/u/g", sieve_user_log="~/log", sieve_dir="~/own",
    )  # fmt: skip
    found = places(theirs, site)
    assert (found.before, found.after) == ((Path("/u/b"), Path("/u/b2")), ())
    assert (found.default, found.default_name, found.discard) == (Path("/u/d"), "base", home / "x")
    assert (found.shared, found.log, found.personal) == (Path("/u/g"), home / "log", home / "own")
    assert places(user(home), site).before == (Path("/s/b"),)


def test_a_site_may_take_no_notice_of_it(home: Path) -> None:
    theirs = user(home, sieve_before="/u/b", sieve="~/x.sieve")
    found = places(theirs, SieveConfig(user_fields=False))
    assert (found.before, found.active) == ((), home / ".dovecot.sieve")


@pytest.mark.parametrize(
    "location", ["dict:proxy::sieve", "ldap:/etc/ldap.conf;bindir=x", "file:../../etc/x", "~/../x"]
)
def test_scripts_that_cannot_be_read_here_are_temporary(home: Path, location: str) -> None:
    """Delivering without them would be wrong, and so would a bounce."""
    with pytest.raises(TempFail):
        places(user(home, sieve=location), SieveConfig())
