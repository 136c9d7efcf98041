"""Safety: which policies hold here, and what was found lately."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.safety.rules.words import words_of_category, words_of_policy
from tradewind.features.safety.schemas import PolicyRow
from tradewind.portal.parts import Portal
from tradewind.readmodels.safety_counts import SafetyCounts, count_findings


@dataclass(frozen=True, slots=True)
class SafetyPage:
    effective: Sequence[tuple[PolicyRow, list[str]]]
    """What holds for calls of this project, with its sentences."""
    policies: Sequence[PolicyRow]
    counts: SafetyCounts
    can_write: bool

    def words_of_category(self, category: str) -> str:
        words = words_of_category(category)
        return words[:1].upper() + words[1:]


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    may_read = access.allowed(Permission.SAFETY_READ)

    @router.get("/safety")
    def overview(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        safety = services.safety
        with services.database.transaction() as tx:
            effective = safety.bindings.effective(tx, viewer)
            policies = safety.policies.list_policies(tx, viewer)
            counts = count_findings(tx, viewer.organization_id, services.clock.now())
        page = SafetyPage(
            effective=[(row, words_of_policy(row.content)) for row in effective],
            policies=policies,
            counts=counts,
            can_write=viewer.may(Permission.SAFETY_WRITE),
        )
        return portal.shell.page(request, "safety.html", page, viewer=viewer)

    return router
