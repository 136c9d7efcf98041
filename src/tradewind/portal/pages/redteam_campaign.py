"""A campaign: its progress, its report as a matrix, its attacks; and one attack's transcript."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.redteam import rules
from tradewind.features.redteam.errors import CampaignOver
from tradewind.features.redteam.harmless import attacks_among, refused_of
from tradewind.features.redteam.schemas import (
    AttackRow,
    CampaignRow,
    Cell,
    Change,
    Counts,
    Outcome,
    Rate,
    RevealRow,
)
from tradewind.features.redteam.scorecard import technique
from tradewind.features.redteam.service import Revealed
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.parts import Portal

_ATTACKS_SHOWN = 50
_OTHERS_SHOWN = 50
_ATTACK_NUMBERS = 2**63
_Id = str


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """One harm under one technique: with the filter and without."""

    on: Rate | None
    off: Rate | None
    on_counts: Counts | None
    off_counts: Counts | None


@dataclass(frozen=True, slots=True)
class CampaignPage:
    campaign: CampaignRow
    on: tuple[Counts, Rate] | None
    off: tuple[Counts, Rate] | None
    harmless_on: tuple[int, Rate] | None
    """How many harmless questions were asked, and which share was refused."""
    harmless_off: tuple[int, Rate] | None
    techniques: Sequence[str]
    matrix: Mapping[str, Mapping[str, MatrixCell]]
    """Harms, and under each its techniques."""
    has_results: bool
    attacks: Sequence[AttackRow]
    outcome: str
    next_after: int | None
    others: Sequence[CampaignRow]
    reveals: Sequence[RevealRow]
    can_write: bool
    can_reveal: bool
    errors: FieldErrors = field(default_factory=FieldErrors)
    outcomes: Sequence[str] = tuple(each.value for each in Outcome)

    @property
    def is_news_coming(self) -> bool:
        return not self.campaign.state.is_over

    @property
    def can_resume(self) -> bool:
        state = self.campaign.state.value
        return state in {"failed", "cancelled"} or self.campaign.is_spent


@dataclass(frozen=True, slots=True)
class ComparisonPage:
    before: CampaignRow
    after: CampaignRow
    changes: Sequence[Change]

    def technique(self, change: Change) -> str:
        return technique(change.strategy, change.converter).replace("_", " ")


@dataclass(frozen=True, slots=True)
class AttackPage:
    campaign: CampaignRow
    number: int
    revealed: Revealed | None = None
    reason: str = ""
    errors: FieldErrors = field(default_factory=FieldErrors)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, red_team = services.database, services.red_team
    may_read = access.allowed(Permission.REDTEAM_READ)
    may_write = access.allowed(Permission.REDTEAM_WRITE)
    may_reveal = access.allowed(Permission.REDTEAM_TRANSCRIPTS)
    own_form = [Depends(access.own_form)]

    @router.get("/red-team/{campaign_id}")
    def show(
        request: Request,
        campaign_id: _Id,
        viewer: Annotated[Viewer, Depends(may_read)],
        outcome: Annotated[str, Query(max_length=20)] = "",
        after: Annotated[int, Query(ge=0, lt=_ATTACK_NUMBERS)] = 0,
    ) -> Response:
        return _answer(request, viewer, campaign_id, outcome=outcome, after=after)

    @router.post("/red-team/{campaign_id}/cancel", dependencies=own_form)
    def cancel(campaign_id: _Id, viewer: Annotated[Viewer, Depends(may_write)]) -> Response:
        with database.transaction() as tx:
            red_team.cancel(tx, viewer, campaign_id)
        return RedirectResponse(f"/red-team/{campaign_id}", HTTPStatus.SEE_OTHER)

    @router.post("/red-team/{campaign_id}/resume", dependencies=own_form)
    def resume(
        request: Request,
        campaign_id: _Id,
        viewer: Annotated[Viewer, Depends(may_write)],
        budget_tokens: Annotated[int | None, Form(ge=1, le=rules.MOST_BUDGET)] = None,
    ) -> Response:
        try:
            with database.transaction() as tx:
                red_team.resume(tx, viewer, campaign_id, budget_tokens=budget_tokens)
        except (CampaignOver, InvalidInput, Conflict) as error:
            errors = FieldErrors()
            errors.add(WHOLE_FORM, error)
            status = HTTPStatus(error.status)
            return _answer(request, viewer, campaign_id, errors=errors, status=status)
        return RedirectResponse(f"/red-team/{campaign_id}", HTTPStatus.SEE_OTHER)

    @router.get("/red-team/{campaign_id}/scorecard-{which}.json")
    def scorecard(
        campaign_id: _Id, which: str, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        with database.transaction() as tx:
            card = red_team.scorecard(tx, viewer, campaign_id, is_filtered=which == "on")
        name = f"scorecard-filter-{'on' if which == 'on' else 'off'}.json"
        return JSONResponse(card, headers={"content-disposition": f'attachment; filename="{name}"'})

    @router.get("/red-team/{campaign_id}/compare")
    def compare(
        request: Request,
        campaign_id: _Id,
        viewer: Annotated[Viewer, Depends(may_read)],
        before: Annotated[str, Query(max_length=100)] = "",
    ) -> Response:
        with database.transaction() as tx:
            former, latter, changes = red_team.compare(tx, viewer, before, campaign_id)
        page = ComparisonPage(former.campaign, latter.campaign, changes)
        return portal.shell.page(request, "redteam_compare.html", page, viewer=viewer)

    @router.get("/red-team/{campaign_id}/attacks/{number}")
    def attack(
        request: Request,
        campaign_id: _Id,
        number: int,
        viewer: Annotated[Viewer, Depends(may_reveal)],
    ) -> Response:
        with database.transaction() as tx:
            page = AttackPage(red_team.get(tx, viewer, campaign_id), number)
        return portal.shell.page(request, "redteam_attack.html", page, viewer=viewer)

    @router.post("/red-team/{campaign_id}/attacks/{number}", dependencies=own_form)
    def reveal(
        request: Request,
        campaign_id: _Id,
        number: int,
        viewer: Annotated[Viewer, Depends(may_reveal)],
        reason: Annotated[str, Form(max_length=500)] = "",
    ) -> Response:
        errors, status, found = FieldErrors(), HTTPStatus.OK, None
        with database.transaction() as tx:
            campaign = red_team.get(tx, viewer, campaign_id)
        try:
            with database.transaction() as tx:
                by = viewer.by
                found = red_team.reveal(tx, viewer, by, campaign_id, number, reason=reason)
        except InvalidInput as error:
            errors.add("reason", error)
            status = HTTPStatus(error.status)
        page = AttackPage(campaign, number, found, reason, errors)
        return portal.shell.page(request, "redteam_attack.html", page, viewer=viewer, status=status)

    def _answer(
        request: Request,
        viewer: Viewer,
        campaign_id: str,
        *,
        outcome: str = "",
        after: int = 0,
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        wanted = Outcome(outcome) if outcome in set(Outcome) else None
        with database.transaction() as tx:
            found = red_team.results(tx, viewer, campaign_id)
            attacks = red_team.attacks(
                tx, viewer, campaign_id, after=after, limit=_ATTACKS_SHOWN + 1, outcome=wanted
            )
            others = red_team.list_campaigns(
                tx, viewer, limit=_OTHERS_SHOWN, target=found.campaign.spec.target
            )
            reveals = red_team.reveals(tx, viewer, campaign_id)
        attacked = attacks_among(found.cells)
        techniques, matrix = matrix_of(attacked)
        shown = attacks[:_ATTACKS_SHOWN]
        page = CampaignPage(
            campaign=found.campaign,
            on=_pass(attacked, is_filtered=True),
            off=_pass(attacked, is_filtered=False),
            harmless_on=_refused(found.cells, is_filtered=True),
            harmless_off=_refused(found.cells, is_filtered=False),
            techniques=techniques,
            matrix=matrix,
            has_results=bool(found.cells),
            attacks=shown,
            outcome="" if wanted is None else wanted.value,
            next_after=shown[-1].number if len(attacks) > _ATTACKS_SHOWN else None,
            others=[row for row in others if row.campaign_id != campaign_id],
            reveals=reveals,
            can_write=viewer.may(Permission.REDTEAM_WRITE),
            can_reveal=viewer.may(Permission.REDTEAM_TRANSCRIPTS),
            errors=errors or FieldErrors(),
        )
        return portal.shell.page(
            request, "redteam_campaign.html", page, viewer=viewer, status=status
        )

    return router


def matrix_of(cells: Sequence[Cell]) -> tuple[list[str], dict[str, dict[str, MatrixCell]]]:
    """Return the techniques, and for each harm the rates under each of them."""
    by_place: dict[tuple[str, str, bool], Counts] = {}
    for cell in cells:
        place = (cell.harm, technique(cell.strategy, cell.converter), cell.is_filtered)
        former = by_place.get(place)
        by_place[place] = cell.counts if former is None else former.plus(cell.counts)
    techniques = list(dict.fromkeys(name for _, name, _ in by_place))
    return techniques, {
        harm: {name: _matrix_cell(by_place, harm, name) for name in techniques}
        for harm in dict.fromkeys(harm for harm, _, _ in by_place)
    }


def _matrix_cell(
    by_place: Mapping[tuple[str, str, bool], Counts], harm: str, name: str
) -> MatrixCell:
    on, off = by_place.get((harm, name, True)), by_place.get((harm, name, False))
    return MatrixCell(
        on=None if on is None else rules.rate_of(on),
        off=None if off is None else rules.rate_of(off),
        on_counts=on,
        off_counts=off,
    )


def _refused(cells: Sequence[Cell], *, is_filtered: bool) -> tuple[int, Rate] | None:
    refused, asked = refused_of(cells, is_filtered=is_filtered)
    return (asked, rules.wilson(refused, asked)) if asked else None


def _pass(cells: Sequence[Cell], *, is_filtered: bool) -> tuple[Counts, Rate] | None:
    of_pass = [cell for cell in cells if cell.is_filtered is is_filtered]
    if not of_pass:
        return None
    counts = rules.total(of_pass)
    return counts, rules.rate_of(counts)
