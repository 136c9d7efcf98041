"""How far a replica has come, as steps of a line. Pure."""

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from tradewind.features.deployments.rules import Stage
from tradewind.readmodels.deployments import ReplicaView

LABELS = {
    Stage.QUEUED: "Queued",
    Stage.VERIFYING: "Verifying",
    Stage.LOADING: "Loading",
    Stage.WARMING_UP: "Warming up",
    Stage.READY: "Ready",
}


@dataclass(frozen=True, slots=True)
class Step:
    label: str
    state: str
    """`done`, `now`, `failed` or `ahead`."""
    at: datetime | None
    """When it began."""
    took_us: int | None
    """Until the next one began."""
    percent: int | None = None


def steps_of(replica: ReplicaView) -> list[Step]:
    """Return all stages in their order; those of a failed replica end where it failed."""
    began = dict(replica.stages)
    found: list[Step] = []
    for stage, label in LABELS.items():
        at = began.get(stage.value)
        took = _took(replica, stage.value)
        if stage.value == replica.stage:
            state = "failed" if replica.state == "failed" else "now"
            if stage is Stage.READY and replica.state == "ready":
                state = "done"
            found.append(Step(label, state, at, took, replica.percent))
        elif at is not None:
            found.append(Step(label, "done", at, took))
        else:
            found.append(Step(label, "ahead", None, None))
    return found


def _took(replica: ReplicaView, stage: str) -> int | None:
    times = list(replica.stages)
    for (name, began), (_, ended) in pairwise(times):
        if name == stage:
            return round((ended - began).total_seconds() * 1_000_000)
    return None
