"""table - the metrics of all programs: name, meaning, and every value that a label may take.

Names: https://prometheus.io/docs/practices/naming. A metric whose second word
is a program's name is that program's alone.
"""

from __future__ import annotations

from tamis.metrics.family import OPEN, counter, gauge, histogram
from tamis.verdict import Kind

PROGRAMS = ("policyd", "milter", "lda")
STAGES = ("CONNECT", "HELO", "MAIL", "RCPT", "DATA", "END-OF-MESSAGE", "VRFY", "ETRN")
KINDS = tuple(kind.value for kind in Kind)

FAST_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
SLOW_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES_BYTES = (1e3, 4e3, 16e3, 64e3, 256e3, 1e6, 4e6, 16e6, 64e6)

_OPERATIONS = (
    "charge",
    "first_seen",
    "greylist",
    "greylist_client",
    "watch",
    "escalate",
    "lock",
    "locked",
    "tally",
    "other",
)

BUILD = gauge("tamis_build_info", "The version that runs; always 1.", "max", version=OPEN)
RELOAD_OK = gauge(
    "tamis_config_last_reload_successful", "1 if the last reload was obeyed, 0 if refused.", "mostrecent"
)
RELOADED = gauge(
    "tamis_config_last_reload_success_timestamp_seconds",
    "When the configuration in use was read.",
    "mostrecent",
)
DECISIONS = counter(
    "tamis_decisions_total", "Decisions of the checks together.", program=OPEN, stage=STAGES, verdict=KINDS
)
STAGE_S = histogram(
    "tamis_stage_duration_seconds", "Time of all checks of a stage.", FAST_S, program=OPEN, stage=STAGES
)
CHECKS = counter(
    "tamis_check_results_total",
    "What checks said; not obeyed are those in shadow mode and errors with on_error = pass.",
    program=OPEN,
    check=OPEN,
    verdict=KINDS,
    obeyed=("yes", "no"),
)
CHECK_ERRORS = counter(
    "tamis_check_errors_total", "Checks that failed, so that on_error decided.", program=OPEN, check=OPEN
)
JOURNAL = counter("tamis_journal_records_total", "Decision records written.")
JOURNAL_LOST = counter("tamis_journal_write_failures_total", "Decision records that could not be written.")
STORE_S = histogram(
    "tamis_store_operation_duration_seconds",
    "Time of an operation of the state store, failed ones too.",
    FAST_S,
    backend=OPEN,
    operation=_OPERATIONS,
)
STORE_ERRORS = counter(
    "tamis_store_errors_total",
    "Operations of the state store that became temporary failures.",
    backend=OPEN,
    operation=_OPERATIONS,
)
STORE_UP = gauge("tamis_store_up", "1 if the last operation succeeded.", "livemin", backend=OPEN)
DNS = counter(
    "tamis_dns_queries_total",
    "DNS questions sent, by type and kind of answer.",
    type=("A", "AAAA", "MX", "TXT", "PTR", "other"),
    result=("answer", "empty", "failure", "timeout", "other"),
)
DNS_S = histogram("tamis_dns_query_duration_seconds", "Time until a DNS answer or its failure.", SLOW_S)
DNS_CACHE = counter("tamis_dns_cache_total", "Look-ups in the DNS cache.", result=("hit", "miss"))
DNSBL = counter(
    "tamis_dnsbl_answers_total",
    "Answers of DNS lists; skipped: not asked, for it failed too often.",
    list=OPEN,
    result=("listed", "unlisted", "timeout", "failure", "skipped", "other"),
)
SPF = counter(
    "tamis_spf_results_total",
    "SPF results (RFC 7208 section 2.6).",
    result=("none", "neutral", "pass", "fail", "softfail", "temperror", "permerror", "other"),
)
DKIM = counter(
    "tamis_dkim_results_total",
    "DKIM results, one for each signature, and none for a message without (RFC 8601 section 2.7.1).",
    result=("none", "pass", "fail", "policy", "neutral", "temperror", "permerror", "other"),
)
ARC = counter(
    "tamis_arc_results_total",
    "States of the ARC chains of messages (RFC 8617 section 5.2).",
    result=("none", "pass", "fail", "other"),
)
DMARC = counter(
    "tamis_dmarc_results_total",
    "DMARC results of messages (RFC 9989).",
    result=("none", "pass", "fail", "temperror", "permerror", "other"),
)
DMARC_DONE = counter(
    "tamis_dmarc_dispositions_total",
    "What was done with messages by DMARC (RFC 9990): pass is of an enforcing policy.",
    disposition=("none", "pass", "quarantine", "reject", "other"),
)
DMARC_UNREPORTED = counter(
    "tamis_dmarc_unreported_total", "Messages that found no room in the aggregate report of their day."
)
QUOTA = counter(
    "tamis_policyd_quota_total",
    "What the delivery engine said of a mailbox; unsure: that it cannot tell, or nothing.",
    answer=("room", "full", "unknown", "unsure", "other"),
)
NOTICES = counter(
    "tamis_policyd_notices_total",
    "Notices about accounts, by how they were sent; failed: given up, dropped: too many waited.",
    channel=("mail", "webhook", "other"),
    result=("sent", "failed", "dropped", "other"),
)
POLICYD_OPEN = gauge("tamis_policyd_connections", "Open connections.", "livesum")
POLICYD_REFUSED = counter(
    "tamis_policyd_refused_total",
    "Connections that were hung up on.",
    reason=("full", "protocol", "timeout", "other"),
)
POLICYD_STRANGERS = counter(
    "tamis_policyd_unknown_requests_total",
    "Requests that were not understood and answered DUNNO.",
    reason=("request", "state", "other"),
)
MILTER_OPEN = gauge("tamis_milter_sessions", "Open milter sessions.", "livesum")
MILTER_MESSAGES = counter(
    "tamis_milter_messages_total",
    "Messages by what was answered at their end or before.",
    action=("accept", "defer", "reject", "discard", "hold", "other"),
)
SCANNERS = counter(
    "tamis_milter_scanner_answers_total",
    "Questions to virus scanners and spam filters; skipped: not asked, for it failed too often.",
    scanner=("clamd", "rspamd", "spamd"),
    server=OPEN,
    result=("answer", "declined", "timeout", "failure", "skipped"),
)
MILTER_ABORTED = counter("tamis_milter_aborted_total", "Messages that ended before their end of data.")
MILTER_ERRORS = counter("tamis_milter_errors_total", "Defects in callbacks; each deferred its message.")
POLICYD_RESTARTS = counter("tamis_policyd_worker_restarts_total", "Workers that died and were replaced.")
MILTER_RESTARTS = counter("tamis_milter_worker_restarts_total", "Workers that died and were replaced.")
MILTER_S = histogram("tamis_milter_message_duration_seconds", "Time at end of message.", SLOW_S)
MILTER_SIZES = histogram("tamis_milter_message_bytes", "Sizes of messages.", SIZES_BYTES)
SIGNATURES = counter(
    "tamis_milter_signatures_total",
    "DKIM signatures and ARC seals of ours, and why a message that should have one has none; foreign: sent on by a "
    "host of ours, and nobody vouches for its author, closed: the chain takes no more, unsure: DNS did not say whether "
    "it holds.",
    kind=("dkim", "arc", "other"),
    result=("made", "no_key", "no_author", "foreign", "no_results", "unsure", "closed", "other"),
)
LDA_OPEN = gauge(
    "tamis_lda_connections", "Open connections.", "livesum", listener=("lmtp", "handoff", "other")
)
LDA_REFUSED = counter(
    "tamis_lda_refused_total",
    "Connections that were hung up on.",
    reason=("full", "protocol", "timeout", "other"),
)
LDA_RESTARTS = counter("tamis_lda_worker_restarts_total", "Workers that died and were replaced.")
LDA_OUTCOMES = counter(
    "tamis_lda_deliveries_total",
    "Recipients by what became of their message.",
    outcome=(
        "stored",
        "discarded",
        "redirected",
        "piped",
        "rejected",
        "deferred",
        "bounced",
        "repeated",
        "other",
    ),
)
LDA_S = histogram("tamis_lda_delivery_duration_seconds", "Time of one recipient's delivery.", SLOW_S)
LDA_SIZES = histogram("tamis_lda_message_bytes", "Sizes of messages.", SIZES_BYTES)
SIEVE = counter(
    "tamis_sieve_runs_total",
    "Sieve scripts by how their run ended; a failed run kept the message.",
    result=("ok", "script_error", "run_error", "other"),
)
SIEVE_S = histogram("tamis_sieve_run_duration_seconds", "Time of one run of a user's scripts.", FAST_S)
