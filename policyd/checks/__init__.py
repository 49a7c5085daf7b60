"""checks - the envelope checks that come with the policy daemon; one file, one row."""

from __future__ import annotations

from typing import Any

from policyd.checks.access import Access
from policyd.checks.dnsbl import Dnsbl
from policyd.checks.fcrdns import Fcrdns
from policyd.checks.greylist import Greylist
from policyd.checks.helo import Helo
from policyd.checks.lists import Lists
from policyd.checks.outbound import Outbound
from policyd.checks.quota import Quota
from policyd.checks.ratelimit import RateLimit
from policyd.checks.rules import Rules
from policyd.checks.sender_login import SenderLogin
from policyd.checks.spf import Spf
from policyd.checks.trap import Trap

CHECKS: dict[str, type[Any]] = {
    RateLimit.name: RateLimit,
    Access.name: Access,
    Dnsbl.name: Dnsbl,
    Fcrdns.name: Fcrdns,
    Greylist.name: Greylist,
    Helo.name: Helo,
    Spf.name: Spf,
    Quota.name: Quota,
    Outbound.name: Outbound,
    Rules.name: Rules,
    SenderLogin.name: SenderLogin,
    Lists.name: Lists,
    Trap.name: Trap,
}
