"""Every metric that a gateway exposes, and how its series lie in memory.

Names and buckets of `gen_ai_…`: OpenTelemetry, "Semantic conventions for generative AI metrics", in
the spelling of "Prometheus and OpenMetrics compatibility" (a unit of seconds becomes a suffix, one
in braces is dropped).
"""

from typing import NamedTuple

from tradewind.telemetry.families import MICRO, Family, Merge
from tradewind.telemetry.genai import (
    ERROR_TYPE,
    MODEL,
    OPERATION,
    OTHER_ERROR,
    PROVIDER,
    TOKEN_TYPE,
    prometheus_label,
)

OTHER = "other"
"""The label of whatever is beyond the limit of series."""
MOST_CALLS = 256
MOST_FAILURES = 256
MOST_ATTEMPTS = 256
MOST_REFUSALS = 256
MOST_SAFETY = 256
_MOST_KINDS = 64
_RESERVE = 64
"""Series that only what is beyond the limit uses: one for each operation, and a few to spare."""

_DURATION_BOUNDS_S = (
    *(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64),
    *(1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92),
)
_FIRST_TOKEN_BOUNDS_S = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1),
    *(0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
_PER_TOKEN_BOUNDS_S = (*(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),)
_TOKEN_BOUNDS = tuple(float(4**power) for power in range(14))
_LAG_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Part(NamedTuple):
    """A family's numbers within a block, with the labels that are the same in all blocks."""

    family: Family
    labels: tuple[tuple[str, str], ...] = ()


class Label(NamedTuple):
    name: str
    beyond: str | None = None
    """What it becomes beyond the limit of series; None: it has few values and stays."""


class Block(NamedTuple):
    """Numbers that share their labels and lie side by side, so that a call has one look-up."""

    name: str
    labels: tuple[Label, ...]
    parts: tuple[Part, ...]
    most: int
    """Series of it in all processes of a host, but for those beyond the limit."""
    is_sparse: bool = True
    """What is zero is not exposed."""

    @property
    def width(self) -> int:
        return sum(part.family.width for part in self.parts)

    @property
    def most_at_all(self) -> int:
        return self.most + (_RESERVE if any(label.beyond for label in self.labels) else 0)

    def beyond(self, values: tuple[str, ...]) -> tuple[str, ...]:
        """Return the labels under which a series is counted that is one too many."""
        return tuple(
            value if label.beyond is None else label.beyond
            for label, value in zip(self.labels, values, strict=True)
        )


# Of calls.

DURATION = Family(
    "gen_ai_server_request_duration_seconds",
    "histogram",
    "From the request's arrival to the last byte of the answer.",
    bounds=_DURATION_BOUNDS_S,
    scale=MICRO,
)
FIRST_TOKEN = Family(
    "gen_ai_server_time_to_first_token_seconds",
    "histogram",
    "From the request's arrival to the first bytes of a streamed answer.",
    bounds=_FIRST_TOKEN_BOUNDS_S,
    scale=MICRO,
)
PER_TOKEN = Family(
    "gen_ai_server_time_per_output_token_seconds",
    "histogram",
    "Of completed streams: the time after the first token, by the tokens after it.",
    bounds=_PER_TOKEN_BOUNDS_S,
    scale=MICRO,
)
TOKENS = Family(
    "gen_ai_client_token_usage", "histogram", "Billed tokens of a call.", bounds=_TOKEN_BOUNDS
)
CALLS_ENDED = Family("tradewind_requests_total", "counter", "Admitted calls that ended.")
ATTEMPTS_ENDED = Family("tradewind_attempts_total", "counter", "Tries at a host, by how they went.")
RETRIES = Family("tradewind_retries_total", "counter", "Tries of a call after its first one.")
REFUSED = Family("tradewind_refusals_total", "counter", "Calls that were not admitted.")
QUEUE_WAIT = Family(
    "tradewind_queue_wait_seconds",
    "histogram",
    "Of calls that had to wait for admission: for how long.",
    bounds=_DURATION_BOUNDS_S,
    scale=MICRO,
)

SAFETY_FOUND = Family(
    "tradewind_safety_findings_total",
    "counter",
    "What checks found in calls and what followed: the gravest of each category and direction.",
)
SAFETY_FAILED = Family(
    "tradewind_safety_failures_total", "counter", "Checks that could not tell, and why."
)
SAFETY_WAIT = Family(
    "tradewind_safety_wait_seconds",
    "histogram",
    "Of calls that checks held up: for how long.",
    bounds=_FIRST_TOKEN_BOUNDS_S,
    scale=MICRO,
)

_OPERATION = Label(prometheus_label(OPERATION))
_PROVIDER = Label(prometheus_label(PROVIDER), OTHER)
_MODEL = Label(prometheus_label(MODEL), OTHER)
_TOKEN_TYPE = prometheus_label(TOKEN_TYPE)

OUTCOMES = ("completed", "cancelled", "failed")
CALLS = Block(
    "calls",
    (_OPERATION, _PROVIDER, _MODEL),
    (
        Part(DURATION),
        Part(FIRST_TOKEN),
        Part(PER_TOKEN),
        Part(TOKENS, ((_TOKEN_TYPE, "input"),)),
        Part(TOKENS, ((_TOKEN_TYPE, "output"),)),
        *(Part(CALLS_ENDED, (("outcome", outcome),)) for outcome in OUTCOMES),
    ),
    MOST_CALLS,
)
FAILURES = Block(
    "failures",
    (_OPERATION, _PROVIDER, _MODEL, Label(prometheus_label(ERROR_TYPE), OTHER_ERROR)),
    (Part(DURATION),),
    MOST_FAILURES,
)
ATTEMPTS = Block(
    "attempts", (_PROVIDER, Label("result", OTHER)), (Part(ATTEMPTS_ENDED),), MOST_ATTEMPTS
)
REFUSALS = Block(
    "refusals",
    (_OPERATION, Label("status", OTHER), Label("code", OTHER)),
    (Part(REFUSED),),
    MOST_REFUSALS,
)
SAFETY_FINDINGS = Block(
    "safety_findings",
    (
        Label("check", OTHER),
        Label("category", OTHER),
        Label("direction"),
        Label("action"),
    ),
    (Part(SAFETY_FOUND),),
    MOST_SAFETY,
)
SAFETY_FAILURES = Block(
    "safety_failures",
    (Label("check", OTHER), Label("reason", OTHER)),
    (Part(SAFETY_FAILED),),
    MOST_SAFETY,
)

# Of parts of the gateway that count for themselves.

HTTP = Family("tradewind_http_total", "counter", "Of the public port, by kind.")
UPSTREAM = Family(
    "tradewind_upstream_total", "counter", "Calls to upstreams and how they failed, by kind."
)
ADMISSION = Family(
    "tradewind_admission_total",
    "counter",
    "What went another way than usual in admitting calls, by kind.",
)
ROUTING = Family(
    "tradewind_routing_total",
    "counter",
    "Choices of targets that were not the usual one, by kind.",
)
JOURNAL = Family("tradewind_journal_total", "counter", "Of the journal of usage, by kind.")
CACHE = Family(
    "tradewind_response_cache_total", "counter", "Look-ups in the cache of answers, by kind."
)
CONTENTS = Family(
    "tradewind_contents_total",
    "counter",
    "Calls whose prompt and answer were to be kept: kept, or dropped for want of room.",
)
KINDS = {
    family: Block(family.name, (Label("kind"),), (Part(family),), most=_MOST_KINDS, is_sparse=False)
    for family in (HTTP, UPSTREAM, ADMISSION, ROUTING, JOURNAL, CACHE, CONTENTS)
}

# Of one process.

WAITING = Family(
    "tradewind_calls_waiting", "gauge", "Calls that are neither admitted nor refused yet."
)
SAFETY_WAITING = Family(
    "tradewind_safety_checks_waiting", "gauge", "Runs of checks in their thread or waiting for it."
)
IN_FLIGHT = Family("tradewind_calls_in_flight", "gauge", "Calls at an upstream.")
OPEN_STREAMS = Family("tradewind_open_streams", "gauge", "Streamed calls that have not ended.")
OPEN_CONNECTIONS = Family("tradewind_open_connections", "gauge", "Client connections.")
UPSTREAM_CONNECTIONS = Family(
    "tradewind_upstream_connections", "gauge", "Connections to upstreams, in use or idle."
)
UPSTREAM_WAITING = Family(
    "tradewind_upstream_waiting", "gauge", "Calls that wait for a connection to their upstream."
)
TARGETS_UNWELL = Family(
    "tradewind_targets_unwell",
    "gauge",
    "Targets that rest, are busy or failed lately; the most that one process sees.",
    merge=Merge.MAX,
)
SNAPSHOT_VERSION = Family(
    "tradewind_snapshot_version",
    "gauge",
    "Snapshot in force; the oldest of all processes.",
    merge=Merge.MIN,
)
SNAPSHOT_AGE = Family(
    "tradewind_snapshot_age_seconds",
    "gauge",
    "Since the snapshot in force was made; grows while nothing changes.",
    scale=MICRO,
    merge=Merge.MAX,
)
JOURNAL_HEALTHY = Family(
    "tradewind_journal_healthy", "gauge", "1 while all processes keep usage.", merge=Merge.MIN
)
JOURNAL_UNSYNCED = Family(
    "tradewind_journal_unsynced_bytes", "gauge", "Written to the journal, and not on disk yet."
)
JOURNAL_SYNC_AGE = Family(
    "tradewind_journal_sync_age_seconds",
    "gauge",
    "Since the journal was last brought to disk; 0 when all of it is there.",
    scale=MICRO,
    merge=Merge.MAX,
)
LEASES = Family("tradewind_budget_leases", "gauge", "Budgets of which a process has leased a part.")
ALONE = Family(
    "tradewind_admission_alone_seconds_total",
    "counter",
    "Time in which the shared server of limits was away and each process counted its share.",
    scale=MICRO,
)
CACHE_BYTES = Family("tradewind_response_cache_bytes", "gauge", "Answers kept to be given again.")
LOOP_LAG = Family(
    "tradewind_event_loop_lag_seconds",
    "histogram",
    "How late a timer of each second was: the pause that every call then had.",
    bounds=_LAG_BOUNDS_S,
    scale=MICRO,
)
UNCOUNTED = Family(
    "tradewind_metrics_uncounted_total",
    "counter",
    "What found no place among these numbers and is in none of them.",
)
CONNECTION_STATES = ("busy", "idle")
PROCESS = Block(
    "process",
    (),
    (
        *map(Part, (WAITING, IN_FLIGHT, OPEN_STREAMS, OPEN_CONNECTIONS)),
        *(Part(UPSTREAM_CONNECTIONS, (("state", state),)) for state in CONNECTION_STATES),
        *map(Part, (UPSTREAM_WAITING, TARGETS_UNWELL, SNAPSHOT_VERSION, SNAPSHOT_AGE)),
        *map(Part, (JOURNAL_HEALTHY, JOURNAL_UNSYNCED, JOURNAL_SYNC_AGE, LEASES, ALONE)),
        *map(Part, (CACHE_BYTES, RETRIES, QUEUE_WAIT, LOOP_LAG, UNCOUNTED)),
        *map(Part, (SAFETY_WAIT, SAFETY_WAITING)),
    ),
    most=1,
    is_sparse=False,
)

# Of the host: known to whichever process is asked.

WORKERS = Family(
    "tradewind_gateway_processes", "gauge", "Processes whose numbers these are, by state."
)
JOURNAL_BYTES = Family(
    "tradewind_journal_bytes",
    "gauge",
    "Of the journal's files on this host: what is not shipped, and at most a file a process more.",
)
OF_HOST = (WORKERS, JOURNAL_BYTES)

BLOCKS = (
    *(CALLS, FAILURES, ATTEMPTS, REFUSALS, SAFETY_FINDINGS, SAFETY_FAILURES),
    *KINDS.values(),
    PROCESS,
)
FAMILIES = tuple(
    dict.fromkeys((*(part.family for block in BLOCKS for part in block.parts), *OF_HOST))
)
"""In the order in which they are exposed."""
