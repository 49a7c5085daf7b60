"""metrics - the Prometheus metrics of every program: one verb for each thing that is worth counting.

    python -m tamis.metrics > docs/metrics.md

They are declared in `tamis.metrics.table`, and nobody but this package touches them. A label's values come
from a set that the code or the configuration bounds, never from mail: elsewhere an address as label made
35,000 series in a week. program: ``policyd``, ``milter`` or ``lda``.
"""

from __future__ import annotations

import time

from tamis import __version__
from tamis.metrics import table
from tamis.metrics.family import Family, become_worker, forget_worker, scrape

__all__ = ["become_worker", "forget_worker"]

_programs: set[str] = set()


def declare_program(program: str) -> None:
    """Name the program that runs: its metrics are scraped, at 0 at first, and other programs' are not."""
    _programs.add(program)
    table.BUILD(__version__).set(1)
    table.DECISIONS.fill(program=program)
    strangers = _strangers()
    for family in vars(table).values():
        if isinstance(family, Family) and family.kind == "counter" and not family.name.startswith(strangers):
            family.fill()


def _strangers() -> tuple[str, ...]:
    """How the names of metrics begin that are other programs' alone."""
    others = set(table.PROGRAMS) - _programs if _programs else set()
    return tuple(f"tamis_{word}_" for word in others) + (("tamis_sieve_",) if "lda" in others else ())


def declare_store(backend: str) -> None:
    """Name the backend of the state store that is used: sqlite, redis."""
    table.STORE_ERRORS.fill(backend=backend)


def declare_check(program: str, check: str) -> None:
    """*check* is a table's name in the configuration."""
    table.CHECKS.fill(program=program, check=check)
    table.CHECK_ERRORS.fill(program=program, check=check)


def render(accept: str = "") -> tuple[bytes, str]:
    """The page of metrics and its content type, in the form that the Accept header asks for."""
    return scrape(accept, _strangers())


def observe_stage(program: str, stage: str, kind: str, seconds: float) -> None:
    """A decision of all checks together."""
    table.DECISIONS(program, stage, kind).inc()
    table.STAGE_S(program, stage).observe(seconds)


def count_check(program: str, check: str, kind: str, obeyed: bool, error: bool) -> None:
    """What one check said."""
    table.CHECKS(program, check, kind, "yes" if obeyed else "no").inc()
    if error:
        table.CHECK_ERRORS(program, check).inc()


def set_reload(ok: bool) -> None:
    """The configuration was read and obeyed, or refused and the old one kept."""
    table.RELOAD_OK().set(ok)
    if ok:
        table.RELOADED().set(time.time())


def count_journal(written: int, lost: int = 0) -> None:
    """Decision records that were written, and that could not be."""
    table.JOURNAL().inc(written)
    table.JOURNAL_LOST().inc(lost)


def observe_store(backend: str, operation: str, seconds: float, ok: bool) -> None:
    """An operation of the state store; not *ok* is a temporary failure."""
    table.STORE_S(backend, operation).observe(seconds)
    table.STORE_UP(backend).set(ok)
    if not ok:
        table.STORE_ERRORS(backend, operation).inc()


def observe_dns(rdtype: str, result: str, seconds: float) -> None:
    """A question sent. result: answer, empty (no such name or data), failure, timeout."""
    table.DNS(rdtype, result).inc()
    table.DNS_S().observe(seconds)


def count_dns_cache(hit: bool) -> None:
    """A look-up in the DNS cache."""
    table.DNS_CACHE("hit" if hit else "miss").inc()


def count_dnsbl(list_: str, result: str) -> None:
    """An answer of a DNS list: listed, unlisted, timeout, failure (error codes too), skipped. *list_*: its name as
    the configuration shows it."""
    table.DNSBL(list_, result).inc()


