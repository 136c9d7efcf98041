"""Decisions about replicas and revisions. Pure: no clock, no I/O."""

from enum import StrEnum
from typing import NamedTuple

from tradewind.core.errors import InvalidInput
from tradewind.features.deployments.schemas import Strategy

MOST_SLOTS = 64
MOST_REPLICAS = 16
"""Of one deployment on one machine."""
MOST_THREADS = 256
MOST_CONTEXT_TOKENS = 16 * 1024 * 1024
MOST_REVISIONS = 500
_LONGEST_DETAIL = 300
_LONGEST_DELAY_S = 60.0
_FIRST_DELAY_S = 0.2
# A start may be this slow before it is given up: the engine's own work, and a slow disk's.
_START_S = 180.0
_SLOWEST_READ_BYTES_S = 20_000_000
# A new revision is tried so often before the last good one takes its place again.
_TRIES_OF_A_REVISION = 3


class Stage(StrEnum):
    """How far a replica has come."""

    QUEUED = "queued"
    VERIFYING = "verifying"
    LOADING = "loading"
    WARMING_UP = "warming_up"
    READY = "ready"


class ReplicaReport(NamedTuple):
    """What was seen of one replica."""

    state: str
    """starting, ready, stopping, stopped or failed."""
    detail: str = ""
    """One line for a person."""
    stage: str = ""
    """The `Stage` it has come to, or failed at."""
    percent: int | None = None
    """Of the stage, where it is known."""
    stages: tuple[tuple[str, str], ...] = ()
    """Those it came through, each with when it began (ISO 8601, UTC)."""

    @classmethod
    def failed(
        cls, reason: str, *, stage: str = "", stages: tuple[tuple[str, str], ...] = ()
    ) -> "ReplicaReport":
        line = " ".join(reason.split())[:_LONGEST_DETAIL]
        return cls("failed", line, stage, None, stages)


class ReplicaAccess(NamedTuple):
    """How a gateway reaches a replica. Holds its key: never log it."""

    provider: str
    """Member of the provider family that speaks to it."""
    upstream_model: str
    """The name by which the engine knows the model."""
    address: str
    """Absolute path of a unix socket, or `host:port`."""
    credential: str


def restart_delay_s(failures: int) -> float:
    """Return how long to wait before the next start, after this many failures in a row (>= 1)."""
    return min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0 ** min(failures - 1, 20))


def start_limit_s(weights_bytes: int) -> float:
    """Return how long a start may take until it is given up, with weights of this size."""
    return _START_S + weights_bytes / _SLOWEST_READ_BYTES_S


def gives_way(*, failures: int, has_been_ready: bool, has_good_one: bool) -> bool:
    """Say whether a revision that fails is to be replaced by the last good one."""
    return has_good_one and not has_been_ready and failures >= _TRIES_OF_A_REVISION


def stays(strategy: Strategy, *, wanted: int, ready: int) -> int:
    """Return how many ready replicas of former revisions go on, beside `ready` of the current."""
    left = max(0, wanted - ready)
    # Room is made for the next one of the current revision before it is started.
    return max(0, left - 1) if strategy is Strategy.STOP_FIRST else left


def most_at_once(strategy: Strategy, *, wanted: int, is_changing: bool) -> int:
    """Return how many replicas may run, also while revisions change."""
    beside = is_changing and strategy is Strategy.START_FIRST
    return wanted + beside


class Launchable(NamedTuple):
    """The numbers of a launch spec that people choose."""

    slots: int
    threads: int
    context_tokens: int | None
    replicas: int


def checked(asked: Launchable, *, trained_tokens: int | None) -> Launchable:
    """Return the numbers if they can be. Raises InvalidInput.

    `trained_tokens` is what the model was made for: beyond it an answer is noise.
    """
    _between("slots", asked.slots, 1, MOST_SLOTS)
    _between("threads", asked.threads, 1, MOST_THREADS)
    _between("replicas", asked.replicas, 0, MOST_REPLICAS)
    if asked.context_tokens is not None:
        _between("context", asked.context_tokens, 1, trained_tokens or MOST_CONTEXT_TOKENS)
    return asked


def _between(name: str, number: int, least: int, most: int) -> None:
    if not least <= number <= most:
        raise InvalidInput(f"{name} is {number}", hint=f"choose {least} to {most}")
