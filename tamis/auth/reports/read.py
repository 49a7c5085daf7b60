"""read - an aggregate report that somebody has sent: XML in, a report out (RFC 9990, RFC 7489; lenient). Pure.

The writer is a stranger. No document type, no entities, no references to elsewhere; depth, elements and texts are
bounded; only names that a report has are kept. Records are made one by one, so memory is that of the report.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

from tamis.auth.reports.report import Published, Reason, Report, Row, Sender, Signature

MAX_DEPTH = 12
MAX_ELEMENTS = 5_000_000
MAX_TEXT_CHARS = 2000
MAX_RECORDS = 200_000
MAX_CHILDREN = 500
MAX_COUNT = 10**12


class BadReport(ValueError):
    """What is wrong, as a sentence."""


@dataclass(slots=True)
class _Node:
    """An element: its text, or what is in it."""

    name: str
    text: str = ""
    children: list[_Node] = field(default_factory=list)

    def all(self, name: str) -> list[_Node]:
        return [child for child in self.children if child.name == name]

    def node(self, name: str) -> _Node:
        return next((child for child in self.children if child.name == name), _Node(name))

    def word(self, name: str) -> str:
        return self.node(name).text.strip()


class _Reader:
    """Handlers of one parse."""

    def __init__(self) -> None:
        self.metadata = _Node("report_metadata")
        self.policy = _Node("policy_published")
        self.records: list[tuple[Row, int]] = []
        self._open: list[_Node] = []
        self._elements = 0
        self._rooted = False

    def start(self, name: str, _: dict[str, str]) -> None:
        """An element begins; a name is known by its last part."""
        self._elements += 1
        if len(self._open) >= MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise BadReport("is nested too deep or has too many elements")
        node = _Node(name.rpartition("}")[2][:100])
        if not self._open:
            if node.name != "feedback":
                raise BadReport("is XML, but no aggregate report")
            self._rooted = True
        elif len(self._open) > 1:
            if len(self._open[-1].children) >= MAX_CHILDREN:
                raise BadReport("has an element with too many others in it")
            self._open[-1].children.append(node)
        self._open.append(node)

    def text(self, text: str) -> None:
        """Text, in pieces."""
        node = self._open[-1]
        if len(node.text) + len(text) > MAX_TEXT_CHARS and (node.text + text).strip():
            raise BadReport("has an element with too long a text")
        node.text = (node.text + text) if node.text.strip() or text.strip() else ""

    def end(self, _: str) -> None:
        """An element ends: one below the root is taken."""
        node = self._open.pop()
        if len(self._open) != 1:
            return
        if node.name == "record":
            if len(self.records) >= MAX_RECORDS:
                raise BadReport(f"has more than {MAX_RECORDS} records")
            self.records.append((_row(node), _number(node.node("row").word("count"))))
        elif node.name == "report_metadata":
            self.metadata = node
        elif node.name == "policy_published":
            self.policy = node

    def refuse(self, *_: object) -> None:
        """A document type or an entity: no report has one."""
        raise BadReport("declares a document type or entities, which no report does")

    def report(self) -> Report:
        """What was read. Raises BadReport."""
        if not self._rooted or not self.policy.word("domain"):
            raise BadReport("names no domain")
        dates = self.metadata.node("date_range")
        return Report(
            organization=self.metadata.word("org_name"),
            email=self.metadata.word("email"),
            contact=self.metadata.word("extra_contact_info"),
            report_id=self.metadata.word("report_id"),
            begin=_number(dates.word("begin")),
            end=_number(dates.word("end")),
            errors=tuple(node.text.strip() for node in self.metadata.all("error")),
            generator=self.metadata.word("generator"),
            published=_published(self.policy),
            records=tuple(self.records),
        )


def read(document: bytes) -> Report:
    """Raises BadReport for what is none."""
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.EntityDeclHandler = reader.refuse
    try:
        parser.Parse(document, True)
    except BadReport:
        raise
    except expat.ExpatError as exc:
        raise BadReport(f"is no XML: {exc}") from exc
    except (LookupError, ValueError) as exc:
        raise BadReport("is XML in an unknown encoding") from exc
    return reader.report()


def _number(text: str) -> int:
    """A number of messages or of seconds; others are 0. Some write 1.0 or a fraction of a second."""
    whole = text.partition(".")[0]
    return min(int(whole), MAX_COUNT) if whole.isascii() and whole.isdigit() and len(whole) < 19 else 0


def _published(node: _Node) -> Published:
    return Published(
        domain=node.word("domain"),
        p=node.word("p"),
        sp=node.word("sp"),
        np=node.word("np"),
        adkim=node.word("adkim"),
        aspf=node.word("aspf"),
        fo=node.word("fo"),
        testing=node.word("testing"),
        pct=node.word("pct"),
        discovery=node.word("discovery_method"),
    )


def _row(record: _Node) -> Row:
    row, names, results = record.node("row"), record.node("identifiers"), record.node("auth_results")
    evaluated = row.node("policy_evaluated")
    return Row(
        source_ip=row.word("source_ip"),
        disposition=evaluated.word("disposition").lower(),
        dkim=evaluated.word("dkim").lower(),
        spf=evaluated.word("spf").lower(),
        header_from=names.word("header_from"),
        envelope_from=names.word("envelope_from"),
        reasons=tuple(Reason(one.word("type"), one.word("comment")) for one in evaluated.all("reason")),
        signatures=tuple(
            Signature(one.word("domain"), one.word("selector"), one.word("result").lower())
            for one in results.all("dkim")
        ),
        senders=tuple(
            Sender(one.word("domain"), one.word("result").lower(), one.word("scope"))
            for one in results.all("spf")
        ),
    )
