"""The pages of endpoints: the list, one of them, its targets, and what may not be done."""

import re
from collections.abc import Callable
from functools import partial
from html import unescape

import pytest
from starlette.testclient import TestClient

from tradewind.core.permissions import Role
from tradewind.features.accounts.schemas import SignedIn, Viewer
from tradewind.features.endpoints.schemas import (
    EndpointChanges,
    EndpointRow,
    NewEndpoint,
    NewTarget,
)
from tradewind.features.providers.schemas import ConnectionChanges
from tradewind.snapshot.contents import Conditions, Cost, Limits, Routing
from tradewind.testing.portal_world import PortalWorld

HOSTILE = '<script>alert("x")</script>'


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
def small(world: PortalWorld, viewer: Viewer) -> EndpointRow:
    """An endpoint with own capacity first and a provider behind it."""
    world.deploy("small", ready=1, starting=1)
    connection = world.connect(viewer, region="us-east-1", zone="us")
    found = world.endpoint(viewer, "tw/small")
    targets = [
        NewTarget(deployment_id=found.targets[0].deployment_id, weight=2, region="eu-west-1"),
        NewTarget(
            connection_id=connection.id,
            upstream_model="small-v2",
            tier=1,
            retains_data=False,
            cost=Cost("USD", 150_000_000, 600_000_000),
        ),
    ]
    with world.database.transaction() as tx:
        return world.endpoints.set_targets(tx, viewer, found.id, targets)


def main_of(page: str) -> str:
    return unescape(page.split("<main", 1)[1])


def now(world: PortalWorld, viewer: Viewer, endpoint: EndpointRow) -> EndpointRow:
    with world.database.transaction() as tx:
        return world.endpoints.get_endpoint(tx, viewer, endpoint.id)


def values(endpoint: EndpointRow, **changes: str) -> dict[str, str]:
    """Return the form of settings as the page has it."""
    return {
        "revision": str(endpoint.revision),
        "aliases": "\n".join(endpoint.aliases),
        "sort": "load",
        "max_attempts": "3",
    } | changes


def weights(endpoint: EndpointRow, *numbers: str) -> dict[str, str]:
    """Return the form of targets, with other weights for the first of them."""
    fields = {f"weight_{target.id}": str(target.weight) for target in endpoint.targets}
    typed = dict(zip(fields, numbers, strict=False))
    return {"revision": str(endpoint.revision)} | fields | typed


def _change(world: PortalWorld, viewer: Viewer, small: EndpointRow, **changes) -> None:
    with world.database.transaction() as tx:
        world.endpoints.update_endpoint(tx, viewer, small.id, EndpointChanges(**changes))


def _take_out_targets(world: PortalWorld, viewer: Viewer, small: EndpointRow) -> None:
    with world.database.transaction() as tx:
        world.endpoints.set_targets(tx, viewer, small.id, [])


def _switch_off(world: PortalWorld, viewer: Viewer, small: EndpointRow) -> None:
    connection_id = small.targets[1].connection_id
    assert connection_id is not None
    with world.database.transaction() as tx:
        world.providers.update_connection(
            tx, viewer, connection_id, ConnectionChanges(is_enabled=False)
        )


# --- the list -------------------------------------------------------------------------------


def test_without_an_endpoint_the_page_says_where_they_come_from(browser: TestClient):
    text = main_of(browser.get("/endpoints").text)

    assert "No endpoint yet" in text
    assert 'href="/providers/new"' in text


def test_the_list_tells_price_targets_and_state(
    browser: TestClient, world: PortalWorld, viewer: Viewer, small: EndpointRow
):
    with world.database.transaction() as tx:
        world.endpoints.update_endpoint(
            tx, viewer, small.id, EndpointChanges(limits=Limits(600, 10_000, 8))
        )

    text = main_of(browser.get("/endpoints").text)

    assert f'href="/endpoints/{small.id}">tw/small</a>' in text
    assert "$0.02" in text
    assert "$0.06" in text
    assert re.search(r"Tier 0</span>\s*<span[^>]*><span[^>]*dot-ready", text)
    assert "1/2" in text
    assert "groq" in text
    assert "600 requests/min" in text
    assert "10,000 tokens/min" in text
    assert "Ready" in text


