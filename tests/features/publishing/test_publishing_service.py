"""Publishers, listings and their reviews, on a real database."""

import pytest
from sqlalchemy.exc import DBAPIError

from tests.features.publishing.conftest import ADA, DIGEST, GRACE
from tradewind.core.errors import (
    Forbidden,
    InvalidInput,
    NotFound,
    PreconditionFailed,
)
from tradewind.core.permissions import Role
from tradewind.features.publishing.errors import (
    ListingIncomplete,
    ListingMove,
    NotPublisher,
    PublisherTaken,
    SelfReview,
)
from tradewind.features.publishing.schemas import (
    ApplicationState,
    Move,
    Proof,
    ProofKind,
    RunState,
    State,
)
from tradewind.features.publishing.service import artifact_in_use
from tradewind.features.publishing.services import build_publishing
from tradewind.features.publishing.validations import LEASE, MOST_ATTEMPTS
from tradewind.readmodels.validations import read_validation

# --- publishers ----------------------------------------------------------------------------


def test_a_verified_publisher_owns_its_name(*, do, acme, apply, publishing, operator, person):
    assert acme.state is ApplicationState.VERIFIED
    assert [row.slug for row in do(publishing.publishers.owned, operator)] == ["acme"]

    with pytest.raises(PublisherTaken):
        apply(actor=person())


def test_asking_again_returns_what_was_asked(apply):
    assert apply().application_id == apply(name="Another").application_id


@pytest.mark.parametrize("kind", list(ProofKind))
def test_a_file_or_a_record_proves_a_publisher(*, do, apply, publishing, operator, kind):
    asked = apply(website="https://www.acme.example/about")
    assert asked.challenge == "_tradewind-challenge.acme.example"
    do(publishing.publishers.look_for_proof, operator, asked.application_id)
    (due,) = do(publishing.publishers.due_proofs)
    assert (due.challenge, due.proof) == (asked.challenge, asked.proof)
    assert do(publishing.publishers.due_proofs) == []

    do(publishing.publishers.settle_proof, due, Proof(None, "the answer was 404"))
    row = do(publishing.publishers.get, operator, asked.application_id)
    assert (row.state, row.proof_error) == (ApplicationState.PENDING, "the answer was 404")

    do(publishing.publishers.settle_proof, due, Proof(kind))
    row = do(publishing.publishers.get, operator, asked.application_id)
    assert (row.state, row.decided_by) == (ApplicationState.VERIFIED, kind.value)


@pytest.fixture
def proved(do, apply, publishing, operator):
    """A publisher whose record was found."""
    asked = apply()
    do(publishing.publishers.look_for_proof, operator, asked.application_id)
    (due,) = do(publishing.publishers.due_proofs)
    do(publishing.publishers.settle_proof, due, Proof(ProofKind.DNS))
    return asked


@pytest.fixture
def look(do, clock, publishing, operator, proved):
    """Look for the proof on the next day; returns the application after it."""

    def look(proof):
        clock.turn(days=1)
        (due,) = do(publishing.publishers.due_proofs)
        do(publishing.publishers.settle_proof, due, proof)
        return do(publishing.publishers.get, operator, proved.application_id)

    return look


GONE = Proof(None, "the record: it is not there")


def test_what_proved_a_publisher_is_looked_for_every_day(do, clock, publishing, look):
    assert do(publishing.publishers.due_proofs) == []
    row = look(GONE)
    assert (row.state, row.missing_since) == (ApplicationState.VERIFIED, clock.now())
    assert row.proof_error == GONE.error
    row = look(Proof(ProofKind.FILE))
    assert (row.missing_since, row.proof_error, row.decided_by) == (None, "", "file")


def test_a_proof_that_is_missing_for_a_month_lapses_and_can_be_put_back(
    *, do, look, publishing, operator, proved, services
):
    for _ in range(30):
        assert look(GONE).state is ApplicationState.VERIFIED
    assert look(GONE).state is ApplicationState.LAPSED
    assert do(services.catalog.find_publisher, "acme").verified_at is None
    assert do(publishing.publishers.owned, operator) == []
    with pytest.raises(NotPublisher):
        do(publishing.listings.begin, operator, ADA, "acme", "small")

    do(publishing.publishers.look_for_proof, operator, proved.application_id)
    (due,) = do(publishing.publishers.due_proofs)
    do(publishing.publishers.settle_proof, due, Proof(ProofKind.DNS))
    assert do(services.catalog.find_publisher, "acme").verified_at is not None


