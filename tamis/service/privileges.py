"""privileges - stop being root, for good: groups, then group, then user, then the proof."""

from __future__ import annotations

import grp
import os
import pwd

from tamis.errors import ConfigError, Problem


def drop_privileges(user: str, group: str = "", *, allow_root: bool = False) -> None:
    """Become *user*, with the groups that the system gives them and *group*, or their own, as the first.

    Does nothing where we are not root. Raises ConfigError where there is no such user or group, where root
    would stay root and *allow_root* does not say so, and where the way back is still open afterwards."""
    if os.geteuid() != 0:
        return
    if not user:
        if allow_root:
            return
        raise _problem("user", "names nobody, and this program does not work as root")
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise _problem("user", f'there is no user "{user}"') from None
    if account.pw_uid == 0 and not allow_root:
        raise _problem("user", f'"{user}" is root, and this program does not work as root')
    gid = _gid(group) if group else account.pw_gid
    try:
        os.initgroups(user, gid)
        os.setresgid(gid, gid, gid)
        os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    except OSError as exc:
        raise _problem("user", f'cannot become "{user}": {exc.strerror}') from exc
    _prove(account.pw_uid, gid)
    os.environ.update(HOME=account.pw_dir, USER=user, LOGNAME=user)


def _gid(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise _problem("group", f'there is no group "{group}"') from None


def _prove(uid: int, gid: int) -> None:
    """Raises ConfigError where root can be had again."""
    if os.getresuid() != (uid,) * 3 or os.getresgid() != (gid,) * 3:
        raise _problem("user", "the kernel did not make us another user")
    ways_back = ((os.setresuid, uid), (os.setresgid, gid))
    for become, who in ways_back:
        if who == 0:
            continue
        try:
            become(0, 0, 0)
        except PermissionError:
            continue
        raise _problem("user", "root could be regained: is CAP_SETUID kept?")


def _problem(key: str, sentence: str) -> ConfigError:
    return ConfigError([Problem("privileges", 0, key, sentence)])