def test_the_list_is_searched_by_name_alias_and_narrowed_by_provider(
    browser: TestClient, world: PortalWorld, viewer: Viewer, small: EndpointRow
):
    connection = world.connect(viewer, name="Second")
    world.add_hosted(viewer, connection, "openai/gpt-oss-20b")

    def names(query: str) -> list[str]:
        text = browser.get(f"/endpoints?{query}").text
        return re.findall(r'href="/endpoints/ep_\w+">([^<]+)</a>', text)

    assert names("") == ["openai/gpt-oss-20b", "tw/small"]
    assert names("q=GPT-OSS") == ["openai/gpt-oss-20b"]
    assert names("q=smollm") == ["tw/small"], "the model's display name"
    assert names("q=tw+small") == ["tw/small"]
    assert names(f"provider={connection.id}") == ["openai/gpt-oss-20b"]
    assert names("provider=own") == ["tw/small"]
    assert names(f"provider={small.targets[1].connection_id}") == ["tw/small"]
    for nothing in ("q=zebra", "q=%25", "q=_", "provider=nobody", "provider=%00", "q=%00zebra"):
        assert names(nothing) == [], nothing
    assert "No endpoint matches" in browser.get("/endpoints?q=zebra").text
    page = main_of(browser.get(f"/endpoints?provider={connection.id}").text)
    assert f'<option value="{connection.id}" selected>Second' in page


def test_three_hundred_endpoints_are_shown_page_by_page(
    browser: TestClient, world: PortalWorld, viewer: Viewer
):
    world.deploy("small")
    with world.database.transaction() as tx:
        for number in range(299):
            world.endpoints.add_endpoint(
                tx, viewer, NewEndpoint("tw/small", name=f"name-{number:03}")
            )

    first, last = browser.get("/endpoints").text, browser.get("/endpoints?page=3").text

    assert first.count('href="/endpoints/ep_') == 100
    assert "300 endpoints" in first
    assert "1 to 100 of 300" in first
    assert 'rel="next" href="/endpoints?page=2"' in first
    assert 'rel="prev"' not in first
    assert "201 to 300 of 300" in last
    assert 'rel="next"' not in last
    assert "The list ends before this page" in browser.get("/endpoints?page=4").text
    searched = browser.get("/endpoints?q=name&page=2").text
    assert 'rel="next" href="/endpoints?q=name&amp;page=3"' in searched
    assert 'rel="prev" href="/endpoints?q=name"' in searched
    assert browser.get("/endpoints?page=0").status_code == 422


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (partial(_change, is_enabled=False), "Disabled"),
        (_take_out_targets, "No targets"),
        (_switch_off, "Partly ready"),
    ],
)
def test_a_state_that_is_not_well_is_said(
    browser: TestClient, world: PortalWorld, viewer: Viewer, small: EndpointRow, *, make, said: str
):
    make(world, viewer, small)

    assert said in main_of(browser.get("/endpoints").text)
    page = browser.get(f"/endpoints/{small.id}")
    assert page.status_code == 200
    assert said in main_of(page.text)


def test_an_endpoint_whose_every_target_is_down_is_said_to_refuse(
    browser: TestClient, world: PortalWorld, viewer: Viewer
):
    world.deploy("big", ready=0, starting=1)
    endpoint = world.endpoint(viewer, "tw/big")

    assert "No target ready" in main_of(browser.get("/endpoints").text)
    text = main_of(browser.get(f"/endpoints/{endpoint.id}").text)
    assert "calls are refused until one is" in text
    assert "0 of 1 replicas" in text


# --- who may --------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
def test_whoever_may_not_change_endpoints_reads_them_without_costs_and_forms(
    browser_of: Callable[[Role], TestClient], world: PortalWorld, role: Role
):
    browser = browser_of(role)
    world.deploy("small")
    text = browser.get("/endpoints").text
    found = re.search(r'href="(/endpoints/ep_\w+)">tw/small</a>', text)
    assert found is not None

    page = main_of(browser.get(found[1]).text)

    assert "Tier 0" in page
    assert "$0.06" in page
    assert "Fewest calls for its weight" in page
    assert "Costs, in / out" not in page
    assert 'name="revision"' not in page
    assert 'name="weight_' not in page
    assert "csrf_token" not in page
    assert ('id="route-try"' in page) == (role is Role.DEVELOPER)
    if role is Role.VIEWER:
        assert "keys:write" in page
        assert "developer or admin" in page


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
@pytest.mark.parametrize("path", ["/delete", "/targets/new"])
def test_the_denial_names_the_right_and_the_role_that_has_it(
    browser_of: Callable[[Role], TestClient], role: Role, path: str
):
    answer = browser_of(role).get(f"/endpoints/ep_01890000000000000000000000{path}")

    assert answer.status_code == 403
    assert "endpoints:write" in answer.text
    assert "<dd>admin</dd>" in answer.text