def test_a_name_server_that_does_not_answer_takes_nothing_from_anybody(look):
    silent = Proof(None, "the record: the name server does not answer", is_certain=False)
    for _ in range(40):
        row = look(silent)
        assert (row.state, row.missing_since) == (ApplicationState.VERIFIED, None)


def test_who_a_person_verified_is_not_looked_for(do, clock, publishing, acme):
    clock.turn(days=400)
    assert do(publishing.publishers.due_proofs) == []


def test_a_publisher_that_lists_brought_in_can_be_claimed(
    do, apply, services, publishing, operator
):
    do(services.catalog.add_publisher, "mistralai", "Mistral AI")
    asked = apply("mistralai", name="Something else")

    do(publishing.publishers.decide, operator, GRACE, asked.application_id, is_accepted=True)

    (row,) = do(publishing.publishers.owned, operator)
    assert (row.slug, row.name) == ("mistralai", "Mistral AI")


def test_a_refused_application_says_why(do, apply, publishing, operator):
    asked = apply()

    with pytest.raises(InvalidInput):
        do(publishing.publishers.decide, operator, GRACE, asked.application_id, is_accepted=False)
    row = do(
        publishing.publishers.decide,
        operator,
        GRACE,
        asked.application_id,
        is_accepted=False,
        reason="not your name",
    )

    assert (row.state, row.reason) == (ApplicationState.REFUSED, "not your name")


def test_only_administrators_of_the_platform_decide(do, apply, publishing, person):
    asked = apply()
    other = person(is_operator=False)

    with pytest.raises(Forbidden):
        do(publishing.publishers.decide, other, GRACE, asked.application_id, is_accepted=True)
    with pytest.raises(NotFound):
        do(publishing.publishers.get, other, asked.application_id)


# --- drafts --------------------------------------------------------------------------------


def test_only_the_publisher_begins_listings(do, acme, publishing, person):
    with pytest.raises(NotPublisher):
        do(publishing.listings.begin, person(), ADA, "acme", "small")


def test_one_listing_of_a_model_is_on_its_way_at_a_time(do, draft, publishing, operator):
    row = draft()

    again = do(publishing.listings.begin, operator, ADA, "acme", "small")

    assert again.listing_id == row.listing_id
    assert again.content == row.content


def test_an_incomplete_draft_is_kept_and_not_submitted(do, draft, publishing, operator):
    row = draft(licence="", limits="")

    with pytest.raises(ListingIncomplete, match="licence, limits"):
        do(publishing.listings.submit, operator, ADA, row.listing_id)
    assert do(publishing.listings.get_listing, operator, row.listing_id).row.state is State.DRAFT


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(do, draft, publishing, operator):
    row = draft()

    with pytest.raises(PreconditionFailed):
        do(
            publishing.listings.save,
            operator,
            row.listing_id,
            row.content,
            revision=row.revision - 1,
        )


def test_an_artifact_of_somebody_else_is_none(
    *, do, draft, publishing, operator, artifacts, person
):
    artifacts.put(person().organization_id)
    row = draft(artifact=DIGEST, connection_id="", upstream_model="")

    with pytest.raises(ListingIncomplete, match="no artifact"):
        do(publishing.listings.submit, operator, ADA, row.listing_id)


def test_a_connection_of_somebody_else_is_none(do, draft, publishing, operator):
    row = draft(connection_id="conn_01890000000000000000000000")

    with pytest.raises(ListingIncomplete, match="no connection"):
        do(publishing.listings.submit, operator, ADA, row.listing_id)


def test_a_draft_is_discarded_and_one_with_a_trail_is_not(do, draft, publishing, operator):
    row = draft()
    do(publishing.listings.discard, operator, row.listing_id)
    with pytest.raises(NotFound):
        do(publishing.listings.get_listing, operator, row.listing_id)

    row = draft()
    do(publishing.listings.submit, operator, ADA, row.listing_id)
    do(publishing.listings.withdraw, operator, ADA, row.listing_id)
    with pytest.raises(ListingMove):
        do(publishing.listings.discard, operator, row.listing_id)


