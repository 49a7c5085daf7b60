"""site_postfix - what `tamis doctor` looks at in this host's Postfix: whether two of its readers may see two messages
in one (SMTP smuggling, CVE-2023-51764). Its answers are postconf(1)'s.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

BARE, PIPELINING = "smtpd_forbid_bare_newline", "smtpd_forbid_unauth_pipelining"
_ADVICE = {
    BARE: f"{BARE} = normalize, with {BARE}_exclusions = $mynetworks, in main.cf",
    PIPELINING: f"{PIPELINING} = yes in main.cf",
}
_UPDATE = "update Postfix: 3.5.24, 3.6.14, 3.7.10, 3.8.5 and later ones know it"
DEADLINE_S = 10.0


def findings() -> Iterator[tuple[str, str]]:
    """What was found and what to do about it, "" where all is well; nothing where there is no Postfix."""
    directory = Path(os.environ.get("MAIL_CONFIG", "/etc/postfix"))
    if not (directory / "main.cf").exists() or not shutil.which("postconf"):
        return
    for name in (BARE, PIPELINING):
        value = _value(directory, name)
        if not value:
            yield f"{name} is not known: others may smuggle mail in", _UPDATE
        elif value == "no":
            yield f"{name} is no: others may smuggle mail in", _ADVICE[name]
        else:
            yield f"{name} is {value}", ""


def _value(directory: Path, name: str) -> str:
    """ "" for a parameter that this Postfix does not have, and where it cannot be asked."""
    command = ["postconf", "-c", str(directory), "-xh", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
