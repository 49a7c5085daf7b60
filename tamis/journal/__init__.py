"""journal - what was decided about each message, kept for `tamis trace`: append, read, join.

    {"time":1764000000.123,"program":"policyd","stage":"RCPT","instance":"1f2.65a.0","verdict":"pass",...}

One JSON object a line, one file a day (UTC). `tamis.journal.write` appends, `tamis.journal.read` reads and
joins the records of one message.
"""

from tamis.journal.config import JournalConfig
from tamis.journal.read import Record, read, trace
from tamis.journal.write import Journal

__all__ = ["Journal", "JournalConfig", "Record", "read", "trace"]
