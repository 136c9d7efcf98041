"""What binds a key, and that it is said: on the list of keys, on a key's page, on usage."""

from dataclasses import replace
from html import unescape

import pytest
from starlette.testclient import TestClient

from tradewind.core.permissions import Role
from tradewind.features.accounts.schemas import SignedIn, Viewer
from tradewind.features.budgets.schemas import BudgetRow, ModelLimits, NewTerms, TermsRow
from tradewind.portal.binding import Binding, Bound, binding_of_key, binding_of_project, bounds_of
from tradewind.readmodels.limits import LimitedModel
from tradewind.snapshot.contents import Limits
from tradewind.testing.portal_world import PortalWorld

NAMES = ("Web", "Acme")


@pytest.fixture
def viewer(signed_in: SignedIn) -> Viewer:
    return signed_in.viewer


def terms(subject_id: str, limits: Limits, *models: ModelLimits) -> TermsRow:
    return TermsRow(
        subject_id,
        subject_id != "org",
        NewTerms(limits, models),
        revision=1,
        updated_at=None,
    )


def project_binding(
    project: Limits, organization: Limits, *models: ModelLimits, budgets: tuple[BudgetRow, ...] = ()
) -> Binding:
    both = (terms("proj", project, *models), terms("org", organization))
    return binding_of_project(NAMES, both, [LimitedModel("ep", "a/b", Limits(50))], budgets)


def test_the_smallest_number_binds_and_of_equal_ones_the_narrowest():
    found = bounds_of(
        [
            ("key", Limits(60, None, 3)),
            ("project", Limits(60, 900, None)),
            ("organization", Limits(10, 1000, 0)),
        ]
    )

    assert found == (
        Bound(10, "requests/min", "organization"),
        Bound(900, "tokens/min", "project"),
        Bound(0, "at once", "organization"),
    )
    assert bounds_of([("key", Limits(5)), ("project", Limits(5))])[0].kind == "key"


def test_a_model_is_marked_only_where_it_is_tighter_than_what_binds_all():
    binding = project_binding(
        Limits(40, 900),
        Limits(60),
        ModelLimits("a/b", Limits(30, 1000)),
        ModelLimits("c", Limits()),
    )

    marks = [
        (link.model, link.kind, [cell.is_tightest for cell in link.cells])
        for link in binding.models
    ]
    assert marks == [
        ("a/b", "project", [True, False, False]),
        ("a/b", "model", [False, False, False]),
        ("c", "project", [False, False, False]),
    ]
    assert [cell.is_tightest for cell in binding.links[0].cells] == [True, True, False]
    assert [cell.is_tightest for cell in binding.links[1].cells] == [False, False, False]


def test_a_key_shows_only_limits_of_models_it_may_call(world: PortalWorld, viewer: Viewer):
    with world.database.transaction() as tx:
        key = world.accounts.create_key(tx, viewer, name="one", models=["a/b"]).row
    both = (
        terms("proj", Limits(), ModelLimits("other", Limits(1))),
        terms("org", Limits(), ModelLimits("a/b", Limits(2))),
    )

    binding = binding_of_key(key, NAMES, both, [LimitedModel("ep", "third", Limits(3))], [])

    assert [link.model for link in binding.models] == ["a/b"]
    assert [link.kind for link in binding.links] == ["key", "project", "organization"]


def test_of_hard_budgets_the_one_with_the_least_left_is_the_tightest(
    world: PortalWorld, viewer: Viewer
):
    large = world.add_budget(viewer, "large")
    small = world.add_budget(viewer, "small", amount_nanos=5, project_id=viewer.project_id)
    soft = world.add_budget(viewer, "soft", amount_nanos=1, is_hard=False)
    euro = world.add_budget(viewer, "euro", currency="EUR")

    binding = project_binding(Limits(), Limits(), budgets=(large, soft, small, euro))

    assert binding.tightest_budgets == {small.budget_id, euro.budget_id}
    assert binding.budgets[0] == small, "the narrowest comes first"
    assert not binding.is_free


def test_what_has_neither_limit_nor_hard_budget_is_free(world: PortalWorld, viewer: Viewer):
    soft = world.add_budget(viewer, "soft", is_hard=False)
    both = (terms("proj", Limits()), terms("org", Limits()))

    assert binding_of_project(NAMES, both, [], [soft]).is_free
    assert not project_binding(Limits(), Limits()).is_free, "a model has a limit"


def test_the_list_of_keys_names_what_binds_each(
    browser: TestClient, world: PortalWorld, viewer: Viewer
):
    key_id = world.add_key(viewer, "website")
    assert "Nothing</span>" in browser.get("/keys").text
    with world.database.transaction() as tx:
        limits = Limits(requests_per_minute=1234, concurrent_requests=0)
        world.budgets.put_terms(tx, viewer, viewer.project_id, NewTerms(limits))
    world.add_budget(viewer, key_id=key_id)
    world.add_budget(viewer)

    text = browser.get("/keys").text

    assert '<b class="number">1,234</b> requests/min' in text
    assert '<b class="number">0</b> at once' in text, "zero is a limit"
    assert "by the project" in text
    assert "2 budgets" in text
    assert f'href="/keys/{key_id}"' in text


def test_a_key_has_a_page_with_its_whole_chain(
    browser: TestClient, world: PortalWorld, viewer: Viewer
):
    key_id = world.add_key(viewer, "website")
    other = world.add_key(viewer, "other")
    assert "Nothing stops this key" in browser.get(f"/keys/{key_id}").text
    with world.database.transaction() as tx:
        world.budgets.put_terms(tx, viewer, viewer.project_id, NewTerms(Limits(1234)))
        world.budgets.put_terms(tx, viewer, viewer.organization_id, NewTerms(Limits(5678, 99)))
    world.add_budget(viewer, "of this key", key_id=key_id)
    world.add_budget(viewer, "of another key", key_id=other)

    text = browser.get(f"/keys/{key_id}").text.split("<main", 1)[1]

    assert "Nothing stops this key" not in text
    assert "5,678" in text
    assert text.count("Binds</span>") == 2
    assert "of this key" in text
    assert "of another key" not in text
    assert "$10.00" in text


def test_a_key_of_nobody_is_not_found(browser: TestClient):
    assert browser.get("/keys/k0123456789a").status_code == 404
    assert browser.get("/keys/nonsense").status_code == 404


@pytest.mark.parametrize("role", list(Role))
def test_usage_shows_everybody_what_binds_the_project(
    world: PortalWorld, anonymous: TestClient, role: Role
):
    signed_in = world.sign_in(role)
    anonymous.cookies.set("tradewind_session", signed_in.session_token)
    viewer = replace(signed_in.viewer, role=Role.ADMIN)
    key_id = world.add_key(viewer, "website")
    with world.database.transaction() as tx:
        world.budgets.put_terms(tx, viewer, viewer.project_id, NewTerms(Limits(1234)))
    world.add_budget(viewer, "for all")
    world.add_budget(viewer, "for one key", key_id=key_id)

    text = unescape(anonymous.get("/usage").text)

    assert f"What binds {viewer.project_name}" in text
    assert "1,234" in text
    assert "for all" in text
    assert "for one key" not in text