FORMS = ["", "/enabled", "/targets", "/targets/new", "/delete"]


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    ("token", "headers"), [("wrong", {}), ("own", {"sec-fetch-site": "cross-site"})]
)
def test_a_form_that_is_not_ours_changes_nothing(
    browser: TestClient,
    world: PortalWorld,
    viewer: Viewer,
    small: EndpointRow,
    *,
    path: str,
    token: str,
    headers: dict[str, str],
):
    fields = values(small, do="save", is_enabled="no", aliases="stolen")
    fields["csrf_token"] = viewer.csrf_token if token == "own" else token

    answer = browser.post(f"/endpoints/{small.id}{path}", data=fields, headers=headers)

    assert answer.status_code == 403
    assert "Nothing was changed" in answer.text
    assert now(world, viewer, small) == small


@pytest.mark.parametrize("path", FORMS)
def test_a_developer_cannot_post_what_only_administrators_may(
    browser_of: Callable[[Role], TestClient], path: str
):
    browser = browser_of(Role.DEVELOPER)
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get("/").text)
    assert token is not None

    answer = browser.post(
        f"/endpoints/ep_01890000000000000000000000{path}", data={"csrf_token": token[1]}
    )

    assert answer.status_code == 403
    assert "endpoints:write" in answer.text


@pytest.mark.parametrize("endpoint_id", ["x", "ep_", "ep_%00", "a" * 500, "tw/small"])
def test_what_is_no_endpoint_is_not_found(browser: TestClient, endpoint_id: str):
    assert browser.get(f"/endpoints/{endpoint_id}").status_code == 404


# --- one endpoint ---------------------------------------------------------------------------


def test_the_page_tells_every_target_by_tier(browser: TestClient, small: EndpointRow):
    text = main_of(browser.get(f"/endpoints/{small.id}").text)

    assert text.index("Tier 0") < text.index("Own engine") < text.index("Tier 1")
    assert text.index("Tier 1") < text.index("small-v2")
    assert "eu-west-1" in text
    assert "us-east-1 · us" in text
    assert "$0.15 / $0.60" in text
    assert "No retention" in text
    assert "1 of 2 replicas" in text
    assert f'name="weight_{small.targets[0].id}" value="2"' in text
    assert '<span class="string">"tw/small"</span>' in text, "the code sample"
    assert 'value="tw/small:floor"' in text


def test_names_that_people_choose_never_become_markup(
    browser: TestClient, world: PortalWorld, viewer: Viewer, small: EndpointRow
):
    connection = world.connect(viewer, base_url="https://x.example.org", name=HOSTILE)
    target = NewTarget(connection_id=connection.id, upstream_model=HOSTILE)
    with world.database.transaction() as tx:
        world.endpoints.set_targets(tx, viewer, small.id, [target])

    for path in (
        "/endpoints",
        f"/endpoints?q={HOSTILE}",
        f"/endpoints/{small.id}",
        f"/endpoints/{small.id}/targets/new",
        f"/providers/{connection.id}",
    ):
        text = browser.get(path).text
        assert HOSTILE not in text
        assert "&lt;script&gt;" in text


def test_settings_are_saved(send, world: PortalWorld, viewer: Viewer, small: EndpointRow):
    answer = send(
        f"/endpoints/{small.id}",
        **values(small, sort="latency", max_attempts="5", queue_bound="0", retry_timeouts="yes"),
        first_token_bound_ms="1,500",
        regions="eu-west-1, us-east-1",
        zones="eu",
        no_retention="yes",
        requests_per_minute="600",
        tokens_per_minute="",
        concurrent_requests="8",
    )

    row = now(world, viewer, small)
    assert answer.headers["location"] == f"/endpoints/{small.id}"
    assert row.routing == Routing("latency", 0, 1500, 5, retry_timeouts=True)
    assert row.conditions == Conditions(
        frozenset({"eu-west-1", "us-east-1"}), frozenset({"eu"}), no_retention=True
    )
    assert row.limits == Limits(600, None, 8)
    assert row.aliases == small.aliases
    assert row.targets == small.targets


