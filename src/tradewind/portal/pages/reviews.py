"""What waits for a decision: names of publishers, and listings with what they would change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    PreconditionFailed,
    TradewindError,
)
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.publishing.schemas import (
    ApplicationRow,
    ListingDetail,
    ListingRow,
    State,
)
from tradewind.portal.form_fields import Fields
from tradewind.portal.parts import Portal
from tradewind.portal.publishing_form import CHECK_LABELS, FIELD_LABELS, MOVE_LABELS
from tradewind.portal.revisions import revision_of

_LONGEST_REASON = 2_100


@dataclass(frozen=True, slots=True)
class ReviewsPage:
    listings: Sequence[ListingRow]
    """In review, the longest first."""
    tried: Sequence[ListingRow]
    """Still being validated."""
    applications: Sequence[ApplicationRow]
    allows_self_review: bool


@dataclass(frozen=True, slots=True)
class ReviewPage:
    detail: ListingDetail
    is_own: bool
    """The viewer submitted it, so another person decides, unless self-reviews are allowed."""
    allows_self_review: bool = False
    reason: str = ""
    refusal: TradewindError | None = None
    labels: Mapping[str, str] = field(default_factory=lambda: FIELD_LABELS)
    moves: Mapping[str, str] = field(default_factory=lambda: MOVE_LABELS)
    checks: Mapping[str, str] = field(default_factory=lambda: CHECK_LABELS)

    @property
    def listing(self) -> ListingRow:
        return self.detail.row

    @property
    def can_decide(self) -> bool:
        return self.detail.row.state is State.IN_REVIEW

    @property
    def can_approve(self) -> bool:
        return self.can_decide and (self.allows_self_review or not self.is_own)


@dataclass(frozen=True, slots=True)
class ReviewApplicationPage:
    application: ApplicationRow
    reason: str = ""
    refusal: TradewindError | None = None


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database = services.database
    publishers, listings = services.publishing.publishers, services.publishing.listings
    may_review = access.allowed(Permission.REVIEWS_READ)
    may_decide = access.allowed(Permission.REVIEWS_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get("/reviews")
    def queue(request: Request, viewer: Annotated[Viewer, Depends(may_review)]) -> Response:
        with database.transaction() as tx:
            rows = listings.list_queue(tx, viewer)
            pending = publishers.list_pending(tx, viewer)
        page = ReviewsPage(
            [row for row in rows if row.state is not State.SUBMITTED],
            [row for row in rows if row.state is State.SUBMITTED],
            pending,
            listings.allows_self_review,
        )
        return portal.shell.page(request, "reviews.html", page, viewer=viewer)

    @router.get("/reviews/listings/{listing_id}")
    def listing(
        request: Request, listing_id: str, viewer: Annotated[Viewer, Depends(may_review)]
    ) -> Response:
        return _listing(request, viewer, listing_id)

    @router.post("/reviews/listings/{listing_id}", dependencies=own_form)
    def decide(
        request: Request,
        listing_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_decide)],
    ) -> Response:
        reason = fields.text("reason")[:_LONGEST_REASON]
        try:
            with database.transaction() as tx:
                if fields.text("decision") == "approve":
                    listings.approve(
                        tx, viewer, viewer.by, listing_id, revision=revision_of(fields)
                    )
                else:
                    listings.send_back(
                        tx,
                        viewer,
                        viewer.by,
                        listing_id,
                        reason,
                        revision=revision_of(fields),
                    )
        except (Conflict, Forbidden, InvalidInput, PreconditionFailed) as error:
            return _listing(request, viewer, listing_id, reason=reason, refusal=error)
        return RedirectResponse("/reviews", HTTPStatus.SEE_OTHER)

    @router.get("/reviews/applications/{application_id}")
    def application(
        request: Request, application_id: str, viewer: Annotated[Viewer, Depends(may_review)]
    ) -> Response:
        return _application(request, viewer, application_id)

    @router.post("/reviews/applications/{application_id}", dependencies=own_form)
    def decide_application(
        request: Request,
        application_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_decide)],
    ) -> Response:
        reason = fields.text("reason")[:_LONGEST_REASON]
        try:
            with database.transaction() as tx:
                publishers.decide(
                    tx,
                    viewer,
                    viewer.by,
                    application_id,
                    is_accepted=fields.text("decision") == "accept",
                    reason=reason,
                )
        except (Conflict, InvalidInput) as error:
            return _application(request, viewer, application_id, reason=reason, refusal=error)
        return RedirectResponse("/reviews", HTTPStatus.SEE_OTHER)

    def _listing(
        request: Request,
        viewer: Viewer,
        listing_id: str,
        *,
        reason: str = "",
        refusal: TradewindError | None = None,
    ) -> Response:
        with database.transaction() as tx:
            detail = listings.get_listing(tx, viewer, listing_id)
        submitted_by = detail.row.submitted_by
        is_own = submitted_by is not None and submitted_by.id == viewer.user_id
        page = ReviewPage(detail, is_own, listings.allows_self_review, reason, refusal)
        status = HTTPStatus.OK if refusal is None else HTTPStatus(refusal.status)
        return portal.shell.page(request, "review_listing.html", page, viewer=viewer, status=status)

    def _application(
        request: Request,
        viewer: Viewer,
        application_id: str,
        *,
        reason: str = "",
        refusal: TradewindError | None = None,
    ) -> Response:
        with database.transaction() as tx:
            row = publishers.get(tx, viewer, application_id)
        page = ReviewApplicationPage(row, reason, refusal)
        status = HTTPStatus.OK if refusal is None else HTTPStatus(refusal.status)
        return portal.shell.page(
            request, "review_application.html", page, viewer=viewer, status=status
        )

    return router
