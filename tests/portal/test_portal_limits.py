"""The page of limits: what holds now, changing it, and what may not be done."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from msgspec import Raw
from sqlalchemy import select
from starlette.testclient import TestClient

from tradewind.core.permissions import Role
from tradewind.features.accounts.schemas import SignedIn, Viewer
from tradewind.features.accounts.tables import project
from tradewind.features.budgets.schemas import ModelLimits, NewTerms, TermsRow
from tradewind.features.endpoints.schemas import EndpointChanges
from tradewind.features.responses import service as responses
from tradewind.features.responses.tables import stored_response
from tradewind.snapshot.contents import Conditions, Limits
from tradewind.testing.portal_world import PortalWorld
from tradewind.wire.stored_responses import StoredResponse

HOSTILE = '<script>alert("x")</script>'
POLICY = {"cache_ttl_s": "300", "response_days": "30", "content_days": "0"}


@pytest.fixture
def viewer(signed_in: SignedIn) -> Viewer:
    return signed_in.viewer


@pytest.fixture
def send(browser: TestClient, viewer: Viewer):
    """Post a form of our own page."""

    def post(path: str, **fields):
        return browser.post(path, data={"csrf_token": viewer.csrf_token} | fields)

    return post


def main_of(page: str) -> str:
    return unescape(page.split("<main", 1)[1])


def terms_of(world: PortalWorld, viewer: Viewer, subject_id: str) -> TermsRow:
    with world.database.transaction() as tx:
        return world.budgets.get_terms(tx, viewer, subject_id)


def put(world: PortalWorld, viewer: Viewer, subject_id: str, **what) -> TermsRow:
    with world.database.transaction() as tx:
        return world.budgets.put_terms(tx, viewer, subject_id, NewTerms(**what))


def test_where_nothing_is_limited_the_page_says_what_to_do(browser: TestClient, viewer: Viewer):
    text = main_of(browser.get("/limits").text)

    assert "No limit is set" in text
    assert viewer.organization_name in text
    assert viewer.project_name in text
    assert "0 admits no call at all" in text


def test_limits_of_the_organization_are_saved_and_shown(
    browser: TestClient, send, world: PortalWorld, viewer: Viewer
):
    before = NewTerms(conditions=Conditions(frozenset({"eu-west-1"})), cache_ttl_s=60)
    put(
        world,
        viewer,
        viewer.organization_id,
        conditions=before.conditions,
        cache_ttl_s=before.cache_ttl_s,
    )

    answer = send(
        f"/limits/{viewer.organization_id}",
        revision="1",
        requests_per_minute="1,200",
        tokens_per_minute="",
        concurrent_requests="0",
    )

    terms = terms_of(world, viewer, viewer.organization_id).terms
    assert answer.headers["location"] == f"/limits#{viewer.organization_id}"
    assert terms.limits == Limits(1200, None, 0)
    assert (terms.conditions, terms.cache_ttl_s) == (before.conditions, 60), "the policy stays"
    text = browser.get("/limits").text
    assert 'value="1200"' in text
    assert "No limit is set" not in text


def test_limits_of_the_project_and_of_a_model_in_it_are_saved(
    send, world: PortalWorld, viewer: Viewer
):
    world.deploy("small")

    answer = send(
        f"/limits/{viewer.project_id}",
        revision="0",
        requests_per_minute="5",
        m0_model="tw/small",
        m0_tokens_per_minute="900",
        m1_model="",
    )

    terms = terms_of(world, viewer, viewer.project_id).terms
    assert answer.status_code == 303
    assert terms.limits == Limits(5)
    assert terms.models == (ModelLimits("tw/small", Limits(None, 900)),)


def test_a_model_whose_row_is_emptied_has_no_limit_any_more(
    send, world: PortalWorld, viewer: Viewer
):
    models = (ModelLimits("gone/model", Limits(1)), ModelLimits("kept/model", Limits(2)))
    put(world, viewer, viewer.project_id, models=models)

    answer = send(
        f"/limits/{viewer.project_id}",
        revision="1",
        m0_model="gone/model",
        m1_model="kept/model",
        m1_requests_per_minute="3",
    )

    assert answer.status_code == 303
    assert terms_of(world, viewer, viewer.project_id).terms.models == (
        ModelLimits("kept/model", Limits(3)),
    )


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("requests_per_minute", "many", "-requests-error"),
        ("tokens_per_minute", "-1", "-tokens-error"),
        ("concurrent_requests", "1.5", "-calls-error"),
        ("requests_per_minute", "9999999999", "-requests-error"),
        ("m0_model", "nobody/nothing", "-m0_model-error"),
        ("m0_model", "", "-m0_model-error"),
        ("m0_requests_per_minute", HOSTILE, "-m0_requests-error"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_changes(
    send, world: PortalWorld, viewer: Viewer, *, field: str, value: str, place: str
):
    world.deploy("small")
    form = {
        "revision": "0",
        "requests_per_minute": "5",
        "tokens_per_minute": "77",
        "m0_model": "tw/small",
        "m0_requests_per_minute": "3",
    }

    answer = send(f"/limits/{viewer.project_id}", **(form | {field: value}))

    assert answer.status_code == 422
    assert f'id="{viewer.project_id}{place}"' in answer.text
    assert f'id="{viewer.organization_id}{place}"' not in answer.text
    assert HOSTILE not in answer.text
    if field != "tokens_per_minute":
        assert 'value="77"' in answer.text
    assert terms_of(world, viewer, viewer.project_id).revision == 0


def test_one_model_twice_and_too_many_models_are_refused(send, world: PortalWorld, viewer: Viewer):
    world.deploy("small")
    twice = {f"m{number}_model": "tw/small" for number in range(2)}
    twice |= {f"m{number}_requests_per_minute": "1" for number in range(2)}

    answer = send(f"/limits/{viewer.project_id}", revision="0", **twice)

    assert answer.status_code == 422
    assert "This model has a row already" in answer.text
    assert terms_of(world, viewer, viewer.project_id).revision == 0


def test_a_form_that_is_out_of_date_shows_both_and_can_be_sent_again(
    send, world: PortalWorld, viewer: Viewer
):
    put(world, viewer, viewer.project_id, limits=Limits(7))
    path = f"/limits/{viewer.project_id}"

    stale = send(path, revision="0", requests_per_minute="5")

    assert stale.status_code == 412
    assert "Somebody else has changed" in stale.text
    assert "Now: <b>7</b>" in stale.text
    assert terms_of(world, viewer, viewer.project_id).terms.limits == Limits(7)
    assert re.search(r'name="revision" value="1"', stale.text)
    assert send(path, revision="1", requests_per_minute="5").status_code == 303
    assert terms_of(world, viewer, viewer.project_id).terms.limits == Limits(5)


def test_the_policy_is_saved_and_the_limits_stay(send, world: PortalWorld, viewer: Viewer):
    put(world, viewer, viewer.organization_id, limits=Limits(9))

    answer = send(
        "/limits/policy",
        revision="1",
        is_cached="yes",
        cache_ttl_s="600",
        response_days="7",
        content_days="3",
        regions="eu-west-1, eu-north-1",
        zones="eu",
        no_retention="yes",
    )

    assert answer.headers["location"] == "/limits#policy"
    assert terms_of(world, viewer, viewer.organization_id).terms == NewTerms(
        limits=Limits(9),
        conditions=Conditions(
            frozenset({"eu-west-1", "eu-north-1"}), frozenset({"eu"}), no_retention=True
        ),
        cache_ttl_s=600,
        response_days=7,
        content_days=3,
    )


def test_a_cache_that_is_switched_off_holds_nothing(send, world: PortalWorld, viewer: Viewer):
    put(world, viewer, viewer.organization_id, cache_ttl_s=60)

    assert send("/limits/policy", revision="1", **POLICY).status_code == 303
    assert terms_of(world, viewer, viewer.organization_id).terms.cache_ttl_s == 0


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("cache_ttl_s", "0", "policy-cache"),
        ("cache_ttl_s", "86401", "policy-cache"),
        ("cache_ttl_s", "", "policy-cache"),
        ("response_days", "366", "policy-days"),
        ("response_days", "", "policy-days"),
        ("content_days", "91", "policy-content"),
        ("content_days", "", "policy-content"),
        ("regions", "EU!", "policy-regions"),
        ("zones", HOSTILE, "policy-zones"),
    ],
)
def test_a_policy_that_is_wrong_is_said_at_its_field(
    send, world: PortalWorld, viewer: Viewer, *, field: str, value: str, place: str
):
    form = {"revision": "0", "is_cached": "yes", "regions": "kept"} | POLICY

    answer = send("/limits/policy", **(form | {field: value}))

    assert answer.status_code == 422
    assert f'id="{place}-error"' in answer.text
    assert HOSTILE not in answer.text
    assert terms_of(world, viewer, viewer.organization_id).revision == 0


def test_a_policy_that_is_out_of_date_changes_nothing(send, world: PortalWorld, viewer: Viewer):
    put(world, viewer, viewer.organization_id, response_days=3)

    answer = send("/limits/policy", revision="0", **(POLICY | {"response_days": "9"}))

    assert answer.status_code == 412
    assert "Now: <b>3</b>" in answer.text
    assert terms_of(world, viewer, viewer.organization_id).terms.response_days == 3


def test_fewer_days_hold_for_what_is_stored_already(send, world: PortalWorld, viewer: Viewer):
    made = datetime.now(UTC).replace(microsecond=0)
    _store(world, viewer, made, timedelta(days=30))

    fewer, more = POLICY | {"response_days": "2"}, POLICY | {"response_days": "90"}
    assert send("/limits/policy", revision="0", **fewer).status_code == 303
    assert _expiries(world) == [made + timedelta(days=2)]

    assert send("/limits/policy", revision="1", **more).status_code == 303
    assert _expiries(world) == [made + timedelta(days=2)], "more days bring nothing back"


def test_limits_of_models_lead_to_their_endpoint(
    browser: TestClient, world: PortalWorld, viewer: Viewer
):
    world.deploy("small")
    small = world.endpoint(viewer, "tw/small")
    assert "No model has a limit of its own" in browser.get("/limits").text
    with world.database.transaction() as tx:
        changes = EndpointChanges(limits=Limits(None, 4321))
        world.endpoints.update_endpoint(tx, viewer, small.id, changes)

    text = browser.get("/limits").text

    assert f'href="/endpoints/{small.id}"' in text
    assert "4,321" in text


@pytest.mark.parametrize("role", [Role.VIEWER, Role.DEVELOPER])
def test_whoever_may_not_change_limits_reads_them_with_the_reason(
    browser_of: Callable[[Role], TestClient], world: PortalWorld, role: Role
):
    browser = browser_of(role)

    text = main_of(browser.get("/limits").text)

    assert "takes the right limits:write" in text
    assert "<form" not in text
    assert "Kept 30 days" in text


@pytest.mark.parametrize("path", ["/limits/policy", "/limits/{project}"])
def test_whoever_may_not_change_limits_is_refused(
    world: PortalWorld, anonymous: TestClient, path: str
):
    signed_in = world.sign_in(Role.DEVELOPER)
    anonymous.cookies.set("tradewind_session", signed_in.session_token)
    viewer = signed_in.viewer
    form = {"csrf_token": viewer.csrf_token, "revision": "0", "response_days": "1"}

    answer = anonymous.post(path.format(project=viewer.project_id), data=form)

    assert answer.status_code == 403
    assert "limits:write" in answer.text


@pytest.mark.parametrize("path", ["/limits/policy", "/limits/{project}"])
def test_a_form_of_another_page_changes_nothing(
    browser: TestClient, world: PortalWorld, viewer: Viewer, path: str
):
    form = {"csrf_token": "x", "revision": "0", "response_days": "1", "requests_per_minute": "1"}

    answer = browser.post(path.format(project=viewer.project_id), data=form)

    assert answer.status_code == 403
    assert terms_of(world, viewer, viewer.organization_id).revision == 0
    assert terms_of(world, viewer, viewer.project_id).revision == 0


@pytest.mark.parametrize("subject", ["proj_01890000000000000000000000", "x%00", "a" * 500])
def test_a_project_of_nobody_is_not_found(send, subject: str):
    assert send(f"/limits/{subject}", revision="0").status_code == 404


def test_names_are_text_and_never_markup(browser: TestClient, world: PortalWorld, viewer: Viewer):
    with world.database.transaction() as tx:
        tx.execute(project.update().where(project.c.id == viewer.project_id).values(name=HOSTILE))
    put(world, viewer, viewer.project_id, models=(ModelLimits(HOSTILE, Limits(1)),))

    text = browser.get("/limits").text

    assert HOSTILE not in text
    assert HOSTILE in unescape(text)


def _store(world: PortalWorld, viewer: Viewer, made: datetime, kept: timedelta) -> None:
    stored = StoredResponse(
        organization_id=viewer.organization_id,
        project_id=viewer.project_id,
        id="resp_1",
        previous_id=None,
        created_at_ms=int(made.timestamp() * 1000),
        expires_at_ms=int((made + kept).timestamp() * 1000),
        input=Raw(b"[]"),
        response=Raw(b"{}"),
    )
    with world.database.transaction() as tx:
        responses.keep(tx, stored)


def _expiries(world: PortalWorld) -> list[datetime]:
    with world.database.transaction() as tx:
        return [
            moment.astimezone(UTC)
            for moment in tx.execute(select(stored_response.c.expires_at)).scalars()
        ]