def test_strangers_see_no_listing_and_viewers_change_none(do, draft, publishing, operator, person):
    row = draft()

    with pytest.raises(NotFound):
        do(publishing.listings.get_listing, person(), row.listing_id)
    with pytest.raises(NotFound):
        do(publishing.listings.get_listing, person(is_operator=False), row.listing_id)
    with pytest.raises(Forbidden):
        do(
            publishing.listings.save,
            person(Role.VIEWER, of=operator),
            row.listing_id,
            row.content,
        )


# --- the way to the catalog ----------------------------------------------------------------


def test_the_whole_way_of_a_bound_model(*, do, draft, publishing, operator, services, validate):
    row = draft(capabilities=("tools",))
    row = do(publishing.listings.submit, operator, ADA, row.listing_id)
    assert row.state is State.SUBMITTED
    with pytest.raises(ListingMove):
        do(publishing.listings.approve, operator, GRACE, row.listing_id)
    assert validate() is RunState.PASSED
    assert [each.name for each in do(publishing.listings.list_queue, operator)] == ["acme/small"]

    row = do(publishing.listings.approve, operator, GRACE, row.listing_id)

    assert row.state is State.LISTED
    model = do(services.catalog.show_model, "acme/small", None)
    assert (model.origin, model.visibility, model.licence) == (
        "published",
        "listed",
        "Apache-2.0",
    )
    assert "## Evaluated harms" in model.card
    assert model.capabilities == ("tools",)
    (endpoint,) = do(services.endpoints.list_endpoints, operator)
    assert endpoint.name == "acme/small"
    assert [target.upstream_model for target in endpoint.targets] == ["acme-small"]
    trail = do(publishing.listings.get_listing, operator, row.listing_id).events
    assert [(each.move, each.by.name) for each in reversed(trail)] == [
        (Move.SUBMIT, "Ada"),
        (Move.PASS, "the platform"),
        (Move.APPROVE, "Grace"),
        (Move.LIST, "the platform"),
    ]


def test_an_artifact_becomes_a_version_with_its_digest(do, listed, artifacts, operator, services):
    artifacts.put(operator.organization_id)

    row = listed(artifact=DIGEST, connection_id="", upstream_model="")

    (version,) = do(services.catalog.list_versions, row.model_id)
    assert version.version_id == row.version_id
    assert version.digest == DIGEST.removeprefix("sha256:")
    assert (version.quantization, version.size_bytes) == ("Q4_K", 1000)
    assert do(artifact_in_use, operator.organization_id, DIGEST) == "the listing acme/small"


def test_who_submitted_does_not_approve(do, in_review, publishing, operator):
    row = in_review(by=ADA)

    with pytest.raises(SelfReview):
        do(publishing.listings.approve, operator, ADA, row.listing_id)


def test_where_it_is_allowed_a_self_review_is_written_down_for_good(
    *, do, in_review, publishing, operator, services, clock, artifacts
):
    allowing = build_publishing(
        services.catalog,
        services.providers,
        services.endpoints,
        clock,
        artifacts=artifacts,
        allows_self_review=True,
    )
    row = do(allowing.listings.approve, operator, ADA, in_review(by=ADA).listing_id)
    assert (row.state, row.is_self_reviewed) == (State.LISTED, True)
    events = do(publishing.listings.get_listing, operator, row.listing_id).events
    assert [event.move for event in events if event.is_self_review] == [Move.APPROVE]

    other = do(allowing.listings.approve, operator, GRACE, in_review("other", by=ADA).listing_id)
    assert not other.is_self_reviewed


def test_nobody_but_a_reviewer_reviews(do, in_review, publishing, operator, person):
    row = in_review()

    with pytest.raises(Forbidden):
        do(
            publishing.listings.approve,
            person(of=operator, is_operator=False),
            GRACE,
            row.listing_id,
        )


def test_a_failed_validation_gives_the_reasons_back(do, draft, publishing, operator, validate):
    row = draft()
    do(publishing.listings.submit, operator, ADA, row.listing_id)

    assert validate(failing="smoke") is RunState.FAILED

    row = do(publishing.listings.get_listing, operator, row.listing_id).row
    assert row.state is State.DRAFT
    assert row.reason == "smoke: it does not"


def test_what_is_sent_back_says_why_and_is_submitted_anew(
    do, in_review, publishing, operator, validate
):
    row = in_review()
    row = do(publishing.listings.send_back, operator, GRACE, row.listing_id, "say more")
    assert (row.state, row.reason) == (State.DRAFT, "say more")

    do(publishing.listings.submit, operator, ADA, row.listing_id)
    validate()

    row = do(publishing.listings.approve, operator, GRACE, row.listing_id)
    assert row.state is State.LISTED


