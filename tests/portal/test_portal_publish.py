"""The publisher's console, the wizard of a listing, and the reviewers' queue."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from tradewind.core.acting import By
from tradewind.core.permissions import Role
from tradewind.features.accounts.schemas import SignedIn, Viewer
from tradewind.features.catalog.rules.lifecycle import Lifecycle
from tradewind.features.catalog.tables import model
from tradewind.features.publishing.schemas import Check, CheckState, Proof, ProofKind, State
from tradewind.features.publishing.tables import validation_run
from tradewind.features.trust.schemas import ReleaseRules
from tradewind.testing.portal_world import PortalWorld

HOSTILE = '<script>alert("x")</script>'
GRACE = By("user_grace", "Grace")
APPLICATION = {
    "slug": "acme",
    "name": "Acme",
    "website": "https://acme.example",
    "contact": "ada@acme.example",
}
STEPS = {
    "model": {"display_name": "Small 1", "operation": "chat", "version": "1.0"},
    "card": {
        "description": "A small model.",
        "card": "# Small\r\nA small model that answers briefly, made by Acme for tests.",
    },
    "source": {"upstream_model": "acme-small", "input_price": "0.1", "output_price": "0.2"},
    "licence": {"licence": "Apache-2.0", "visibility": "listed"},
    "safety": {"intended_use": "Short.", "limits": "Little.", "evaluated_harms": "None."},
}


@pytest.fixture
def viewer(signed_in: SignedIn) -> Viewer:
    return signed_in.viewer


@pytest.fixture
def send(browser: TestClient, viewer: Viewer):
    """Post a form of our own page."""

    def post(path: str, **fields):
        return browser.post(path, data={"csrf_token": viewer.csrf_token} | fields)

    return post


@pytest.fixture
def acme(world: PortalWorld, viewer: Viewer, send):
    """The organization is the publisher acme."""
    place = send("/publish/apply", **APPLICATION).headers["location"]
    application_id = place.rpartition("/")[2]
    answer = send(f"/reviews/applications/{application_id}", decision="accept")
    assert answer.status_code == 303
    return application_id


@pytest.fixture
def draft(world: PortalWorld, viewer: Viewer, send, acme) -> str:
    """A listing that is filled in; its id."""
    connection = world.connect(viewer)
    answer = send("/publish/new", publisher="acme", slug="small")
    place = answer.headers["location"].removesuffix("/model")
    for step, fields in STEPS.items():
        more = {"connection_id": str(connection.id)} if step == "source" else {}
        answer = send(
            f"{place}/{step}", revision=revision_of(world, viewer, place), **fields, **more
        )
        assert answer.status_code == 303, unescape(answer.text)
    return place.rpartition("/")[2]


def revision_of(world: PortalWorld, viewer: Viewer, place: str) -> str:
    return str(listing_of(world, viewer, place.rpartition("/")[2]).revision)


def listing_of(world: PortalWorld, viewer: Viewer, listing_id: str):
    with world.database.transaction() as tx:
        return world.publishing.listings.get_listing(tx, viewer, listing_id).row


def validate(world: PortalWorld, *, failing: str = "") -> None:
    """Carry out the next run as a worker that finds these things."""
    validations = world.publishing.validations
    with world.database.transaction() as tx:
        claimed = validations.claim(tx)
        assert claimed is not None
        checks = [
            Check(
                name=name,
                state=CheckState.FAILED if name == failing else CheckState.PASSED,
                detail=HOSTILE if name == failing else "as it should be",
            )
            for name in ("artifact", "licence", "card", "load", "smoke")
        ]
        validations.note(tx, claimed.run_id, checks, claimed.timing)
        validations.settle(tx, claimed.run_id)


def submit_as_grace(world: PortalWorld, viewer: Viewer, listing_id: str) -> None:
    with world.database.transaction() as tx:
        world.publishing.listings.submit(tx, viewer, GRACE, listing_id)


def main_of(page: str) -> str:
    return unescape(page.split("<main", 1)[1])


# --- publishers ----------------------------------------------------------------------------


def test_an_empty_console_says_what_to_do(browser):
    page = browser.get("/publish").text

    assert "No publisher yet" in page
    assert 'href="/publish/apply"' in page


def test_a_wrong_application_stands_beside_its_errors(send):
    answer = send("/publish/apply", **APPLICATION | {"slug": "Acme!", "website": "http://x"})

    assert answer.status_code == 422
    assert 'id="slug-error"' in answer.text
    assert 'id="website-error"' in answer.text
    assert 'value="Acme!"' in answer.text


def test_an_application_shows_what_the_file_has_to_say(browser, send):
    place = send("/publish/apply", **APPLICATION | {"name": HOSTILE}).headers["location"]

    page = browser.get(place).text

    assert re.search(r"tradewind-publisher=[0-9a-f]{32}", page)
    assert "https://acme.example/.well-known/tradewind-publisher" in page
    assert HOSTILE not in page
    assert send(f"{place}/proof").status_code == 303
    assert "is looking for it" in browser.get(place).text


def test_a_refusal_takes_a_reason_that_the_publisher_reads(browser, send):
    place = send("/publish/apply", **APPLICATION).headers["location"]
    at = place.replace("/publish/", "/reviews/")

    assert send(at, decision="refuse", reason=" ").status_code == 422
    assert send(at, decision="refuse", reason="Not your name").status_code == 303

    assert "Not your name" in browser.get("/publish").text
    assert "Not your name" in browser.get(place).text


# --- the wizard ----------------------------------------------------------------------------


def test_the_whole_wizard_without_a_script(browser, world, viewer, send, draft):
    listing = listing_of(world, viewer, draft)
    assert listing.content.card.startswith("# Small\nA small")
    page = main_of(browser.get(f"/publish/listings/{draft}/preview").text)
    assert "It is complete" in page

    answer = send(f"/publish/listings/{draft}/actions/submit")

    assert answer.headers["location"] == f"/publish/listings/{draft}"
    page = main_of(browser.get(f"/publish/listings/{draft}").text)
    assert "Being tried" in page
    assert "Waits for the worker" in page
    assert 'hx-trigger="load delay:1500ms"' in page


def test_a_step_is_saved_also_when_it_is_not_complete(browser, world, viewer, send, acme):
    place = send("/publish/new", publisher="acme", slug="small").headers["location"]

    answer = send(place, revision="1", display_name="Small", version="", context_tokens="many")

    assert answer.status_code == 422
    assert 'id="version-error"' in answer.text
    assert 'id="context_tokens-error"' in answer.text
    assert 'value="many"' in answer.text
    listing_id = place.split("/")[3]
    assert listing_of(world, viewer, listing_id).content.display_name == "Small"
    assert "Saved, but not complete yet" in answer.text


def test_what_somebody_else_changed_is_shown_and_not_overwritten(world, viewer, send, draft):
    answer = send(
        f"/publish/listings/{draft}/model", revision="1", display_name="Mine", version="2"
    )

    assert answer.status_code == 412
    assert "Now: <b>Small 1</b>" in answer.text
    assert 'value="Mine"' in answer.text
    assert listing_of(world, viewer, draft).content.display_name == "Small 1"


def test_a_name_that_cannot_be_is_refused_and_one_of_others_too(send, acme):
    assert send("/publish/new", publisher="acme", slug="Small One").status_code == 422
    answer = send("/publish/new", publisher="openai", slug="small")
    assert answer.status_code == 403
    assert 'id="publisher-error"' in answer.text


def test_an_incomplete_draft_is_not_submitted(send, acme, browser):
    place = send("/publish/new", publisher="acme", slug="small").headers["location"]
    place = place.removesuffix("/model")

    answer = send(f"{place}/actions/submit")

    assert answer.status_code == 422
    assert "fields are not right yet" in answer.text
    assert "Some fields are not right yet" in browser.get(f"{place}/preview").text


def test_a_draft_is_discarded(browser, send, draft):
    assert send(f"/publish/listings/{draft}/actions/discard").headers["location"] == "/publish"
    assert browser.get(f"/publish/listings/{draft}").status_code == 404


def test_what_a_stranger_typed_is_escaped_everywhere(browser, world, viewer, send, draft):
    place = f"/publish/listings/{draft}"
    send(
        f"{place}/card",
        revision=revision_of(world, viewer, place),
        description=HOSTILE,
        card=HOSTILE * 3,
    )
    submit_as_grace(world, viewer, draft)
    validate(world)

    for path in ("/publish", place, f"{place}/preview", "/reviews", f"/reviews/listings/{draft}"):
        answer = browser.get(path)
        assert answer.status_code == 200
        assert HOSTILE not in answer.text


def test_a_failed_validation_shows_why(browser, world, viewer, send, draft):
    send(f"/publish/listings/{draft}/actions/submit")
    validate(world, failing="smoke")

    page = browser.get(f"/publish/listings/{draft}").text

    assert "It came back" in page
    assert "A first call" in page
    assert HOSTILE not in page


def test_a_validation_is_cancelled(world, viewer, send, draft):
    send(f"/publish/listings/{draft}/actions/submit")

    send(f"/publish/listings/{draft}/actions/cancel")

    assert listing_of(world, viewer, draft).state is State.DRAFT


# --- reviews -------------------------------------------------------------------------------


def test_an_empty_queue_says_so(browser):
    assert "Nothing waits for a review" in browser.get("/reviews").text


def test_what_another_submitted_is_approved_and_listed(browser, world, viewer, send, draft):
    submit_as_grace(world, viewer, draft)
    validate(world)
    page = browser.get("/reviews").text
    assert f'href="/reviews/listings/{draft}"' in page
    page = main_of(browser.get(f"/reviews/listings/{draft}").text)
    assert "Approve and list" in page
    assert "Nothing of this model is listed yet" in page

    at = f"/reviews/listings/{draft}"
    answer = send(at, decision="approve", revision=revision_of(world, viewer, at))

    assert answer.status_code == 303, main_of(answer.text)
    assert listing_of(world, viewer, draft).state is State.LISTED
    page = main_of(browser.get(f"/publish/listings/{draft}").text)
    assert "Open its page" in page
    assert "Approved by Ada Lovelace" in page.replace("</b>", "").replace("<b>", "")


def test_who_submitted_is_told_that_another_person_decides(browser, world, viewer, send, draft):
    send(f"/publish/listings/{draft}/actions/submit")
    validate(world)
    at = f"/reviews/listings/{draft}"
    page = browser.get(at).text
    assert "You submitted it" in page
    assert "Approve and list" not in page

    answer = send(at, decision="approve", revision=revision_of(world, viewer, at))

    assert answer.status_code == 403
    assert listing_of(world, viewer, draft).state is State.IN_REVIEW


def test_where_it_is_allowed_a_self_review_is_said_on_every_page(
    browser, world, viewer, send, draft
):
    send(f"/publish/listings/{draft}/actions/submit")
    validate(world)
    world.publishing.listings.allows_self_review = True
    at = f"/reviews/listings/{draft}"
    page = browser.get(at).text
    assert "say for good that it was self-reviewed" in page
    assert "Approve and list" in page
    assert "may approve it here" in browser.get("/reviews").text

    answer = send(at, decision="approve", revision=revision_of(world, viewer, at))

    assert answer.status_code == 303
    for place in (at, f"/publish/listings/{draft}"):
        assert browser.get(place).text.count("Self-reviewed</span>") == 2, "facts and trail"
    assert "Self-reviewed</span>" in browser.get("/models/acme/small").text


def test_a_record_and_a_file_are_asked_for_and_what_is_missing_is_said(
    browser, world, viewer, send
):
    place = send("/publish/apply", **APPLICATION).headers["location"]
    page = main_of(browser.get(place).text)
    assert "TXT record" in page
    assert "_tradewind-challenge.acme.example" in page
    with world.database.transaction() as tx:
        world.publishing.publishers.look_for_proof(tx, viewer, place.rpartition("/")[2])
        (due,) = world.publishing.publishers.due_proofs(tx)
        world.publishing.publishers.settle_proof(tx, due, Proof(ProofKind.DNS))
    assert "The TXT record of your domain proved it" in main_of(browser.get(place).text)
    with world.database.transaction() as tx:
        world.publishing.publishers.settle_proof(tx, due, Proof(None, "it is not there"))
    assert "It is not found any more, since" in main_of(browser.get(place).text)


def test_a_listing_is_sent_back_with_a_reason(browser, world, viewer, send, draft):
    submit_as_grace(world, viewer, draft)
    validate(world)
    at = f"/reviews/listings/{draft}"
    revision = revision_of(world, viewer, at)
    assert send(at, decision="send_back", reason="", revision=revision).status_code == 422
    assert send(at, decision="send_back", reason="More", revision="1").status_code == 412

    assert send(at, decision="send_back", reason="Say more", revision=revision).status_code == 303

    assert "Say more" in browser.get("/publish").text


def test_a_change_shows_the_reviewer_what_differs(browser, world, viewer, send, draft):
    submit_as_grace(world, viewer, draft)
    validate(world)
    at = f"/reviews/listings/{draft}"
    send(at, decision="approve", revision=revision_of(world, viewer, at))
    place = send(f"/publish/listings/{draft}/actions/change").headers["location"]
    send(
        place,
        revision=revision_of(world, viewer, place.removesuffix("/model")),
        **STEPS["model"] | {"version": "1.1"},
    )
    second = place.split("/")[3]
    submit_as_grace(world, viewer, second)
    validate(world)

    page = browser.get(f"/reviews/listings/{second}").text

    assert "<del>1.0</del>" in page
    assert "<ins>1.1</ins>" in page


def test_what_is_listed_is_tried_again_and_delisted(browser, world, viewer, send, draft):
    submit_as_grace(world, viewer, draft)
    validate(world)
    at = f"/reviews/listings/{draft}"
    send(at, decision="approve", revision=revision_of(world, viewer, at))
    place = f"/publish/listings/{draft}"

    assert send(f"{place}/actions/validate").status_code == 303
    assert "Cancel the validation" in browser.get(place).text
    assert send(f"{place}/actions/delist", reason="").status_code == 422
    assert send(f"{place}/actions/delist", reason="too old").status_code == 303

    assert listing_of(world, viewer, draft).state is State.DELISTED


@pytest.fixture
def listed(world, viewer, send, draft):
    submit_as_grace(world, viewer, draft)
    validate(world)
    at = f"/reviews/listings/{draft}"
    send(at, decision="approve", revision=revision_of(world, viewer, at))
    return draft


def test_the_page_of_a_model_shows_its_last_run_and_the_next(browser, listed):
    page = main_of(browser.get("/models/acme/small").text)
    assert "Passed</span>" in page
    assert "as it should be".capitalize() in page
    assert "Tried again" in page
    assert "Self-reviewed" not in page


def test_a_run_that_failed_later_is_said_on_the_models_page(browser, world, viewer, send, listed):
    send(f"/publish/listings/{listed}/actions/validate")
    assert "It is being tried again now" in browser.get("/models/acme/small").text
    validate(world, failing="smoke")
    page = browser.get("/models/acme/small").text
    assert "is not called deployable until one has passed" in page
    assert HOSTILE not in page


def test_a_run_that_is_long_over_is_said_to_be_out_of_date(browser, world, listed):
    long_ago = datetime.now(UTC) - timedelta(days=9)
    with world.database.transaction() as tx:
        tx.execute(update(validation_run).values(ended_at=long_ago))
    page = main_of(browser.get("/models/acme/small").text)
    assert "Out of date" in page
    assert "may not hold any more" in page
    assert "Tried again" not in page


def test_a_model_without_a_run_that_ended_says_so(browser, world, listed):
    with world.database.transaction() as tx:
        tx.execute(update(validation_run).values(state="cancelled"))
    page = main_of(browser.get("/models/acme/small").text)
    assert "was not tried to the end yet" in page
    assert "Passed</span>" not in page


# --- who may -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/publish", "/publish/new", "/publish/apply", "/reviews"])
def test_others_are_told_which_right_they_lack(browser_of, path):
    answer = browser_of(Role.DEVELOPER).get(path)

    assert answer.status_code == 403
    assert re.search(r"publishing:(read|write)|reviews:read", answer.text)


@pytest.mark.parametrize("path", ["/publish/apply", "/publish/new", "/reviews/listings/lst_1"])
def test_forms_of_other_sites_change_nothing(browser, path):
    assert browser.post(path, data=APPLICATION).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/publish/listings/lst_1",
        "/publish/listings/lst_1/model",
        "/publish/listings/lst_1/nothing",
        "/publish/applications/papp_1",
        "/reviews/listings/lst_1",
    ],
)
def test_what_is_not_there_is_404(browser, path):
    assert browser.get(path).status_code == 404


def life_of(world: PortalWorld):
    with world.database.transaction() as tx:
        return world.services.lives.show(tx, "acme/small")[0]


def make_legacy_long_ago(world: PortalWorld) -> None:
    since = datetime.now(UTC) - timedelta(days=800)
    with world.database.transaction() as tx:
        tx.execute(
            update(model)
            .where(model.c.slug == "small")
            .values(lifecycle="legacy", lifecycle_since=since, ga_since=since)
        )


def open_the_gates(world: PortalWorld, viewer: Viewer) -> None:
    with world.database.transaction() as tx:
        world.trust.releases.set_rules(
            tx, viewer, GRACE, ReleaseRules(ga=()), reason="previews are tried elsewhere"
        )


def test_a_preview_is_generally_available_when_its_gates_are_open(
    browser, world, viewer, send, listed
):
    place = f"/publish/listings/{listed}"
    assert "Make it generally available" in main_of(browser.get(place).text)

    refused = send(f"{place}/actions/ga")

    assert refused.status_code == 409
    assert "impact assessment" in main_of(refused.text)
    assert life_of(world).state is Lifecycle.PREVIEW

    open_the_gates(world, viewer)
    assert send(f"{place}/actions/ga").status_code == 303

    assert life_of(world).state is Lifecycle.GA
    assert "Make it generally available" not in main_of(browser.get(place).text)


def test_the_end_of_a_model_is_told_only_after_it_is_legacy(browser, world, viewer, send, listed):
    place = f"/publish/listings/{listed}"
    open_the_gates(world, viewer)
    assert send(f"{place}/actions/ga").status_code == 303
    page = main_of(browser.get(place).text)
    assert "stays legacy for at least 30 days" in page
    assert "Announce its end" not in page
    assert send(f"{place}/actions/legacy").status_code == 303
    assert life_of(world).state is Lifecycle.LEGACY
    assert "Announce its end" in main_of(browser.get(place).text)
    answer = send(f"{place}/actions/announce", deprecates_on=str(datetime.now(UTC).date()))
    assert answer.status_code == 422
    assert "at the earliest" in main_of(answer.text)


def test_a_deprecation_is_announced_ahead_with_its_last_day(browser, world, send, listed):
    make_legacy_long_ago(world)
    place = f"/publish/listings/{listed}"
    today = datetime.now(UTC).date()
    ends, last = today + timedelta(days=10), today + timedelta(days=200)
    days = {"deprecates_on": str(ends), "retires_on": str(last)}
    world.deploy("other")

    answer = send(f"{place}/actions/announce", **days, replacement="tw/other")

    assert answer.status_code == 303, main_of(answer.text)
    life = life_of(world)
    assert (life.deprecates_on, life.retires_on, life.is_announced) == (ends, last, True)
    page = main_of(browser.get(place).text)
    assert f"becomes deprecated on {ends} and stops answering after {last}" in page
    sooner = send(f"{place}/actions/announce", deprecates_on=str(today + timedelta(days=5)))
    assert sooner.status_code == 422
    assert life_of(world).deprecates_on == ends


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"deprecates_on": ""}, "The day is missing"),
        ({"deprecates_on": "soon"}, "This is no day"),
        ({"retires_on": "later"}, "This is no day"),
        ({"retires_on": "2000-01-01"}, "at the earliest"),
        ({"replacement": "acme/small"}, "cannot replace itself"),
        ({"replacement": "acme/none"}, "There is no model"),
    ],
)
def test_an_end_that_cannot_be_is_told_in_its_place(world, send, listed, fields, words):
    make_legacy_long_ago(world)
    day = str(datetime.now(UTC).date() + timedelta(days=40))

    answer = send(
        f"/publish/listings/{listed}/actions/announce", **({"deprecates_on": day} | fields)
    )

    assert answer.status_code == 422
    assert words in main_of(answer.text)
    assert not life_of(world).is_announced


def test_a_draft_has_no_end_to_announce(world, send, draft):
    answer = send(f"/publish/listings/{draft}/actions/announce", deprecates_on="2099-01-01")
    assert answer.status_code == 404
