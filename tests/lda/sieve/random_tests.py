"""Random tests: every test of stock Dovecot, with every tag that goes with it.

Left out is what 2.3 gets wrong in ways that are listed: ``:index`` with ``:count`` and before ``:originalzone``.
"""

from __future__ import annotations

from tests.lda.sieve.random_words import ADDRESSES, DATE_PARTS, FIELDS, FLAGS, NAMES, Words

ENTRIES = ["/private/comment", "/shared/comment", "/private/vendor/x", "private", "/private//x", "/shared/x/"]
URIS = [
    "mailto:a@b.example",
    "mailto:a@b.example?subject=x",
    "mailto:",
    "http://x",
    "mailto:a%40b.example",
    "MAILTO:x@y.z",
]
ITEMS = [
    "name",
    "version",
    "domain",
    "host",
    "location",
    "phase",
    "nosuch",
    "remote-host",
    "NAME",
    "remote-ip",
]
ITEMS += ["vnd.dovecot.default-mailbox", "vnd.dovecot.username", "vnd.dovecot.config.x", "vnd.dovecot.nosuch"]
ZONES = ["+0000", "-0500", "+0130", "+1400", "-1200", "+2359"]


class Tests(Words):
    """Writes tests. loops: how many foreverypart are around."""

    loops = 0

    def test(self, depth: int) -> str:
        """A test of any kind."""
        if depth < 3 and self.chance(0.22):
            kind = self.pick(["not", "anyof", "allof"])
            if kind == "not":
                return "not " + self.test(depth + 1)
            return f"{kind} ({', '.join(self.test(depth + 1) for _ in range(self.number(1, 3)))})"
        common = [
            self._header,
            self._header,
            self._address,
            self._string,
            self._envelope,
            self._body,
            self._date,
        ]
        rare = [
            self._hasflag, self._exists, self._mailboxes, self._metadata, self._duplicate, self._scan,
            self._environment, self._notify, self._simple,
        ]  # fmt: skip
        return self.pick(common + rare)()

    def _index(self, tags: str) -> str:
        """``:index``, but not where values are counted."""
        if ":count" in tags or self.chance(0.8):
            return ""
        return f":index {self.number(1, 4)} " + self.some(":last", share=0.3)

    def _mime(self, *options: str) -> str:
        if self.chance(0.8 - 0.5 * (self.loops > 0)):
            return ""
        return ":mime " + self.some(":anychild", share=0.3) + (f"{self.pick(options)} " if options else "")

    def _header(self) -> str:
        match, keys = self.match()
        mime = self._mime(
            "", "", ":type", ":subtype", ":contenttype", f":param {self.list(['name', 'charset', 'X'])}"
        )
        names = self.list(
            ["content-type", "content-disposition"] if ":" in mime[5:] and self.chance(0.7) else FIELDS
        )
        return f"header {mime}{'' if mime else self._index(match)}{match}{names} {keys}"

    def _part(self) -> str:
        return self.pick(["", "", ":all ", ":localpart ", ":domain ", ":user ", ":detail "])

    def _address(self) -> str:
        match, keys = self.match()
        mime = self._mime()
        index = "" if mime else self._index(match)
        return f"address {mime}{index}{self._part()}{match}{self.list(ADDRESSES)} {keys}"

    def _envelope(self) -> str:
        match, keys = self.match()
        part = self._part()
        return f"envelope {part}{match}{self.list(['from', 'to', 'From'] + ['auth'] * (not part))} {keys}"

    def _string(self) -> str:
        match, keys = self.match()
        return f"string {match}{self.list()} {keys}"

    def _body(self) -> str:
        match, keys = self.match()
        types = [
            "text",
            "",
            "text/html",
            "multipart",
            "message/rfc822",
            "application",
            "image",
            "message",
            "text/",
        ]
        kind = self.pick([":raw ", ":text ", "", f":content {self.list(types)} "])
        return f"body {kind}{match}{keys}"

    def _date(self) -> str:
        match, keys = self.match()
        part = self.pick(DATE_PARTS)
        if self.chance(0.15):
            now = self.pick(["year", "month", "zone", "weekday"])
            return f'currentdate {self.pick(["", f":zone {self.string(ZONES)} "])}{match}"{now}" {keys}'
        zone = self.pick(["", ":originalzone ", f":zone {self.string(ZONES)} "])
        names = ["date", "received", "Date", "x-odd-date", "resent-date", "subject"]
        return f'date {zone}{self._index(match)}{match}{self.string(names)} "{part}" {keys}'

    def _hasflag(self) -> str:
        match, keys = self.match()
        if self.chance(0.6):
            keys = self.list(FLAGS)
        return f"hasflag {match}{self.pick(['', self.list(NAMES) + ' '])}{keys}"

    def _exists(self) -> str:
        return f"exists {self._mime()}{self.list(FIELDS)}"

    def _mailboxes(self) -> str:
        names = ["INBOX", "there", "nosuch", "x${a}", "Inbox", "inbox"]
        if self.chance(0.5):
            return f"mailboxexists {self.list(names)}".replace('"${a}"', '"a${a}"')
        uses = ["\\\\Junk", "\\\\Sent", "\\\\nosuch"]
        return f"specialuse_exists {self.pick(['', self.string(names) + ' '])}{self.list(uses)}"

    def _metadata(self) -> str:
        match, keys = self.match()
        entry = self.string(ENTRIES)
        return self.pick(
            [
                f'metadata {match}"INBOX" {entry} {keys}',
                f"metadataexists {self.string(['INBOX', 'there', 'nosuch'])} {self.list(ENTRIES)}",
                f"servermetadata {match}{entry} {keys}",
                f"servermetadataexists {self.list(ENTRIES)}",
            ]
        )

    def _duplicate(self) -> str:
        what = self.pick(["", "", f":header {self.string(FIELDS)} ", f":uniqueid {self.string()} "])
        how = self.some(f":handle {self.string()}", f":seconds {self.number(0, 10**6)}", ":last", share=0.3)
        return f"duplicate {what}{how}".rstrip()

    def _scan(self) -> str:
        match, keys = self.match()
        key = keys if keys.startswith('"') else self.string(["0", "1", "5", "10", "50", "4"])
        return f"{self.pick(['spamtest ', 'spamtest :percent ', 'virustest '])}{match}{key}"

    def _environment(self) -> str:
        match, keys = self.match()
        return f"environment {match}{self.string(ITEMS)} {keys}"

    def _notify(self) -> str:
        match, keys = self.match()
        return self.pick(
            [
                f"valid_notify_method {self.list(URIS)}",
                f'notify_method_capability {match}{self.string(URIS)} "online" {keys}',
                f'notify_method_capability {match}"mailto:a@b.example" {self.string(["Online", "x"])} "maybe"',
            ]
        )

    def _simple(self) -> str:
        return self.pick(
            [
                "true", "false",
                f"size :{self.pick(['over', 'under'])} {self.pick(['100', '1K', '5K', '0', '1M', '2g'])}",
                f'ihave {self.list(["fileinto", "nosuch", "variables", "copy", "encoded-character", ""])}',
            ]
        )  # fmt: skip
