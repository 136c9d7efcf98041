"""The routes of dry runs: what a changed policy would have done last week."""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import Path, Response
from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.access import Call, Routes
from tradewind.control.acting import acting
from tradewind.control.safety_answers import ContentBody
from tradewind.control.services import ControlServices
from tradewind.core.permissions import Permission
from tradewind.features.safety.schemas import DryRunRow, RunState

_Id = Annotated[str, Path(max_length=100)]
_READS, _WRITES = Permission.SAFETY_READ, Permission.SAFETY_WRITE


class DryRunBody(ContentBody):
    """The policy that is tried, whole."""

    policy: Annotated[str, StringConstraints(max_length=100)] = Field(
        default="", description="Id of the policy whose change this is, if there is one."
    )
    name: Annotated[str, StringConstraints(max_length=80)] = ""


class DryRunAnswer(BaseModel):
    id: str
    policy: str
    name: str
    state: RunState
    done: int
    total: int = Field(description="Calls that are looked at one by one; 0 before it has begun.")
    result: dict[str, Any] = Field(
        description="How many calls there were, were judged again from what was found then or from"
        " kept contents, and could not be judged, by reason; what would have followed, by action"
        " and by rule; calls that would be blocked and were not, with up to 50 of them."
    )
    error: str
    created_by: str
    created_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, row: DryRunRow) -> Self:
        return cls(
            id=row.run_id,
            policy=row.policy_id,
            name=row.name,
            state=row.state,
            done=row.done,
            total=row.total,
            result=dict(row.result),
            error=row.error,
            created_by=row.created_by,
            created_at=row.created_at,
            started_at=row.started_at,
            ended_at=row.ended_at,
        )


class DryRunList(BaseModel):
    dry_runs: list[DryRunAnswer] = Field(description="The newest first; at most 20.")


def add_dry_run_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/safety/dry-runs`."""
    dry_runs = services.safety.dry_runs

    @routes.get("/safety/dry-runs", permission=_READS, summary="Dry runs")
    def all_runs(call: Call) -> DryRunList:
        rows = dry_runs.list_runs(call.tx, call.holder)
        return DryRunList(dry_runs=[DryRunAnswer.of(row) for row in rows])

    @routes.post(
        "/safety/dry-runs",
        permission=_WRITES,
        summary="See what a policy, saved or not, would have done in the last week",
    )
    def start(call: Call, body: DryRunBody, response: Response) -> DryRunAnswer:
        row = dry_runs.start(
            call.tx,
            call.holder,
            body.to_content(),
            by=acting(services, call).name,
            policy_id=body.policy,
            name=body.name,
        )
        response.headers["location"] = f"/api/safety/dry-runs/{row.run_id}"
        return DryRunAnswer.of(row)

    @routes.get("/safety/dry-runs/{run_id}", permission=_READS, summary="A dry run")
    def run(call: Call, run_id: _Id) -> DryRunAnswer:
        return DryRunAnswer.of(dry_runs.get_run(call.tx, call.holder, run_id))

    @routes.post("/safety/dry-runs/{run_id}/cancel", permission=_WRITES, summary="End a dry run")
    def cancel(call: Call, run_id: _Id) -> DryRunAnswer:
        return DryRunAnswer.of(dry_runs.cancel(call.tx, call.holder, run_id))
