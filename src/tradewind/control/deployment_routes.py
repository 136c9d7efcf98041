"""The routes of deployments."""

from typing import Annotated

from fastapi import Path, Query, Response
from starlette.responses import StreamingResponse

from tradewind.control.access import AuthenticatedCall, Call, Routes
from tradewind.control.deployment_answers import (
    DeploymentAnswer,
    DeploymentBody,
    DeploymentPage,
    DeploymentPatch,
    LogAnswer,
    LookAnswer,
    RevisionAnswer,
    RevisionList,
    RollBackBody,
    strategy_of,
)
from tradewind.control.pages import After, Limit, page_of
from tradewind.control.services import ControlServices
from tradewind.core.permissions import Permission
from tradewind.plugins.engines.engine_logs import MOST_TAIL_BYTES
from tradewind.readmodels.deployments import get_deployment, list_deployments, list_revisions

_DeploymentId = Annotated[str, Path(max_length=100)]
_Replica = Annotated[int, Query(ge=1, le=1024, description="Number of the replica.")]


def add_deployment_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/deployments`."""
    orders, logs = services.orders, services.engine_logs
    reads, writes = Permission.DEPLOYMENTS_READ, Permission.DEPLOYMENTS_WRITE

    @routes.get("/deployments", permission=reads, summary="What is deployed on this machine")
    def all_deployments(call: Call, limit: Limit = 100, after: After = None) -> DeploymentPage:
        rows = list_deployments(call.tx, call.holder.organization_id)
        page = page_of(rows, lambda row: row.deployment_id, limit=limit, after=after)
        return DeploymentPage(
            deployments=[DeploymentAnswer.of(row) for row in page.entries], next=page.next
        )

    @routes.post("/deployments", permission=writes, summary="Deploy a model")
    def deploy(call: Call, body: DeploymentBody, response: Response) -> DeploymentAnswer:
        made = orders.deploy(call.tx, call.holder, body.to_new(), by=_name_of(call))
        assert made.deployment_id is not None, "it was just made"
        response.headers["location"] = f"/api/deployments/{made.deployment_id}"
        return _shown(call, made.deployment_id)

    @routes.get(
        "/deployment-fit/{publisher}/{slug}",
        permission=reads,
        summary="What deploying a model would take of this machine",
    )
    def look(  # noqa: PLR0917  what is asked in the URL
        call: Call,
        publisher: Annotated[str, Path(max_length=64)],
        slug: Annotated[str, Path(max_length=100)],
        version: Annotated[str | None, Query(max_length=200)] = None,
        slots: Annotated[int, Query(ge=1, le=64)] = 4,
        context_tokens: Annotated[int | None, Query(ge=1, le=16 * 1024 * 1024)] = None,
        threads: Annotated[int, Query(ge=1, le=256)] = 1,
        replicas: Annotated[int, Query(ge=0, le=16)] = 1,
    ) -> LookAnswer:
        body = DeploymentBody(
            model=f"{publisher}/{slug}",
            version=version,
            slots=slots,
            context_tokens=context_tokens,
            threads=threads,
            replicas=replicas,
        )
        return LookAnswer.of(orders.look(call.tx, call.holder, body.to_new()))

    @routes.get("/deployments/{deployment_id}", permission=reads, summary="A deployment")
    def deployment(call: Call, deployment_id: _DeploymentId) -> DeploymentAnswer:
        return _shown(call, deployment_id)

    @routes.patch(
        "/deployments/{deployment_id}",
        permission=writes,
        summary="Change a deployment: another revision, or another number of replicas",
    )
    def change(call: Call, deployment_id: _DeploymentId, body: DeploymentPatch) -> DeploymentAnswer:
        changes = body.to_changes()
        if not changes.is_empty:
            orders.change(call.tx, call.holder, deployment_id, changes, by=_name_of(call))
        if body.replicas is not None:
            orders.scale(
                call.tx,
                call.holder,
                deployment_id,
                body.replicas,
                is_override=body.override_fit,
            )
        return _shown(call, deployment_id)

    @routes.delete(
        "/deployments/{deployment_id}", permission=writes, summary="Stop and forget a deployment"
    )
    def delete(call: Call, deployment_id: _DeploymentId) -> None:
        orders.delete(call.tx, call.holder, deployment_id)

    @routes.post("/deployments/{deployment_id}/stop", permission=writes, summary="Stop it")
    def stop(call: Call, deployment_id: _DeploymentId) -> DeploymentAnswer:
        orders.stop(call.tx, call.holder, deployment_id)
        return _shown(call, deployment_id)

    @routes.post(
        "/deployments/{deployment_id}/start",
        permission=writes,
        summary="Start it again with as many replicas as before",
    )
    def start(call: Call, deployment_id: _DeploymentId) -> DeploymentAnswer:
        orders.start(call.tx, call.holder, deployment_id)
        return _shown(call, deployment_id)

    @routes.post(
        "/deployments/{deployment_id}/rollback",
        permission=writes,
        summary="Run an earlier revision again",
    )
    def roll_back(call: Call, deployment_id: _DeploymentId, body: RollBackBody) -> DeploymentAnswer:
        orders.roll_back(
            call.tx, call.holder, deployment_id, body.revision, strategy_of(body.strategy)
        )
        return _shown(call, deployment_id)

    @routes.get(
        "/deployments/{deployment_id}/revisions",
        permission=reads,
        summary="Revisions of a deployment, the newest first",
    )
    def revisions(call: Call, deployment_id: _DeploymentId) -> RevisionList:
        found = get_deployment(call.tx, call.holder.organization_id, deployment_id)
        rows = list_revisions(call.tx, found.deployment_id)
        return RevisionList(revisions=[RevisionAnswer.of(row) for row in rows])

    @routes.get(
        "/deployments/{deployment_id}/logs",
        permission=reads,
        summary="The end of a replica's log, or what is new in it",
    )
    def log(
        call: Call,
        deployment_id: _DeploymentId,
        replica: _Replica = 1,
        since: Annotated[int | None, Query(ge=0)] = None,
        most_bytes: Annotated[int, Query(ge=1, le=MOST_TAIL_BYTES)] = 65_536,
    ) -> LogAnswer:
        found = get_deployment(call.tx, call.holder.organization_id, deployment_id)
        name = found.deployment_id
        tail = (
            logs.tail(name, replica, most_bytes)
            if since is None
            else logs.news(name, replica, since)
        )
        return LogAnswer.of_tail(tail, logs.first_error(name, replica), logs.numbers(name))

    @routes.get(
        "/deployments/{deployment_id}/logs/download",
        permission=reads,
        summary="All that is left of a replica's log",
        media_type="text/plain",
    )
    def download(call: Call, deployment_id: _DeploymentId, replica: _Replica = 1) -> Response:
        found = get_deployment(call.tx, call.holder.organization_id, deployment_id)
        name = f"{found.deployment_id}-{replica}.log"
        return StreamingResponse(
            logs.whole(found.deployment_id, replica),
            media_type="text/plain; charset=utf-8",
            headers={"content-disposition": f'attachment; filename="{name}"'},
        )


def _shown(call: AuthenticatedCall, deployment_id: str) -> DeploymentAnswer:
    return DeploymentAnswer.of(get_deployment(call.tx, call.holder.organization_id, deployment_id))


def _name_of(call: AuthenticatedCall) -> str:
    return f"the key {call.holder.key_name}"