def test_aliases_are_read_a_line_each_and_may_not_be_taken(
    send, world: PortalWorld, viewer: Viewer, small: EndpointRow
):
    world.deploy("other")

    saved = send(f"/endpoints/{small.id}", **values(small, aliases="one\r\n two, three\r\n\r\none"))
    assert saved.status_code == 303
    row = now(world, viewer, small)
    assert row.aliases == ("one", "two", "three")

    taken = send(f"/endpoints/{small.id}", **values(row, aliases="one\ntw/other"))
    assert taken.status_code == 409
    assert 'id="aliases-error"' in taken.text
    assert ">\none\ntw/other</textarea>" in taken.text
    assert now(world, viewer, small) == row


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("aliases", "not a name!", "aliases"),
        ("aliases", "\n".join(f"a{number}" for number in range(17)), "aliases"),
        ("sort", "beauty", "sort"),
        ("max_attempts", "0", "max-attempts"),
        ("max_attempts", "11", "max-attempts"),
        ("queue_bound", "-1", "queue-bound"),
        ("first_token_bound_ms", "soon", "first-token"),
        ("first_token_bound_ms", "0", "first-token"),
        ("regions", "EU!", "regions"),
        ("zones", "x" * 99, "zones"),
        ("requests_per_minute", "many", "limit-requests"),
        ("tokens_per_minute", "0", "limit-tokens"),
        ("concurrent_requests", "9999999999", "limit-concurrent"),
    ],
)
def test_a_setting_that_is_wrong_is_said_at_its_field_and_the_rest_is_kept(
    send, world: PortalWorld, viewer: Viewer, small: EndpointRow, *, field, value, place
):
    fields = values(small, regions="eu-central-9", requests_per_minute="77", no_training="yes")

    answer = send(f"/endpoints/{small.id}", **(fields | {field: value}))

    assert answer.status_code == 422
    assert f'id="{place}-error"' in answer.text
    assert re.search(rf'id="{place}"[^>]*aria-invalid="true"', answer.text)
    assert re.search(r'name="no_training"[^>]* checked', answer.text)
    if field != "regions":
        assert 'value="eu-central-9"' in answer.text
    if field != "requests_per_minute":
        assert 'value="77"' in answer.text
    assert now(world, viewer, small) == small


def test_settings_that_are_out_of_date_show_both_and_can_be_sent_again(
    send, world: PortalWorld, viewer: Viewer, small: EndpointRow
):
    _change(world, viewer, small, routing=Routing("price", 7))

    answer = send(f"/endpoints/{small.id}", **values(small, queue_bound="3"))

    assert answer.status_code == 412
    assert "Somebody else has changed this endpoint" in answer.text
    assert "Now: <b>Cheapest</b>" in answer.text
    assert "Now: <b>7</b>" in answer.text
    assert 'name="queue_bound" value="3"' in answer.text
    assert now(world, viewer, small).routing.queue_bound == 7

    current = str(now(world, viewer, small).revision)
    assert f'name="revision" value="{current}"' in answer.text
    again = send(f"/endpoints/{small.id}", **values(small, queue_bound="3", revision=current))
    assert again.status_code == 303
    assert now(world, viewer, small).routing == Routing("load", 3)


def test_an_endpoint_is_switched_off_and_on(
    browser: TestClient, send, world: PortalWorld, viewer: Viewer, small: EndpointRow
):
    path = f"/endpoints/{small.id}"
    fields = {"revision": str(small.revision)}

    assert send(f"{path}/enabled", **fields, is_enabled="no").status_code == 303
    assert not now(world, viewer, small).is_enabled
    assert "as if there were no such model" in browser.get(path).text

    stale = send(f"{path}/enabled", **fields, is_enabled="yes")
    assert stale.status_code == 412
    assert "Somebody else has changed" in stale.text
    assert not now(world, viewer, small).is_enabled


def test_an_endpoint_is_deleted_after_asking(
    browser: TestClient, send, world: PortalWorld, viewer: Viewer, small: EndpointRow
):
    path = f"/endpoints/{small.id}/delete"
    assert "Its routing and its 2 targets go with it" in browser.get(path).text

    stale = send(path, revision="99")
    assert stale.status_code == 412
    assert now(world, viewer, small) == small

    answer = send(path, revision=str(small.revision))
    assert answer.headers["location"] == "/endpoints"
    assert browser.get(f"/endpoints/{small.id}").status_code == 404


