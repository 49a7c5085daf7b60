"""when - the conditions of a rule: which values of a request fit. All that are given must hold.

    when = { sender = ["example.org", "!news@example.org"], size = ">10MiB", check.spf = "mfrom_softfail" }

A condition is a text, a number, or a list of them, of which one must fit. What begins with ``!`` must not fit. ``""``
fits a value that is not known, ``"!"`` one that is. Case does not count.

    names       "example.org" with all below it, ".example.org" what is below it, /expression/ (RE2)
    mailboxes   the same for their domain, "user@example.org", "user@", "<>"
    addresses   "192.0.2.7", "192.0.2.0/24", "2001:db8::/32"
    texts       the whole text, /expression/
    numbers     "5", ">5", ">=5", "<5", "<=5", "5..9", sizes with units: ">10MiB"
    files       "cidr:/path", "regexp:/path", "texthash:/path" ... as in the check access, for all but numbers: an entry
                fits whatever stands behind its key, but for DUNNO
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields

from policyd.rules.attributes import MEANINGS, STAGES, UNKNOWN_AT, attribute, result
from policyd.rules.texts import Predicate, condition, text_of
from policyd.tables.lines import BadLine
from policyd.tables.source import Source
from tamis.config.schema import Texts, option
from tamis.config.suggest import unknown
from tamis.config.units import Unfit
from tamis.transaction import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """Every option is a condition; one that is not given holds."""

    stage: Texts | None = option(
        None, "connect, helo, mail, rcpt, data, end_of_message, vrfy, etrn: one of `asked_at`"
    )
    client_address: Texts | None = option(None, "networks")
    country: Texts | None = option(None, 'of the client, by `geoip`: "FR"; "unknown" where no file knows it')
    asn: Texts | None = option(None, 'the network operator of the client, by `geoip`: "AS64500"')
    client_name: Texts | None = option(None, "the confirmed name; Postfix says unknown where there is none")
    reverse_client_name: Texts | None = option(None, "the name that need not lead back")
    helo_name: Texts | None = option(None, "the name at HELO")
    sender: Texts | None = option(None, 'the envelope sender; "<>" is the null sender')
    recipient: Texts | None = option(
        None, "the recipient that is asked about; of several at DATA and later it is not known"
    )
    sasl_username: Texts | None = option(None, "the login")
    sasl_sender: Texts | None = option(None, "what the client passed on as AUTH= at MAIL FROM")
    sasl_method: Texts | None = option(None, "PLAIN, LOGIN ...")
    server_address: Texts | None = option(None, "our own address: networks")
    etrn_domain: Texts | None = option(None, "the domain of ETRN")
    protocol_name: Texts | None = option(None, "SMTP or ESMTP")
    queue_id: Texts | None = option(None, "not known before the second recipient")
    policy_context: Texts | None = option(None, "policy_context of main.cf: which restriction list asks")
    stress: Texts | None = option(None, 'Postfix runs out of processes: "yes"')
    encryption_protocol: Texts | None = option(None, "TLSv1.3 ...; empty without TLS")
    encryption_cipher: Texts | None = option(None, "the TLS cipher")
    ccert_subject: Texts | None = option(
        None, "common name of the client's certificate, if Postfix trusts it"
    )
    ccert_issuer: Texts | None = option(None, "common name of its issuer")
    ccert_fingerprint: Texts | None = option(None, "fingerprint of the client's certificate")
    ccert_pubkey_fingerprint: Texts | None = option(None, "fingerprint of its public key")
    size: Texts | None = option(
        None, "bytes: as announced, and as they are at end_of_message; 0 where not known"
    )
    recipient_count: Texts | None = option(None, "the accepted recipients, at DATA and later; 0 before")
    encryption_keysize: Texts | None = option(None, "bits of the TLS cipher")
    client_port: Texts | None = option(None, "a number")
    server_port: Texts | None = option(None, "a number")
    score: Texts | None = option(None, "the sum of the checks and rules so far")
    tag: Texts | None = option(None, "a tag that a check or rule has left: the whole word")
    time: Texts | None = option(None, '"08:00-18:00", "22:00-06:00", in `zone`')
    weekday: Texts | None = option(None, '"mon-fri", "sat", in `zone`')
    date: Texts | None = option(None, '"2026-12-24", "2026-12-24..2027-01-01", in `zone`')
    check: dict[str, Texts] = option(
        {},
        "what an earlier check found: its reason in the journal, pass without one. Not asked: nothing fits",
    )
    attribute: dict[str, Texts] = option({}, "any other attribute of the policy request, as a text")

    _conditions: tuple[Predicate, ...] = field(init=False, repr=False, compare=False)
    _sources: tuple[tuple[str, Source], ...] = field(init=False, repr=False, compare=False)
    _faults: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        conditions: list[Predicate] = []
        sources: list[tuple[str, Source]] = []
        faults: list[str] = []
        for key, texts in self.given():
            files: list[Source] = []
            try:
                conditions.append(self._condition(key, texts, files))
                sources += [(key, file) for file in files]
            except Unfit as exc:
                faults.append(f"{key}: {exc}")
        object.__setattr__(self, "_conditions", tuple(conditions))
        object.__setattr__(self, "_sources", tuple(sources))
        object.__setattr__(self, "_faults", tuple(faults))

    def given(self) -> Iterator[tuple[str, Texts]]:
        """The conditions that the file has, by their keys, the cheap ones first; `stage` is `asked_at`'s."""
        for key in MEANINGS:
            if texts := getattr(self, key):
                yield key, texts
        for table in ("check", "attribute"):
            for name, texts in getattr(self, table).items():
                yield f"{table}.{name}", texts

    def _condition(self, key: str, texts: Texts, sources: list[Source]) -> Predicate:
        table, dot, name = key.partition(".")
        if not dot:
            return MEANINGS[key](texts, sources)
        if table == "check":
            return result(name, texts)
        if name in {one.name for one in fields(self)}:
            raise BadLine(f"{name} is a condition of its own")
        return condition(text_of(attribute(name)), texts, sources)

    @property
    def conditions(self) -> tuple[Predicate, ...]:
        """What must hold, besides the stage."""
        return self._conditions

    def stages(self, asked_at: frozenset[Stage]) -> frozenset[Stage]:
        """Those of *asked_at* at which it can hold."""
        wanted = {STAGES[text] for text in self.stage or () if text in STAGES}
        barred = {STAGES[text[1:]] for text in self.stage or () if text[:1] == "!" and text[1:] in STAGES}
        return (asked_at & wanted if wanted else asked_at) - barred

    def unknown(self, stages: frozenset[Stage]) -> Iterator[str]:
        """``key: sentence`` for what is known at none of *stages*."""
        for key, _ in self.given():
            if stages and stages <= UNKNOWN_AT.get(key, frozenset()):
                yield f"{key}: is not known at {', '.join(sorted(stage.value for stage in stages))}"

    def problems(self) -> Iterator[str]:
        """Conditions that make no sense, and all that is wrong in the files."""
        yield from self._faults
        for text in self.stage or ():
            if text.removeprefix("!") not in STAGES:
                yield f"stage: {unknown('stage', text, STAGES)}"
        for key, source in self._sources:
            yield from (f"{key}: {text}" for text in source.faults())
