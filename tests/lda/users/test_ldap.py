"""Users in a directory: a real slapd, and peers that are none."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from lda.users import User
from lda.users.ldap import Ldap, LdapConfig, complaints, escape
from tamis.config.schema import Duration
from tamis.config.secret import Secret
from tamis.errors import TempFail
from tests.lda.users.slapd import BASE, BIND_DN, PASSWORD, Slapd, needs_slapd, started

CONFIG = LdapConfig(
    bind_dn=BIND_DN, password=Secret(PASSWORD), base=BASE, filter="(mail={user})", timeout=Duration(20.0)
)


def lookup(config: LdapConfig, *addresses: str) -> list[User | str | None]:
    """The answers of one source; the status and cause of a failure."""

    async def run() -> list[User | str | None]:
        source = Ldap(config)
        answers: list[User | str | None] = []
        for address in addresses:
            try:
                answers.append(await source.lookup(address))
            except TempFail as exc:
                answers.append(f"{exc.status} {exc.__cause__ or exc.text}")
        await source.close()
        return answers

    return asyncio.run(run())


@pytest.fixture
def config(slapd: Slapd) -> LdapConfig:
    return replace(CONFIG, servers=(f"ldap://localhost:{slapd.port}",), ca=slapd.ca)


@needs_slapd
@pytest.mark.integration
class TestSlapd:
    def test_an_entry_is_a_user(self, config: LdapConfig) -> None:
        [alice] = lookup(config, "Info@B.example")
        assert isinstance(alice, User)
        assert (alice.name, alice.uid, alice.gid) == ("info@b.example", 5000, 5000)
        assert (str(alice.home), alice.mail, dict(alice.fields)) == ("/home/alice", "", {})

    def test_fields_are_attributes_or_texts_with_attributes_in_them(self, config: LdapConfig) -> None:
        attributes = {
            "user": "{uid}@b.example", "uid": "uidNumber", "gid": "gidNumber", "home": "/var/vmail/{domain}/{local}",
            "quota_rule": "*:bytes={employeeNumber}", "acl_groups": "departmentNumber",
        }  # fmt: skip
        [alice] = lookup(replace(config, attributes=attributes), "info@b.example")
        assert isinstance(alice, User)
        assert (alice.name, str(alice.home)) == ("alice@b.example", "/var/vmail/b.example/alice")
        assert dict(alice.fields) == {"quota_rule": "*:bytes=1000000"}  # no value, no field

    @pytest.mark.parametrize(
        "address",
        ["*@b.exampl*", "a*@b.example", "x)(mail=alice@b.example", "x)(|(mail=*", "\\2a@b.example", "*"],
    )
    def test_an_address_stays_a_value_in_the_filter(self, config: LdapConfig, address: str) -> None:
        assert lookup(config, address) == [None]

    def test_special_characters_find_whose_they_are(self, config: LdapConfig) -> None:
        either = replace(config, filter="(|(mail={user})(description={user}))")
        users = lookup(either, "*@b.example", "grün@b.example")
        assert [user.uid for user in users if isinstance(user, User)] == [5001, 5004]

    def test_two_entries_are_temporary(self, config: LdapConfig) -> None:
        [answer] = lookup(config, "twin@b.example")
        assert answer == "4.3.0 The user directory gives several users for one address"

    def test_several_values_for_one_field_are_temporary(self, config: LdapConfig) -> None:
        attributes = {**config.attributes, "user": "mail"}
        [answer] = lookup(replace(config, attributes=attributes), "alice@b.example")
        assert answer == "4.3.5 The user directory gives several values for one field"

    def test_a_row_that_makes_no_sense_is_temporary(self, config: LdapConfig) -> None:
        [answer] = lookup(config, "root@b.example")
        assert str(answer).startswith("4.3.5")

    def test_referrals_are_not_followed(self, config: LdapConfig) -> None:
        """One lies below the base: each search meets it, and its host would never answer."""
        assert lookup(config, "nobody@b.example") == [None]
        [answer] = lookup(replace(config, base=f"ou=elsewhere,{BASE}"), "alice@b.example")
        assert "referral" in str(answer)

    def test_a_base_that_is_not_there_bounces_nobody(self, config: LdapConfig) -> None:
        [answer] = lookup(replace(config, base="ou=typo,dc=b,dc=example"), "alice@b.example")
        assert "noSuchObject" in str(answer)

    def test_scopes(self, config: LdapConfig) -> None:
        base = replace(config, base=f"uid=alice,{BASE}", scope="base")
        one = replace(config, base="dc=b,dc=example", scope="onelevel")
        assert isinstance(lookup(base, "alice@b.example")[0], User)
        assert lookup(one, "alice@b.example") == [None]

    @pytest.mark.parametrize("way", ["ldaps", "ldapi"])
    def test_other_ways(self, config: LdapConfig, slapd: Slapd, way: str) -> None:
        url = slapd.ldapi if way == "ldapi" else f"ldaps://localhost:{slapd.tls_port}"
        assert isinstance(lookup(replace(config, servers=(url,)), "alice@b.example")[0], User)

    @pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
    @pytest.mark.parametrize("fault", ["another name", "unknown authority"])
    def test_tls_is_verified_before_the_password_is_told(
        self, config: LdapConfig, slapd: Slapd, scheme: str, fault: str
    ) -> None:
        host, ca = ("127.0.0.1", slapd.ca) if fault == "another name" else ("localhost", None)
        port = slapd.port if scheme == "ldap" else slapd.tls_port
        [answer] = lookup(replace(config, servers=(f"{scheme}://{host}:{port}",), ca=ca), "alice@b.example")
        assert "CERTIFICATE_VERIFY_FAILED" in str(answer) or "certificate verify failed" in str(answer)

    def test_a_wrong_password_is_temporary_and_in_no_text(self, config: LdapConfig) -> None:
        [answer] = lookup(replace(config, password=Secret("battery staple")), "alice@b.example")
        assert "invalidCredentials" in str(answer)
        assert "battery" not in str(answer)

    def test_the_next_server_is_asked(self, config: LdapConfig) -> None:
        down = "ldap://localhost:1"
        users = lookup(replace(config, servers=(down, *config.servers)), "alice@b.example", "info@b.example")
        assert all(isinstance(user, User) for user in users)

    def test_a_restart_is_not_noticed(self) -> None:
        async def run(server: Slapd) -> list[User | None]:
            source = Ldap(replace(CONFIG, servers=(server.ldapi,)))
            users = [await source.lookup("alice@b.example")]
            server.stop()
            with pytest.raises(TempFail):
                await source.lookup("alice@b.example")
            server.start()
            users.append(await source.lookup("alice@b.example"))
            await source.close()
            return users

        with started() as server:
            assert all(asyncio.run(run(server)))

    def test_connections_are_kept_and_bounded(self, config: LdapConfig) -> None:
        async def run() -> tuple[int, list[User | None]]:
            source = Ldap(replace(config, connections=3))
            users = await asyncio.gather(*[source.lookup("alice@b.example") for _ in range(20)])
            kept = len(source._directory._idle)
            await source.close()
            return kept, users

        kept, users = asyncio.run(run())
        assert all(users)
        assert 0 < kept <= 3


BOUND = bytes.fromhex("61070a010004000400")
REFUSED = bytes.fromhex("78070a010204000400")


def answer_to(request: bytes, operation: bytes) -> bytes:
    """A message with the number of *request*, which has more bytes than one in a long run."""
    message = request[2 : 4 + request[3]] + operation
    return b"\x30%c" % len(message) + message


def silent(peer: socket.socket) -> None:
    peer.recv(1000)
    peer.recv(1000)


def hang_up(peer: socket.socket) -> None:
    peer.recv(1000)


def garbage(peer: socket.socket) -> None:
    peer.recv(1000)
    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def bound_then(data: bytes) -> Callable[[socket.socket], None]:
    def manner(peer: socket.socket) -> None:
        request = peer.recv(1000)
        peer.sendall(answer_to(request, BOUND))
        peer.recv(1000)
        peer.sendall(data)

    return manner


def endless(peer: socket.socket) -> None:
    """A byte now and then, while somebody listens, of an answer of a gigabyte: no single read is too long."""
    peer.recv(1000)
    peer.sendall(b"\x30\x84\x40\x00\x00\x00")
    ticks = threading.Event()
    while True:
        peer.sendall(b"\x00")
        ticks.wait(0.05)


MANNERS = {
    "silent": silent,
    "hangs up": hang_up,
    "garbage": garbage,
    "bound, then garbage": bound_then(b"\x30\x05\x02\x01\x02\x64\x00"),
    "bound, then another's answer": bound_then(bytes.fromhex("300c02017f65070a010004000400")),
    "bound, then nested without end": bound_then(b"\x30\x82\x03\xe8" + b"\x30\x80" * 500),
    "endless": endless,
}


@contextmanager
def peer(manner: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server of one *manner*; its URL."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                manner(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"ldap://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(30)


@pytest.mark.parametrize("manner", MANNERS)
def test_whatever_a_server_does_wrong_is_temporary_and_in_time(manner: str) -> None:
    with peer(MANNERS[manner]) as url:
        [answer] = lookup(
            replace(CONFIG, servers=(url,), starttls=False, timeout=Duration(1.0)), "alice@b.example"
        )
    assert str(answer).startswith("4.3.0")


def test_a_server_without_starttls_hears_no_password() -> None:
    heard: list[bytes] = []

    def refuse(connection: socket.socket) -> None:
        request = connection.recv(1000)
        heard.append(request)
        connection.sendall(answer_to(request, REFUSED))
        heard.append(connection.recv(1000))

    with peer(refuse) as url:
        [answer] = lookup(replace(CONFIG, servers=(url,), timeout=Duration(5.0)), "alice@b.example")
    assert "protocolError" in str(answer)
    assert PASSWORD.encode() not in b"".join(heard)


@pytest.mark.parametrize(
    ("value", "escaped"),
    [
        ("a.b+c@d-e.example", "a.b+c@d-e.example"),
        ("*()\\\0", "\\2a\\28\\29\\5c\\00"),
        ("ü", "\\c3\\bc"),
        (" ", "\\20"),
    ],
)
def test_a_value_in_a_filter(value: str, escaped: str) -> None:
    assert escape(value) == escaped


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (LdapConfig(servers=("http://x",)), "servers"),
        (LdapConfig(filter="(mail={nobody})"), "filter"),
        (LdapConfig(bind_dn="cn=x"), "password"),
        (LdapConfig(attributes={"home": "{home directory}"}), "attributes.home"),
    ],
)
def test_a_table_that_makes_no_sense(config: LdapConfig, problem: str) -> None:
    assert [line.partition(":")[0] for line in config.problems()] == [problem]


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (LdapConfig(), "ldap.servers"),
        (replace(CONFIG, servers=("ldap://x",), filter="(&(mail={user})"), "ldap.filter"),
        (replace(CONFIG, servers=("ldap://x",), filter="mail={user}"), "ldap.filter"),
    ],
)
def test_a_table_that_cannot_be_used(config: LdapConfig, problem: str) -> None:
    assert [line.partition(":")[0] for line in complaints(config)] == [problem]