def test_a_change_is_another_listing_that_takes_the_place_of_the_first(
    *, do, listed, publishing, operator, draft, validate, services
):
    first = listed()
    second = draft(version="1.1", description="A better one.")
    detail = do(publishing.listings.get_listing, operator, second.listing_id)
    assert detail.listed.listing_id == first.listing_id
    assert [each.field for each in detail.differences] == ["version", "description"]
    do(publishing.listings.submit, operator, ADA, second.listing_id)
    validate()

    second = do(publishing.listings.approve, operator, GRACE, second.listing_id)

    first = do(publishing.listings.get_listing, operator, first.listing_id).row
    assert (first.state, second.state) == (State.DELISTED, State.LISTED)
    assert first.reason == f"replaced by {second.listing_id}"
    assert do(services.catalog.show_model, "acme/small", None).description == "A better one."
    labels = [each.label for each in do(services.catalog.list_versions, second.model_id)]
    assert sorted(labels) == ["1.0", "1.1"]


def test_what_is_delisted_is_in_no_list(do, listed, publishing, operator, services):
    row = listed()

    row = do(publishing.listings.delist, operator, ADA, row.listing_id, "too old")

    assert row.state is State.DELISTED
    assert do(services.catalog.show_model, "acme/small", None).visibility == "unlisted"


def test_the_trail_is_append_only(do, in_review):
    in_review()

    for statement in ("UPDATE listing_event SET reason = 'x'", "DELETE FROM listing_event"):
        with pytest.raises(DBAPIError):
            do(lambda tx, text=statement: tx.exec_driver_sql(text))


# --- validation runs -----------------------------------------------------------------------


def test_a_withdrawn_listing_ends_its_run(do, draft, publishing, operator):
    row = draft()
    do(publishing.listings.submit, operator, ADA, row.listing_id)
    claimed = do(publishing.validations.claim)

    do(publishing.listings.withdraw, operator, ADA, row.listing_id)

    assert not do(publishing.validations.renew, claimed.run_id, "loads")
    assert do(publishing.validations.settle, claimed.run_id) is None
    detail = do(publishing.listings.get_listing, operator, row.listing_id)
    assert detail.row.state is State.DRAFT
    assert detail.runs[0].state is RunState.CANCELLED


def test_a_run_whose_worker_died_is_carried_on_and_given_up_at_last(
    do, draft, publishing, operator, clock
):
    row = draft()
    do(publishing.listings.submit, operator, ADA, row.listing_id)
    for _ in range(MOST_ATTEMPTS):
        assert do(publishing.validations.claim) is not None
        assert do(publishing.validations.claim) is None
        clock.turn(seconds=LEASE.total_seconds() + 1)

    assert do(publishing.validations.claim) is None

    row = do(publishing.listings.get_listing, operator, row.listing_id).row
    assert row.state is State.DRAFT
    assert "the worker ended" in row.reason


def test_what_is_listed_is_tried_again_on_schedule(
    *, do, listed, publishing, operator, clock, validate
):
    row = listed()
    week = LEASE * 5040
    assert do(publishing.validations.schedule, week) == 0
    clock.turn(days=8)

    assert do(publishing.validations.schedule, week) == 1
    assert do(publishing.validations.schedule, week) == 0
    assert validate(failing="smoke") is RunState.FAILED

    row = do(publishing.listings.get_listing, operator, row.listing_id).row
    assert row.state is State.LISTED
    assert row.last_run.state is RunState.FAILED
    assert do(publishing.validations.schedule, week) == 0


def test_a_model_is_deployable_as_long_as_its_last_run_has_passed(
    do, listed, clock, publishing, validate
):
    row = listed()
    shown = do(read_validation, row.model_id)
    assert (shown.is_deployable, shown.version_id) == (True, row.version_id)
    assert shown.timing.tokens_per_s == 42.0

    clock.turn(days=8)
    do(publishing.validations.schedule, LEASE)
    assert do(read_validation, row.model_id).is_deployable, "a run under way changes nothing"
    validate(failing="smoke")

    assert not do(read_validation, row.model_id).is_deployable
    assert do(read_validation, "model_none") is None
