"""A database's row becomes a user, or is refused, whatever stands in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lda.users import User
from lda.users.rows import Location, is_harmless, location_of, user_of
from tamis.errors import TempFail

ROW = {"uid": "5000", "gid": "5001", "home": "/var/vmail/b/u"}
USER = User(name="u@b.example", home=Path("/home/u"), uid=5000, gid=5000)


def test_a_whole_row() -> None:
    user = user_of("u@b", {**ROW, "mail": "maildir:~/M", "quota_rule": "*:storage=1G"}, None, None)
    assert (user.name, user.home, user.uid, user.gid) == ("u@b", Path("/var/vmail/b/u"), 5000, 5001)
    assert (user.mail, dict(user.fields)) == ("maildir:~/M", {"quota_rule": "*:storage=1G"})


def test_uid_and_gid_may_be_the_sites() -> None:
    user = user_of("u@b", {"home": "/home/u"}, 7, 8)
    assert (user.uid, user.gid) == (7, 8)


def test_without_a_home_the_mail_store_is_the_home() -> None:
    user = user_of("u@b", {"uid": "1", "gid": "1", "mail": "maildir:/var/vmail/%d/%n"}, None, None)
    assert user.home == Path("/var/vmail/b/u")


@pytest.mark.parametrize(
    "change",
    [
        {"uid": "0"}, {"gid": "0"}, {"uid": ""}, {"uid": "-1"}, {"uid": "4294967295"}, {"uid": "vmail"},
        {"uid": "1" * 99},
        {"home": "relative"}, {"home": "/a/../b"}, {"home": "/a\nb"}, {"home": "/a\0b"}, {"home": "/" + "x" * 5000},
        {"home": ""}, {"quota_rule": "x\ny"}, {"x": "y" * 9000},
    ],
)  # fmt: skip
def test_a_row_that_makes_no_sense_is_temporary(change: dict[str, str]) -> None:
    with pytest.raises(TempFail):
        user_of("u@b", {**ROW, **change}, None, None)


def test_a_row_without_end_is_refused() -> None:
    with pytest.raises(TempFail):
        user_of("u@b", {**ROW, **{f"f{n}": "x" for n in range(100)}}, None, None)


@pytest.mark.parametrize("name", ["u", "u@b", "grün@b.example", "q x@b", "a..b@c", "postmaster"])
def test_names_that_can_be_users(name: str) -> None:
    assert is_harmless(name)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "/etc/passwd", "..@b", "u@..", "u@.", "a\0b", "a\nb", "a\x7f", "a\u2028", "\udcff",
     "x" * 321],
)  # fmt: skip
def test_names_that_could_do_harm(name: str) -> None:
    assert not is_harmless(name)


LOCATIONS = [
    ("", "/home/u/Maildir"),
    ("maildir:~/M", "/home/u/M"),
    ("maildir:~", "/home/u"),
    ("maildir:/srv/%d/%n", "/srv/b.example/u"),
    ("maildir:/srv/%u:INDEX=/tmp/x", "/srv/u@b.example"),
    ("maildir:%h/M:LAYOUT=Maildir++", "/home/u/M"),
    ("maildir:/srv/%{domain}/%{username}/%%", "/srv/b.example/u/%"),
    ("maildir:/srv/%Ld/%Un", "/srv/b.example/U"),
    ("maildir:/srv/%{user | domain | upper}/%{user|username}", "/srv/B.EXAMPLE/u"),
]


@pytest.mark.parametrize(("mail", "path"), LOCATIONS)
def test_where_the_mail_is(mail: str, path: str) -> None:
    user = User(name=USER.name, home=USER.home, uid=1, gid=1, mail=mail)
    assert location_of(user, "{home}/Maildir").path == Path(path)


@pytest.mark.parametrize("variable", ["%x", "%1n", "%Mu", "%", "%{nobody}", "%{user | md5}", "%{}", "%L"])
def test_an_unknown_variable_is_no_directory_that_all_users_share(variable: str) -> None:
    with pytest.raises(TempFail):
        location_of(User(name=USER.name, home=USER.home, uid=1, gid=1, mail=f"maildir:/srv/{variable}"), "")


@pytest.mark.parametrize(
    "mail", ["mbox:~/mail", "mdbox:~/x", "~/Maildir", "maildir:", "maildir:~/M:LAYOUT=index", "maildir:~/M:CONTROL=/x",
             "maildir:relative", "maildir:~/../x", "maildir:~/M:INBOX=/x", "mbox:~/mail:INBOX=../x"]
)  # fmt: skip
def test_a_store_that_is_not_ours_to_write_is_temporary(mail: str) -> None:
    with pytest.raises(TempFail):
        location_of(User(name=USER.name, home=USER.home, uid=1, gid=1, mail=mail), "{home}/Maildir")


LAYOUTS = [
    ({"mail": "maildir:~/M:LAYOUT=fs"}, Location(Path("/home/u/M"), "fs")),
    ({"mail": "maildir:~/M:UTF-8:LAYOUT=Maildir++"}, Location(Path("/home/u/M"), "maildir++", True)),
    ({"mail": "mbox:~/mail:INBOX=/var/mail/%n"}, Location(Path("/var/mail/u"), mbox=Path("/home/u/mail"))),
    ({"mail_driver": "maildir", "mail_path": "~/M"}, Location(Path("/home/u/M"))),
    (
        {"mail_path": "~/M", "mailbox_list_layout": "fs", "mailbox_list_utf8": "yes"},
        Location(Path("/home/u/M"), "fs", True),
    ),
    (
        {"mail_driver": "mbox", "mail_path": "~/mail", "mail_inbox_path": "/var/mail/u"},
        Location(Path("/var/mail/u"), mbox=Path("/home/u/mail")),
    ),
]


@pytest.mark.parametrize(("row", "location"), LAYOUTS)
def test_how_the_mail_is_laid_out_by_dovecot_2_3_and_2_4(row: dict[str, str], location: Location) -> None:
    user = user_of(USER.name, {"home": "/home/u", **row}, 1, 1)
    assert location_of(user, "{home}/Maildir") == location
