"""system - the accounts of this machine, through NSS (files, LDAP, sssd, ...)."""

from __future__ import annotations

import asyncio
import errno
import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass

from lda.users import User
from lda.users.rows import user_of
from tamis.config.schema import option
from tamis.errors import TempFail

_NOT_FOUND = {errno.ENOENT, errno.ESRCH, errno.EBADF, errno.EPERM}  # getpwnam_r(3), ERRORS


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemConfig:
    """The system's accounts."""

    min_uid: int = option(1000, "accounts below are no mail users", at_least=1)
    domains: tuple[str, ...] = option((), "their domains; empty: every domain that is handed to us")


class System:
    """The source."""

    def __init__(self, config: SystemConfig) -> None:
        self._min_uid = config.min_uid
        self._domains = {domain.lower() for domain in config.domains}

    async def lookup(self, address: str) -> User | None:
        """By local part, in lower case if it does not exist as written."""
        local, at, domain = address.rpartition("@")
        if at and self._domains and domain.lower() not in self._domains:
            return None
        name = local if at else address
        return await asyncio.to_thread(self._lookup, name)

    def _lookup(self, name: str) -> User | None:
        row = _getpwnam(name) or _getpwnam(name.lower())
        if row is None or row.pw_uid < self._min_uid:
            return None
        return user_of(row.pw_name, {"home": row.pw_dir}, row.pw_uid, row.pw_gid)

    async def close(self) -> None:
        """Nothing is open."""


class Myself:
    """Who runs us: for ``mailbox_command``, where local(8) has become the recipient already."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._home = environment.get("HOME", "")

    async def lookup(self, address: str) -> User | None:
        """Whatever the address: the owner of this process."""
        row = _myself()
        return user_of(row.pw_name, {"home": self._home or row.pw_dir}, row.pw_uid, row.pw_gid)

    async def close(self) -> None:
        """Nothing is open."""


def my_name() -> str:
    """The name of the account that runs us. Raises TempFail."""
    return _myself().pw_name


def _myself() -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(os.getuid())
    except KeyError:
        raise TempFail("4.3.0", "The uid of tamis-lda has no account") from None


def _getpwnam(name: str) -> pwd.struct_passwd | None:
    """None: surely unknown. `pwd` says KeyError also while LDAP or sssd is away, so the C library is asked
    too."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        status = _status_of(name)
    if status and status not in _NOT_FOUND:
        raise TempFail("4.3.0", f"The system's user database does not answer: {os.strerror(status)}")
    return None


def _status_of(name: str) -> int:
    """What getpwnam_r(3) returns for *name*: 0 where it knows, or knows that there is none."""
    import ctypes  # only mail for an unknown user pays for it

    row, found = ctypes.create_string_buffer(256), ctypes.c_void_p()
    strings = ctypes.create_string_buffer(64 << 10)
    status: int = ctypes.CDLL(None).getpwnam_r(
        os.fsencode(name), row, strings, ctypes.c_size_t(len(strings)), ctypes.byref(found)
    )
    return status
