"""Decisions about replicas. Pure: no clock, no I/O."""

from typing import NamedTuple

_LONGEST_DETAIL = 300
_LONGEST_DELAY_S = 60.0
_FIRST_DELAY_S = 0.2


class ReplicaReport(NamedTuple):
    """What was seen of one replica."""

    state: str
    """starting, ready, stopping, stopped or failed."""
    detail: str = ""
    """One line for a person."""

    @classmethod
    def failed(cls, reason: str) -> "ReplicaReport":
        return cls("failed", " ".join(reason.split())[:_LONGEST_DETAIL])


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