# --- targets --------------------------------------------------------------------------------


def test_weights_are_saved_and_everything_else_of_targets_stays(
    send, world: PortalWorld, viewer: Viewer, small: EndpointRow
):
    answer = send(f"/endpoints/{small.id}/targets", **weights(small, "7"), do="save")

    row = now(world, viewer, small)
    assert answer.status_code == 303
    assert [target.weight for target in row.targets] == [7, 1]
    assert [target.id for target in row.targets] == [target.id for target in small.targets]
    assert row.targets[1] == small.targets[1]


def test_a_target_is_moved_between_tiers_and_taken_out(
    send, world: PortalWorld, viewer: Viewer, small: EndpointRow
):
    own, hosted = small.targets
    path = f"/endpoints/{small.id}/targets"

    def press(action: str) -> list[tuple[str, int]]:
        fields = weights(now(world, viewer, small))
        assert send(path, **fields, do=action).status_code == 303
        return [(target.id, target.tier) for target in now(world, viewer, small).targets]

    assert press(f"up:{hosted.id}") == [(own.id, 0), (hosted.id, 0)]
    assert press(f"up:{hosted.id}") == [(hosted.id, 0), (own.id, 1)]
    assert press(f"down:{hosted.id}") == [(hosted.id, 0), (own.id, 0)]
    assert press(f"remove:{own.id}") == [(hosted.id, 0)]


def test_a_button_that_would_do_nothing_is_dead(browser: TestClient, small: EndpointRow):
    own, hosted = small.targets
    text = browser.get(f"/endpoints/{small.id}").text

    assert re.search(rf'value="up:{own.id}"[^>]* disabled', text)
    assert not re.search(rf'value="down:{own.id}"[^>]* disabled', text)
    assert re.search(rf'value="down:{hosted.id}"[^>]* disabled', text)


@pytest.mark.parametrize("weight", ["0", "", "heavy", "10001", "-1", "1.5"])
def test_a_weight_that_is_none_is_said_at_its_field(
    send, world: PortalWorld, viewer: Viewer, small: EndpointRow, weight: str
):
    own, hosted = small.targets

    answer = send(
        f"/endpoints/{small.id}/targets", **weights(small, weight, "55"), do=f"up:{hosted.id}"
    )

    assert answer.status_code == 422
    assert f'id="weight-{own.id}-error"' in answer.text
    assert f'name="weight_{hosted.id}" value="55"' in answer.text
    assert now(world, viewer, small) == small


def test_targets_that_are_out_of_date_show_both_and_change_nothing(
    send, world: PortalWorld, viewer: Viewer, small: EndpointRow
):
    path = f"/endpoints/{small.id}/targets"
    assert send(path, **weights(small, "9"), do="save").status_code == 303

    answer = send(path, **weights(small, "5"), do="save")

    assert answer.status_code == 412
    assert "Somebody else has changed the endpoint" in answer.text
    assert f'name="weight_{small.targets[0].id}" value="5"' in answer.text
    assert "Now: <b>9</b>" in answer.text
    assert now(world, viewer, small).targets[0].weight == 9


@pytest.mark.parametrize("action", ["", "up:tgt_x", "fly", "remove:", "up:"])
def test_a_button_that_there_is_not_changes_nothing(
    send, world: PortalWorld, viewer: Viewer, small: EndpointRow, action: str
):
    answer = send(f"/endpoints/{small.id}/targets", **weights(small, "5"), do=action)

    assert answer.status_code == 422
    assert now(world, viewer, small) == small


def test_a_provider_is_added_as_a_target_at_what_its_list_says(
    browser: TestClient, send, world: PortalWorld, viewer: Viewer, small: EndpointRow
):
    path = f"/endpoints/{small.id}/targets/new"
    connection = world.connect(viewer, name="Second")

    first = main_of(browser.get(path).text)
    assert f'<option value="{connection.id}">Second' in first
    assert "dep_" not in first, "the only deployment is a target already"
    second = browser.get(f"{path}?place={connection.id}").text
    assert '<option value="llama-3.3-70b-versatile">' in second
    assert '<option value="2" selected>Tier 2, behind all' in second

    answer = send(
        path,
        revision=str(small.revision),
        place=connection.id,
        upstream_model="llama-3.3-70b-versatile",
        tier="1",
        weight="4",
        region="eu-west-1",
        retains_data="no",
        trains_on_data="",
        context_tokens="4,096",
    )

    added = now(world, viewer, small).targets[2]
    assert answer.headers["location"] == f"/endpoints/{small.id}"
    assert (added.tier, added.weight, added.region, added.zone) == (1, 4, "eu-west-1", None)
    assert (added.retains_data, added.trains_on_data) == (False, None)
    assert added.context_tokens == 4096
    assert added.cost == Cost("USD", 590_000_000, 790_000_000)
    assert now(world, viewer, small).targets[:2] == small.targets


