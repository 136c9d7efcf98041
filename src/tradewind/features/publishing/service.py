"""What may be asked of listings: write them, submit, review, delist, and read their trail."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, Row

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import MalformedId, NotFound, PreconditionFailed
from tradewind.core.ids import ListingId, OrganizationId, ValidationRunId
from tradewind.core.permissions import Permission, require
from tradewind.features.accounts.schemas import Actor, may_review, require_reviewer
from tradewind.features.artifacts.schemas import ArtifactDetail
from tradewind.features.catalog.service import Catalog, check_name
from tradewind.features.endpoints.service import Endpoints
from tradewind.features.providers.service import Providers
from tradewind.features.publishing import repository, rows, rules
from tradewind.features.publishing.entry import put_into_catalog, take_out_of_catalog
from tradewind.features.publishing.errors import ListingIncomplete, ListingMove, TooManyListings
from tradewind.features.publishing.publishers import Publishers
from tradewind.features.publishing.schemas import (
    PLATFORM,
    Content,
    ListingDetail,
    ListingRow,
    Move,
    RunState,
    State,
)

LISTINGS_MAX = 2_000
"""Of one organization, without those that are delisted."""
SHOWN_MAX = 500
EVENTS_SHOWN = 200
RUNS_SHOWN = 20
QUEUE_MAX = 500
_OPEN = (State.DRAFT.value, State.SUBMITTED.value, State.IN_REVIEW.value, State.APPROVED.value)
_EMPTY = Content()


class ArtifactFacts(Protocol):
    """The part of `artifacts.service.Artifacts` that is needed here."""

    def find(self, tx: Connection, digest: str) -> ArtifactDetail | None: ...


ReleaseGate = Callable[[Connection, str], None]
"""Raises a Conflict that names what is missing, for `publisher/slug`; commonly
`trust.releases.Releases`."""


class Publishing:
    """Listings of the actor's own organization, and everybody's for who reviews."""

    def __init__(
        self,
        catalog: Catalog,
        providers: Providers,
        endpoints: Endpoints,
        publishers: Publishers,
        clock: Clock,
        *,
        artifacts: ArtifactFacts | None,
        allows_self_review: bool = False,
        release_gate: ReleaseGate | None = None,
    ) -> None:
        """Without `artifacts` only models that a provider's host answers for are published, and
        without `release_gate` a validation and a review are all that is asked for.

        `allows_self_review` is for a platform that one person runs: who submitted a listing may
        approve it then, which the listing and its trail say for good.
        """
        self._catalog = catalog
        self._providers = providers
        self._endpoints = endpoints
        self._publishers = publishers
        self._artifacts = artifacts
        self._clock = clock
        self.allows_self_review = allows_self_review
        self._release_gate = release_gate

    # --- reading ---------------------------------------------------------------------------

    def list_listings(
        self, tx: Connection, actor: Actor, *, before: str | None = None, limit: int = 100
    ) -> list[ListingRow]:
        """Return the organization's listings, the newest first."""
        require(actor, Permission.PUBLISHING_READ)
        found = repository.list_listings(
            tx, organization_id=actor.organization_id, before=before, limit=min(limit, SHOWN_MAX)
        )
        return self._rows(tx, found)

    def get_listing(self, tx: Connection, actor: Actor, listing_id: str) -> ListingDetail:
        """Return a listing with its trail, its runs and what it would change.

        Raises NotFound, also for another organization's, but to reviewers what was submitted.
        """
        return self._detail(tx, self._find(tx, actor, listing_id))

    def list_queue(self, tx: Connection, actor: Actor) -> list[ListingRow]:
        """Return what waits for a review, and what is being tried, the longest first."""
        require_reviewer(actor, Permission.REVIEWS_READ)
        states = (State.IN_REVIEW.value, State.SUBMITTED.value, State.APPROVED.value)
        return self._rows(tx, repository.list_in_state(tx, states, QUEUE_MAX))

    def find_current(
        self, tx: Connection, actor: Actor, publisher: str, slug: str
    ) -> tuple[ListingRow | None, ListingRow | None]:
        """Return what is on its way of a model, and what is listed."""
        require(actor, Permission.PUBLISHING_READ)
        self._publishers.require_owner(tx, actor.organization_id, publisher)
        on_its_way = repository.find_of_model(tx, publisher, slug, _OPEN)
        listed = repository.find_of_model(tx, publisher, slug, (State.LISTED.value,))
        return (
            None if on_its_way is None else rows.listing_row(on_its_way),
            None if listed is None else rows.listing_row(listed),
        )

    # --- writing ---------------------------------------------------------------------------

    def begin(self, tx: Connection, actor: Actor, by: By, publisher: str, slug: str) -> ListingRow:
        """Begin a listing; of a model that is listed, with what is listed now. Idempotent: what is
        on its way already is returned.

        Raises NotPublisher (403), InvalidInput, TooManyListings (409).
        """
        require(actor, Permission.PUBLISHING_WRITE)
        rules.check_slug(slug)
        check_name(publisher, slug)
        self._publishers.require_owner(tx, actor.organization_id, publisher)
        repository.lock_publisher(tx, actor.organization_id)
        on_its_way, listed = self.find_current(tx, actor, publisher, slug)
        if on_its_way is not None:
            return on_its_way
        if repository.count_listings(tx, actor.organization_id, is_open=True) >= LISTINGS_MAX:
            raise TooManyListings(
                f"this organization has {LISTINGS_MAX} listings", hint="delist some"
            )
        content = listed.content if listed is not None else self._known(tx, publisher, slug)
        listing_id, now = ListingId.new(), self._clock.now()
        repository.add_listing(
            tx,
            {
                "id": listing_id,
                "organization_id": actor.organization_id,
                "publisher_slug": publisher,
                "slug": slug,
                "state": State.DRAFT.value,
                "content": msgspec.to_builtins(content),
                "revision": 1,
                "created_by": by.id,
                "created_by_name": by.name,
                "created_at": now,
                "updated_at": now,
            },
        )
        return self._row(tx, self._find(tx, actor, listing_id))

    def save(
        self,
        tx: Connection,
        actor: Actor,
        listing_id: str,
        content: Content,
        *,
        revision: int | None = None,
    ) -> ListingRow:
        """Keep the content of a draft, complete or not, if nothing was changed since `revision`.

        Raises ListingMove (409) for what is no draft, InvalidInput for what cannot be kept.
        """
        row = self._lock(tx, actor, listing_id, revision)
        if row.state is not State.DRAFT:
            raise ListingMove(
                f"a listing that is {row.state.value.replace('_', ' ')} cannot be changed",
                hint="withdraw it, or begin another one",
            )
        rules.check_bounds(content)
        if content != row.content:
            repository.update_listing(
                tx,
                row.listing_id,
                {"content": msgspec.to_builtins(content), "updated_at": self._clock.now()},
            )
        return self._row(tx, self._find(tx, actor, listing_id))

    def submit(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        listing_id: str,
        *,
        revision: int | None = None,
    ) -> ListingRow:
        """Hand a draft in. The platform tries the model first; then somebody reviews it.

        Raises ListingIncomplete (422), which names the fields.
        """
        row = self._lock(tx, actor, listing_id, revision)
        self._publishers.require_owner(tx, row.organization_id, row.publisher)
        wrong = rules.problems(row.content)
        if wrong:
            field, error = next(iter(wrong.items()))
            raise ListingIncomplete(
                f"{len(wrong)} fields are not right yet: {', '.join(wrong)};"
                f" {field}: {error.message}",
                hint=error.hint,
            )
        self._check_source(tx, actor, row)
        repository.update_listing(
            tx, row.listing_id, {"submitted_by": by.id, "submitted_by_name": by.name}
        )
        self._move(tx, row, Move.SUBMIT, by)
        self._begin_run(tx, row.listing_id, is_scheduled=False)
        return self._row(tx, self._find(tx, actor, listing_id))

    def withdraw(self, tx: Connection, actor: Actor, by: By, listing_id: str) -> ListingRow:
        """Take back what was handed in; a run that is under way ends."""
        row = self._lock(tx, actor, listing_id, None)
        self._move(tx, row, Move.WITHDRAW, by)
        self._cancel_run(tx, row.listing_id)
        return self._row(tx, self._find(tx, actor, listing_id))

    def discard(self, tx: Connection, actor: Actor, listing_id: str) -> None:
        """Delete a draft. Raises ListingMove (409) for one with a trail, which is kept."""
        row = self._lock(tx, actor, listing_id, None)
        if not repository.delete_draft(tx, row.listing_id):
            raise ListingMove(
                "this listing was submitted before, and what became of it is kept",
                hint="leave it as it is, or change it and submit it again",
            )

    def delist(
        self, tx: Connection, actor: Actor, by: By, listing_id: str, reason: str
    ) -> ListingRow:
        """Take a model off the lists, by its publisher or by a reviewer. Whoever calls it goes on
        calling it; its end is the business of its lifecycle.
        """
        if not (may_review(actor) and actor.may(Permission.REVIEWS_WRITE)):
            require(actor, Permission.PUBLISHING_WRITE)
        row = self._row(tx, self._find(tx, actor, listing_id, locks=True))
        self._move(tx, row, Move.DELIST, by, reason=reason)
        assert row.model_id is not None, "it was listed"
        take_out_of_catalog(tx, self._catalog, row)
        return self._row(tx, self._find(tx, actor, listing_id))

    # --- reviewing -------------------------------------------------------------------------

    def approve(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        listing_id: str,
        *,
        revision: int | None = None,
    ) -> ListingRow:
        """Approve what passed its validation, and list it: its model comes into the catalog, and
        one that a provider's host answers for gets its endpoint.

        All or nothing. Raises SelfReview (403) unless that is allowed, ListingMove (409), what the
        gate of releases raises (409), PreconditionFailed (412).
        """
        row = self._lock_for_review(tx, actor, listing_id, revision)
        former = repository.find_of_model(
            tx, row.publisher, row.slug, (State.LISTED.value,), locks=True
        )
        is_self_reviewed = rules.is_self_review(by, row.submitted_by)
        self._move(
            tx,
            row,
            Move.APPROVE,
            by,
            is_validated=self._has_passed(tx, row.listing_id),
            is_self_review=is_self_reviewed and self.allows_self_review,
        )
        if self._release_gate is not None:
            self._release_gate(tx, row.name)
        owner = self._publishers.require_owner(tx, row.organization_id, row.publisher)
        if former is not None:
            self._move(
                tx,
                rows.listing_row(former),
                Move.REPLACE,
                by,
                reason=f"replaced by {row.listing_id}",
            )
        entry = put_into_catalog(
            tx,
            row,
            owner.name,
            catalog=self._catalog,
            endpoints=self._endpoints,
            artifact=self._artifact(tx, row),
        )
        repository.update_listing(
            tx,
            row.listing_id,
            {
                "model_id": entry.model_id,
                "version_id": entry.version_id,
                "is_self_reviewed": is_self_reviewed,
            },
        )
        approved = self._row(tx, self._find(tx, actor, listing_id))
        self._move(tx, approved, Move.LIST, PLATFORM)
        return self._row(tx, self._find(tx, actor, listing_id))

    def send_back(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        listing_id: str,
        reason: str,
        *,
        revision: int | None = None,
    ) -> ListingRow:
        """Make it a draft again, with what has to be done. Raises as `approve`, InvalidInput."""
        row = self._lock_for_review(tx, actor, listing_id, revision)
        self._move(tx, row, Move.SEND_BACK, by, reason=reason)
        return self._row(tx, self._find(tx, actor, listing_id))

    # --- inside ----------------------------------------------------------------------------

    def _known(self, tx: Connection, publisher: str, slug: str) -> Content:
        """Return what the catalog knows already of a model that lists have brought in."""
        if self._catalog.find_model(tx, f"{publisher}/{slug}") is None:
            return _EMPTY
        model = self._catalog.show_model(tx, f"{publisher}/{slug}", None)
        operation = _EMPTY.operation if model.operation is None else model.operation.value
        return Content(
            display_name=model.display_name,
            operation=operation,
            family=model.family,
            context_tokens=model.context_tokens,
            max_output_tokens=model.max_output_tokens,
            capabilities=model.capabilities,
            description=model.description,
            card=model.card,
            licence=model.licence,
            licence_url=model.licence_url,
            is_gated=model.is_gated,
        )

    def _check_source(self, tx: Connection, actor: Actor, row: ListingRow) -> None:
        """Raise ListingIncomplete unless what is to answer is the publisher's own."""
        content = row.content
        if content.is_bound:
            try:
                self._providers.get_connection(tx, actor, content.connection_id)
            except NotFound as error:
                raise ListingIncomplete(error.message, hint=error.hint) from error
            return
        artifact = self._artifact(tx, row)
        if artifact is None:
            raise ListingIncomplete(
                f"there is no artifact {content.artifact[:80]!r} of this organization",
                hint="upload its files first",
            )
        if artifact.row.is_quarantined:
            raise ListingIncomplete(
                "the artifact is in quarantine", hint="see what its scan has found"
            )

    def _artifact(self, tx: Connection, row: ListingRow) -> ArtifactDetail | None:
        if self._artifacts is None or not row.content.artifact:
            return None
        found = self._artifacts.find(tx, row.content.artifact)
        if found is None or found.row.organization_id != row.organization_id:
            return None
        return found

    def _has_passed(self, tx: Connection, listing_id: ListingId) -> bool:
        last = repository.last_runs(tx, [listing_id]).get(listing_id)
        return last is not None and last.state == RunState.PASSED.value

    def _begin_run(self, tx: Connection, listing_id: ListingId, *, is_scheduled: bool) -> None:
        begin_run(tx, listing_id, self._clock, is_scheduled=is_scheduled)

    def _cancel_run(self, tx: Connection, listing_id: ListingId) -> None:
        run = repository.find_open_run(tx, listing_id)
        if run is not None:
            end_run(tx, run.id, RunState.CANCELLED, self._clock)

    def _move(
        self,
        tx: Connection,
        row: ListingRow,
        move: Move,
        by: By,
        *,
        reason: str = "",
        is_validated: bool = False,
        is_self_review: bool = False,
    ) -> State:
        return make_move(
            tx,
            row,
            move,
            by,
            self._clock,
            reason=reason,
            is_validated=is_validated,
            is_self_review=is_self_review,
        )

    def _lock(
        self, tx: Connection, actor: Actor, listing_id: str, revision: int | None
    ) -> ListingRow:
        require(actor, Permission.PUBLISHING_WRITE)
        found = repository.find_listing(
            tx, _parse(listing_id), organization_id=actor.organization_id, locks=True
        )
        if found is None:
            raise _not_found(listing_id)
        return _unchanged(rows.listing_row(found), revision)

    def _lock_for_review(
        self, tx: Connection, actor: Actor, listing_id: str, revision: int | None
    ) -> ListingRow:
        require_reviewer(actor, Permission.REVIEWS_WRITE)
        found = self._find(tx, actor, listing_id, locks=True)
        return _unchanged(rows.listing_row(found), revision)

    def _find(
        self, tx: Connection, actor: Actor, listing_id: str, *, locks: bool = False
    ) -> Row[Any]:
        is_reviewer = may_review(actor)
        if not is_reviewer:
            require(actor, Permission.PUBLISHING_READ)
        found = repository.find_listing(
            tx,
            _parse(listing_id),
            organization_id=None if is_reviewer else actor.organization_id,
            locks=locks,
        )
        if found is None or (
            # What a publisher has not handed in yet is theirs alone.
            found.organization_id != actor.organization_id and found.submitted_by is None
        ):
            raise _not_found(listing_id)
        return found

    def _row(self, tx: Connection, row: Row[Any]) -> ListingRow:
        return self._rows(tx, [row])[0]

    def _rows(self, tx: Connection, found: Sequence[Row[Any]]) -> list[ListingRow]:
        ids = [row.id for row in found]
        runs, reasons = repository.last_runs(tx, ids), repository.last_reasons(tx, ids)
        return [rows.listing_row(row, runs.get(row.id), reasons.get(row.id, "")) for row in found]

    def _detail(self, tx: Connection, found: Row[Any]) -> ListingDetail:
        row = self._row(tx, found)
        listed = repository.find_of_model(tx, row.publisher, row.slug, (State.LISTED.value,))
        other = None
        if listed is not None and listed.id != row.listing_id:
            other = rows.listing_row(listed)
        return ListingDetail(
            row=row,
            listed=other,
            differences=rules.differences(None if other is None else other.content, row.content),
            events=tuple(
                rows.event_row(one)
                for one in repository.events_of(tx, row.listing_id, EVENTS_SHOWN)
            ),
            runs=tuple(
                rows.run_row(one) for one in repository.runs_of(tx, row.listing_id, RUNS_SHOWN)
            ),
        )


