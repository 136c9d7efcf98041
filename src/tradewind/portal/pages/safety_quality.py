"""The quality card: what was measured of each check, beside what Azure's own filter was measured
at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.plugins.checks.quality_card import Card, Measure, find_card
from tradewind.portal.parts import Portal

AZURE_MAE = {"hate": 0.171, "self_harm": 0.268, "sexual": 0.195, "violence": 0.244}
"""Mean absolute errors of Azure AI Content Safety, as its maker recorded them in PyRIT 1.1.0
(`datasets/scorer_evals`), on the same human-labelled texts as the sets `human…`.
"""
_HUMAN = "human"


@dataclass(frozen=True, slots=True)
class Line:
    """One category on one set."""

    set_name: str
    category: str
    measure: Measure
    azure: float | None
    """Azure's mean absolute error there; None where it was not measured."""

    @property
    def is_better(self) -> bool | None:
        if self.azure is None or self.measure.mae is None:
            return None
        return self.measure.mae <= self.azure


@dataclass(frozen=True, slots=True)
class MeasuredCheck:
    name: str
    version: str
    lines: Sequence[Line]
    not_measured: str
    ms_per_kb: float | None


@dataclass(frozen=True, slots=True)
class QualityPage:
    card: Card | None
    checks: Sequence[MeasuredCheck]

    def interval(self, measure: Measure, figure: str) -> str:
        found = measure.intervals.get(figure)
        return "" if found is None else f"{found[0]:.2f} to {found[1]:.2f}"


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    may_read = portal.access.allowed(Permission.SAFETY_READ)

    @router.get("/safety/quality")
    def quality(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        # Read anew: whoever measures on this machine sees it at once.
        card = find_card()
        page = QualityPage(card, [] if card is None else measured(card))
        return portal.shell.page(request, "safety_quality.html", page, viewer=viewer)

    return router


def measured(card: Card) -> list[MeasuredCheck]:
    """Return the checks in order, those that were measured first."""
    found = [
        MeasuredCheck(
            name,
            checked.version,
            list(_lines(name, checked.sets)),
            checked.not_measured,
            card.latency.get(name),
        )
        for name, checked in card.checks.items()
    ]
    return sorted(found, key=lambda each: (not each.lines, each.name))


def _lines(check: str, sets: Mapping[str, Mapping[str, Measure]]) -> Sequence[Line]:
    return [
        Line(
            name,
            category,
            measure,
            AZURE_MAE.get(category)
            if check == "harms" and name.startswith(_HUMAN) and measure.mae is not None
            else None,
        )
        for name, categories in sets.items()
        for category, measure in categories.items()
    ]