def test_a_deployment_is_added_as_a_target(
    browser: TestClient, send, world: PortalWorld, viewer: Viewer, small: EndpointRow
):
    deployment_id = small.targets[0].deployment_id
    _take_out_targets(world, viewer, small)
    path = f"/endpoints/{small.id}/targets/new"
    row = now(world, viewer, small)

    assert f'<option value="{deployment_id}">' in browser.get(path).text
    answer = send(path, revision=str(row.revision), place=deployment_id, tier="0", weight="1")

    assert answer.status_code == 303
    assert now(world, viewer, small).targets[0].deployment_id == deployment_id


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("upstream_model", "", "upstream-model"),
        ("upstream_model", "é", "upstream-model"),
        ("weight", "0", "weight"),
        ("weight", "x", "weight"),
        ("tier", "100", "tier"),
        ("region", "EU", "region"),
        ("zone", "!", "zone"),
        ("context_tokens", "0", "context"),
        ("cost_input", "cheap", "cost-input"),
        ("cost_output", "", "cost-output"),
    ],
)
def test_a_target_that_is_wrong_is_said_at_its_field_and_the_rest_is_kept(
    send, world: PortalWorld, viewer: Viewer, small: EndpointRow, *, field, value, place
):
    connection = world.connect(viewer, name="Second")
    form = {
        "revision": str(small.revision),
        "place": connection.id,
        "upstream_model": "kept-model",
        "tier": "1",
        "weight": "4",
        "cost_input": "0.15",
        "cost_output": "0.60",
    }

    answer = send(f"/endpoints/{small.id}/targets/new", **(form | {field: value}))

    assert answer.status_code == 422
    assert f'id="{place}-error"' in answer.text
    if field != "upstream_model":
        assert 'value="kept-model"' in answer.text
    assert now(world, viewer, small) == small


@pytest.mark.parametrize(
    "place", ["", "nobody", "conn_01890000000000000000000000", "dep_01890000000000000000000000"]
)
def test_a_place_that_is_none_is_refused(
    send, world: PortalWorld, viewer: Viewer, small: EndpointRow, place: str
):
    answer = send(
        f"/endpoints/{small.id}/targets/new",
        revision=str(small.revision),
        place=place,
        upstream_model="m",
        tier="0",
        weight="1",
    )

    assert answer.status_code in {404, 422}
    assert now(world, viewer, small) == small


def test_one_place_is_no_target_twice(send, world: PortalWorld, viewer: Viewer, small: EndpointRow):
    answer = send(
        f"/endpoints/{small.id}/targets/new",
        revision=str(small.revision),
        place=small.targets[1].connection_id,
        upstream_model="small-v2",
        tier="0",
        weight="1",
    )

    assert answer.status_code == 422
    assert "One place is a target twice" in answer.text
    assert 'value="small-v2"' in answer.text


def test_a_new_target_for_an_endpoint_that_was_changed_can_be_sent_again(
    send, world: PortalWorld, viewer: Viewer, small: EndpointRow
):
    connection = world.connect(viewer, name="Second")
    _change(world, viewer, small, routing=Routing("price"))
    form = {"place": connection.id, "upstream_model": "m", "tier": "0", "weight": "1"}
    path = f"/endpoints/{small.id}/targets/new"

    stale = send(path, **form, revision=str(small.revision))
    assert stale.status_code == 412
    assert 'value="m"' in stale.text

    current = now(world, viewer, small)
    assert f'name="revision" value="{current.revision}"' in stale.text
    assert send(path, **form, revision=str(current.revision)).status_code == 303


def test_where_there_is_no_other_place_the_page_says_so(
    browser: TestClient, world: PortalWorld, viewer: Viewer
):
    world.deploy("small")
    endpoint = world.endpoint(viewer, "tw/small")

    text = browser.get(f"/endpoints/{endpoint.id}/targets/new").text

    assert "There is no other place" in text
