"""learning - teaches a spam filter that a message is spam, or is not. For `tamis spam learn`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from milters.scanners import rspamd, servers, spamd
from milters.scanners.question import Content
from milters.scanners.servers import Patience, Servers
from tamis.log import Log

Filter = Literal["rspamd", "spamd"]

LEARNERS: dict[Filter, str] = {"rspamd": "inet:127.0.0.1:11334", "spamd": "inet:127.0.0.1:783"}
"""Where the filters learn unless they are elsewhere: rspamd's controller, and spamd itself."""

PATIENCE = Patience(connect_s=3.0, answer_s=30.0)


async def learn(
    scanner: Filter,
    specs: tuple[str, ...],
    content: Content,
    verdict: Literal["spam", "ham"],
    *,
    password: str = "",
    user: str = "",
    tell: Callable[[str], None],
) -> str:
    """What came of it. Raises TempFail where no server at *specs* has an answer; *tell* hears why."""
    question = (
        rspamd.learn(content, verdict, password)
        if scanner == "rspamd"
        else spamd.learn(content, verdict, user)
    )
    asked = Servers(scanner, servers.fit(specs or (LEARNERS[scanner],)), "first", PATIENCE)
    return await asked.ask(question, Log(tell))
