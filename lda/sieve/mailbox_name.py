"""mailbox_name - whether text can name a mailbox at all (RFC 5228 section 4.1, RFC 9051 section 5.1).

Whether the mailbox exists and how its name is stored is the host's business.
"""

from __future__ import annotations

import re

MAX_NAME_BYTES = 4096

# Net-Unicode names hold no controls (RFC 5198 section 2); lone surrogates are octets that were no UTF-8.
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def name_problem(name: str) -> str:
    """Why *name* is no mailbox name, or ""."""
    if not name:
        return "it is empty"
    if len(name) > MAX_NAME_BYTES:
        return f"it is longer than {MAX_NAME_BYTES} characters"
    found = _FORBIDDEN.search(name)
    if found is None:
        return ""
    return "it is not valid UTF-8" if "\ud800" <= found[0] <= "\udfff" else "it holds a control character"