def make_move(
    tx: Connection,
    row: ListingRow,
    move: Move,
    by: By,
    clock: Clock,
    *,
    reason: str = "",
    is_validated: bool = False,
    is_self_review: bool = False,
) -> State:
    """Take a locked listing to its next state and write that into the trail. Raises ListingMove.

    `is_self_review` says that an approval by who submitted it is allowed, and is written down.
    """
    state = rules.moved(
        row.state,
        move,
        by=by,
        submitted_by=row.submitted_by,
        reason=reason,
        is_validated=is_validated,
        allows_self_review=is_self_review,
    )
    now = clock.now()
    repository.update_listing(tx, row.listing_id, {"state": state.value, "updated_at": now})
    repository.add_event(
        tx,
        {
            "listing_id": row.listing_id,
            "at": now,
            "move": move.value,
            "former": row.state.value,
            "state": state.value,
            "by_id": by.id,
            "by_name": by.name,
            "reason": reason.strip(),
            "content": msgspec.to_builtins(row.content) if move is Move.SUBMIT else None,
            "is_self_review": is_self_review,
        },
    )
    return state


def begin_run(tx: Connection, listing_id: str, clock: Clock, *, is_scheduled: bool) -> None:
    """Have a listing tried. Idempotent while a run is under way."""
    now = clock.now()
    repository.add_run(
        tx,
        {
            "id": ValidationRunId.new(),
            "listing_id": listing_id,
            "state": RunState.WAITING.value,
            "stage": "waits for the worker",
            "is_scheduled": is_scheduled,
            "next_try_at": now,
            "created_at": now,
        },
    )


def end_run(tx: Connection, run_id: str, state: RunState, clock: Clock) -> None:
    repository.update_run(
        tx,
        run_id,
        {"state": state.value, "stage": "", "next_try_at": None, "ended_at": clock.now()},
    )


def artifact_in_use(tx: Connection, organization_id: OrganizationId, digest: str) -> str | None:
    """Return which listing needs an artifact, for whoever is about to delete it."""
    row = repository.find_user_of_artifact(tx, organization_id, digest)
    return None if row is None else f"the listing {row.publisher_slug}/{row.slug}"


def _unchanged(row: ListingRow, revision: int | None) -> ListingRow:
    if revision is not None and revision != row.revision:
        raise PreconditionFailed(
            f"the listing {row.listing_id} was changed by somebody else",
            hint="read it again and repeat the change",
        )
    return row


def _parse(listing_id: str) -> ListingId:
    try:
        return ListingId.parse(listing_id)
    except MalformedId:
        raise _not_found(listing_id) from None


def _not_found(listing_id: str) -> NotFound:
    return NotFound(f"there is no listing {listing_id[:64]!r}", hint="list the listings")
