"""Dry runs: what a policy would have done in the organization's own last week."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.safety.rules.limits import DRY_RUN_WINDOW, DRY_RUNS_KEPT
from tradewind.features.safety.rules.words import words_of_category, words_of_policy
from tradewind.features.safety.schemas import DryRunRow
from tradewind.portal.parts import Portal

_Id = Annotated[str, Path(max_length=100)]
_REASONS = {
    "contents_not_kept": "their texts were not kept, and what the policy looks for was not"
    " looked for then",
    "asks_somebody": "a check asks a service or a model, which nobody does for a dry run",
    "contents_cut": "their texts were kept in part",
    "check_failed": "a check could not tell",
    "policies_changed_too_often": "policies changed too often then",
    "too_many_calls": "there were too many calls",
}


@dataclass(frozen=True, slots=True)
class DryRunsPage:
    runs: Sequence[DryRunRow]
    is_news_coming: bool
    kept: int = DRY_RUNS_KEPT
    days: int = DRY_RUN_WINDOW.days


@dataclass(frozen=True, slots=True)
class DryRunPage:
    run: DryRunRow
    sentences: Sequence[str]
    can_write: bool

    @property
    def is_news_coming(self) -> bool:
        return not self.run.state.is_over

    @property
    def result(self) -> Mapping[str, Any]:
        return self.run.result

    @property
    def not_judged(self) -> Sequence[tuple[str, int]]:
        """Why calls could not be judged, in words, and how many."""
        counts: Mapping[str, int] = self.run.result.get("not_judged", {})
        return [(_REASONS.get(reason, reason), count) for reason, count in counts.items()]

    def words_of_category(self, category: str) -> str:
        words = words_of_category(category)
        return words[:1].upper() + words[1:]

    def moment(self, written: str) -> datetime:
        return datetime.fromisoformat(written)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, safety = services.database, services.safety
    may_read = access.allowed(Permission.SAFETY_READ)
    may_write = access.allowed(Permission.SAFETY_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get("/safety/dry-runs")
    def all_runs(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        with database.transaction() as tx:
            rows = safety.dry_runs.list_runs(tx, viewer)
        page = DryRunsPage(rows, any(not row.state.is_over for row in rows))
        return portal.shell.page(request, "safety_dry_runs.html", page, viewer=viewer)

    @router.post("/safety/policies/{policy_id}/dry-run", dependencies=own_form)
    def start(policy_id: _Id, viewer: Annotated[Viewer, Depends(may_write)]) -> Response:
        with database.transaction() as tx:
            policy = safety.policies.get_policy(tx, viewer, policy_id)
            run = safety.dry_runs.start(
                tx, viewer, policy.content, by=viewer.name, policy_id=policy.policy_id
            )
        return RedirectResponse(f"/safety/dry-runs/{run.run_id}", HTTPStatus.SEE_OTHER)

    @router.get("/safety/dry-runs/{run_id}")
    def one_run(
        request: Request, run_id: _Id, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        with database.transaction() as tx:
            run = safety.dry_runs.get_run(tx, viewer, run_id)
        page = DryRunPage(run, words_of_policy(run.content), viewer.may(Permission.SAFETY_WRITE))
        return portal.shell.page(request, "safety_dry_run.html", page, viewer=viewer)

    @router.post("/safety/dry-runs/{run_id}/cancel", dependencies=own_form)
    def cancel(run_id: _Id, viewer: Annotated[Viewer, Depends(may_write)]) -> Response:
        with database.transaction() as tx:
            safety.dry_runs.cancel(tx, viewer, run_id)
        return RedirectResponse(f"/safety/dry-runs/{run_id}", HTTPStatus.SEE_OTHER)

    return router