def count_scanner(scanner: str, server: str, result: str) -> None:
    """A question to a scanner: answer, declined (it could not judge the message), timeout, failure, skipped. *server*:
    its address in the configuration."""
    table.SCANNERS(scanner, server, result).inc()


def count_spf(result: str) -> None:
    """An SPF result, in RFC 7208's words."""
    table.SPF(result).inc()


def count_dkim(result: str) -> None:
    """The result of one signature, in RFC 8601's words; none for a message without."""
    table.DKIM(result).inc()


def count_arc(result: str) -> None:
    """The state of a message's chain: none, pass, fail."""
    table.ARC(result).inc()


def count_dmarc(result: str) -> None:
    """A message's DMARC result."""
    table.DMARC(result).inc()


def count_signature(kind: str, result: str) -> None:
    """One of ours, or none where there should be one. kind: dkim, arc. result: made, no_key, no_author, foreign,
    no_results, unsure, closed."""
    table.SIGNATURES(kind, result).inc()


def count_dmarc_disposition(disposition: str) -> None:
    """What was done with a message by DMARC, in RFC 9990's words."""
    table.DMARC_DONE(disposition).inc()


def count_dmarc_unreported() -> None:
    """A message found no room in a report."""
    table.DMARC_UNREPORTED().inc()


def count_quota(answer: str) -> None:
    """What the delivery engine said of a mailbox: room, full, unknown, unsure."""
    table.QUOTA(answer).inc()


def count_notice(channel: str, result: str) -> None:
    """A notice about an account. channel: mail, webhook. result: sent, failed, dropped."""
    table.NOTICES(channel, result).inc()


def set_policyd_connections(count: int) -> None:
    """Connections that are open."""
    table.POLICYD_OPEN().set(count)


def count_policyd_refused(reason: str) -> None:
    """We hung up on a peer: full, protocol, timeout."""
    table.POLICYD_REFUSED(reason).inc()


def count_policyd_stranger(why: str) -> None:
    """A request that we did not understand: its kind (request) or its state."""
    table.POLICYD_STRANGERS(why).inc()


def set_milter_sessions(count: int) -> None:
    """Milter sessions that are open in this process."""
    table.MILTER_OPEN().set(count)


def observe_milter_message(action: str, seconds: float, size_bytes: int) -> None:
    """A message was answered: accept, defer, reject, discard, hold."""
    table.MILTER_MESSAGES(action).inc()
    table.MILTER_S().observe(seconds)
    table.MILTER_SIZES().observe(size_bytes)


def count_milter_aborted() -> None:
    """The MTA gave up a message before its end."""
    table.MILTER_ABORTED().inc()


def count_milter_error() -> None:
    """A defect of ours in a callback."""
    table.MILTER_ERRORS().inc()


def count_policyd_restart() -> None:
    """A worker died and was replaced."""
    table.POLICYD_RESTARTS().inc()


def count_milter_restart() -> None:
    """A worker died and was replaced."""
    table.MILTER_RESTARTS().inc()


def set_lda_connections(listener: str, count: int) -> None:
    """Connections that are open; listener: lmtp, handoff."""
    table.LDA_OPEN(listener).set(count)


def count_lda_refused(reason: str) -> None:
    """We hung up on a peer: full, protocol, timeout."""
    table.LDA_REFUSED(reason).inc()


def count_lda_restart() -> None:
    """A worker died and was replaced."""
    table.LDA_RESTARTS().inc()


def observe_delivery(outcome: str, seconds: float, size_bytes: int) -> None:
    """One recipient: stored, discarded, redirected, piped, rejected, deferred, bounced."""
    table.LDA_OUTCOMES(outcome).inc()
    table.LDA_S().observe(seconds)
    table.LDA_SIZES().observe(size_bytes)


def observe_sieve(result: str, seconds: float) -> None:
    """One run of a user's scripts: ok, script_error, run_error."""
    table.SIEVE(result).inc()
    table.SIEVE_S().observe(seconds)
