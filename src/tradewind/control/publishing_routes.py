"""The routes of publishers, their listings, and the reviews of those."""

from typing import Annotated

from fastapi import Path, Response

from tradewind.control.access import Call, Routes
from tradewind.control.acting import acting
from tradewind.control.pages import After, Limit
from tradewind.control.publishing_answers import (
    ApplicationAnswer,
    ApplicationBody,
    ApplicationList,
    ContentBody,
    DecisionBody,
    ListingAnswer,
    ListingDetailAnswer,
    ListingPage,
    NewListingBody,
    Queue,
    ReasonBody,
    RunAnswer,
)
from tradewind.control.services import ControlServices
from tradewind.control.versions import IfMatch, etag, revision_of
from tradewind.core.permissions import Permission
from tradewind.features.publishing.schemas import ListingDetail, ListingRow

_Id = Annotated[str, Path(max_length=100)]


def add_publishing_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/publishing`."""
    _add_publisher_routes(routes, services)
    _add_listing_routes(routes, services)
    _add_review_routes(routes, services)


def _add_publisher_routes(routes: Routes, services: ControlServices) -> None:
    publishers = services.publishing.publishers
    reads, writes = Permission.PUBLISHING_READ, Permission.PUBLISHING_WRITE
    decides = Permission.REVIEWS_WRITE

    @routes.get("/publishing/applications", permission=reads, summary="What was asked for by name")
    def applications(call: Call) -> ApplicationList:
        return ApplicationList.of(publishers.list_own(call.tx, call.holder))

    @routes.post(
        "/publishing/applications", permission=writes, summary="Ask for a publisher's name"
    )
    def apply(call: Call, body: ApplicationBody) -> ApplicationAnswer:
        by = acting(services, call)
        return ApplicationAnswer.of(publishers.apply(call.tx, call.holder, by, body.to_new()))

    @routes.post(
        "/publishing/applications/{application_id}/proof",
        permission=writes,
        summary="Have the website's file and the domain's record looked for",
    )
    def prove(call: Call, application_id: _Id) -> ApplicationAnswer:
        row = publishers.look_for_proof(call.tx, call.holder, application_id)
        return ApplicationAnswer.of(row)

    @routes.get(
        "/publishing/reviews/applications",
        permission=Permission.REVIEWS_READ,
        summary="Applications of all organizations that wait",
    )
    def pending(call: Call) -> ApplicationList:
        return ApplicationList.of(publishers.list_pending(call.tx, call.holder))

    @routes.post(
        "/publishing/applications/{application_id}/decision",
        permission=decides,
        summary="Verify a publisher, or refuse",
    )
    def decide(call: Call, application_id: _Id, body: DecisionBody) -> ApplicationAnswer:
        row = publishers.decide(
            call.tx,
            call.holder,
            acting(services, call),
            application_id,
            is_accepted=body.is_accepted,
            reason=body.reason,
        )
        return ApplicationAnswer.of(row)


def _add_listing_routes(routes: Routes, services: ControlServices) -> None:
    listings, validations = services.publishing.listings, services.publishing.validations
    reads, writes = Permission.PUBLISHING_READ, Permission.PUBLISHING_WRITE

    @routes.get("/publishing/listings", permission=reads, summary="Listings of the organization")
    def all_listings(call: Call, limit: Limit = 100, after: After = None) -> ListingPage:
        rows = listings.list_listings(call.tx, call.holder, before=after, limit=limit + 1)
        shown = rows[:limit]
        return ListingPage(
            listings=[ListingAnswer.of(row) for row in shown],
            next=shown[-1].listing_id if len(rows) > limit else None,
        )

    @routes.post(
        "/publishing/listings",
        permission=writes,
        summary="Begin a listing, or return the one on its way",
    )
    def begin(call: Call, body: NewListingBody, response: Response) -> ListingDetailAnswer:
        by = acting(services, call)
        row = listings.begin(call.tx, call.holder, by, body.publisher, body.model)
        response.headers["location"] = f"/api/publishing/listings/{row.listing_id}"
        return _shown(listings.get_listing(call.tx, call.holder, row.listing_id), response)

    @routes.get("/publishing/listings/{listing_id}", permission=reads, summary="A listing")
    def listing(call: Call, listing_id: _Id, response: Response) -> ListingDetailAnswer:
        return _shown(listings.get_listing(call.tx, call.holder, listing_id), response)

    @routes.patch("/publishing/listings/{listing_id}", permission=writes, summary="Change a draft")
    def change(
        call: Call,
        listing_id: _Id,
        body: ContentBody,
        response: Response,
        if_match: IfMatch = None,
    ) -> ListingDetailAnswer:
        former = listings.get_listing(call.tx, call.holder, listing_id).row.content
        listings.save(
            call.tx,
            call.holder,
            listing_id,
            body.applied_to(former),
            revision=revision_of(if_match),
        )
        return _shown(listings.get_listing(call.tx, call.holder, listing_id), response)

    @routes.delete(
        "/publishing/listings/{listing_id}",
        permission=writes,
        summary="Delete a draft that was never submitted",
    )
    def discard(call: Call, listing_id: _Id) -> None:
        listings.discard(call.tx, call.holder, listing_id)

    @routes.post(
        "/publishing/listings/{listing_id}/submit",
        permission=writes,
        summary="Hand a draft in, to be tried and reviewed",
    )
    def submit(call: Call, listing_id: _Id, if_match: IfMatch = None) -> ListingAnswer:
        by = acting(services, call)
        row = listings.submit(call.tx, call.holder, by, listing_id, revision=revision_of(if_match))
        return ListingAnswer.of(row)

    @routes.post(
        "/publishing/listings/{listing_id}/withdraw",
        permission=writes,
        summary="Take back what was handed in",
    )
    def withdraw(call: Call, listing_id: _Id) -> ListingAnswer:
        by = acting(services, call)
        return ListingAnswer.of(listings.withdraw(call.tx, call.holder, by, listing_id))

    @routes.post(
        "/publishing/listings/{listing_id}/delist",
        permission=writes,
        summary="Take a model off the lists",
    )
    def delist(call: Call, listing_id: _Id, body: ReasonBody) -> ListingAnswer:
        by = acting(services, call)
        return ListingAnswer.of(listings.delist(call.tx, call.holder, by, listing_id, body.reason))

    @routes.post(
        "/publishing/listings/{listing_id}/validation",
        permission=writes,
        summary="Have what is listed tried again",
    )
    def validate(call: Call, listing_id: _Id) -> RunAnswer:
        return RunAnswer.of(validations.begin_again(call.tx, call.holder, listing_id))

    @routes.delete(
        "/publishing/listings/{listing_id}/validation",
        permission=writes,
        summary="End the validation that is under way",
    )
    def cancel(call: Call, listing_id: _Id) -> None:
        validations.cancel(call.tx, call.holder, acting(services, call), listing_id)


def _add_review_routes(routes: Routes, services: ControlServices) -> None:
    listings = services.publishing.listings
    decides = Permission.REVIEWS_WRITE

    @routes.get(
        "/publishing/reviews", permission=Permission.REVIEWS_READ, summary="Listings that wait"
    )
    def queue(call: Call) -> Queue:
        rows = listings.list_queue(call.tx, call.holder)
        return Queue(listings=[ListingAnswer.of(row) for row in rows])

    @routes.post(
        "/publishing/listings/{listing_id}/approve",
        permission=decides,
        summary="Approve a listing that somebody else submitted, and list it",
    )
    def approve(call: Call, listing_id: _Id, if_match: IfMatch = None) -> ListingAnswer:
        by = acting(services, call)
        row: ListingRow = listings.approve(
            call.tx, call.holder, by, listing_id, revision=revision_of(if_match)
        )
        return ListingAnswer.of(row)

    @routes.post(
        "/publishing/listings/{listing_id}/send-back",
        permission=decides,
        summary="Give a listing back, with what has to be done",
    )
    def send_back(
        call: Call, listing_id: _Id, body: ReasonBody, if_match: IfMatch = None
    ) -> ListingAnswer:
        row = listings.send_back(
            call.tx,
            call.holder,
            acting(services, call),
            listing_id,
            body.reason,
            revision=revision_of(if_match),
        )
        return ListingAnswer.of(row)


def _shown(detail: ListingDetail, response: Response) -> ListingDetailAnswer:
    response.headers["etag"] = etag(detail.row.revision)
    return ListingDetailAnswer.of(detail)
