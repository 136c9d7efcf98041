"""Deployments in Chromium: two clicks from the card, watching it become ready, and all pages in
both themes, wide and narrow.
"""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from playwright.sync_api import ViewportSize, expect

from tradewind.core.ids import ReplicaId
from tradewind.core.permissions import Role
from tradewind.features.catalog.builtin import SMOLLM2
from tradewind.features.deployments.fit import Machine
from tradewind.features.deployments.rules import ReplicaAccess, ReplicaReport, Stage
from tradewind.features.deployments.schemas import DeploymentChanges
from tradewind.testing.portal_browser import NARROW, WIDE, Tab

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

ACCESS = ReplicaAccess("llama_server", "m", "/run/replica.sock", "k")
SMALL = Machine(2 * 1024**3, 700 * 1024**2, 2)
LONG = "a-reason-that-is-much-longer-than-anybody-would-ever-need-to-read-in-a-table " * 3


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[WIDE, NARROW], ids=["wide", "narrow"])
def viewport(request: pytest.FixtureRequest) -> ViewportSize:
    return request.param


def look(tab: Tab) -> list[str]:
    found = tab.violations()
    return [*found, f"{tab.overflow_px} px too wide"] if tab.overflow_px else found


def add_model(world, slug="ready-to-run") -> str:
    """Add a model whose weights are here and that nothing runs; returns its name."""
    with world.database.transaction() as tx:
        world.catalog.add_builtin(tx, replace(SMOLLM2, slug=slug, display_name="Ready To Run"))
    return f"{SMOLLM2.publisher}/{slug}"


def report(world, deployment_id, replica_id, stage, *, state="starting", detail="", percent=None):
    """Have a replica come to a stage, through all before it."""
    at = datetime.now(UTC).isoformat()
    through = list(Stage)[: list(Stage).index(stage) + 1]
    stages = tuple((each.value, at) for each in through)
    with world.database.transaction() as tx:
        world.deployments.report(
            tx,
            deployment_id,
            replica_id,
            ReplicaReport(state, detail, stage.value, percent, stages),
            ACCESS,
        )


def test_from_the_card_to_a_running_deployment_in_two_clicks(*, portal, signed_in, tab):
    world = portal.world
    name = add_model(world)
    page = tab.open(f"/models/{name}")
    page.get_by_role("main").get_by_role("link", name="Deploy", exact=True).click()
    expect(page.get_by_role("heading", name="Deploy Ready To Run")).to_be_visible()
    fit = page.get_by_role("region", name="Does it fit?")
    expect(fit).to_contain_text("Fits")
    expect(fit.locator(".fit-total")).to_contain_text("870 MiB")
    page.get_by_role("button", name="Deploy", exact=True).click()
    expect(page.get_by_role("heading", name="Ready To Run", level=1)).to_be_visible()
    [deployment_id] = [page.url.rpartition("/")[2]]
    replica_id = ReplicaId.new()
    report(world, deployment_id, replica_id, Stage.VERIFYING, percent=42)
    expect(page.get_by_role("listitem").filter(has_text="Verifying")).to_contain_text("42%")
    report(world, deployment_id, replica_id, Stage.READY, state="ready")
    expect(page.locator("#deployment-state")).to_have_text("Ready")
    expect(page.locator("#replicas")).to_contain_text("1 of 1 ready")


def test_the_estimate_follows_what_is_typed_and_what_does_not_fit_is_refused(
    *, portal, signed_in, tab
):
    world = portal.world
    world.machine = SMALL
    name = add_model(world)
    page = tab.open(f"/deployments/new?model={name}&slots=4&context=8192")
    fit = page.get_by_role("region", name="Does it fit?")
    expect(fit).to_contain_text("Does not fit")
    page.get_by_role("button", name="Deploy", exact=True).click()
    expect(page.get_by_text("By estimate it takes")).to_be_visible()
    page.get_by_label("Requests at once").fill("1")
    page.get_by_label("Requests at once").blur()
    expect(fit).to_contain_text("1 × 8,192 tokens")
    expect(fit).to_contain_text("Fits")
    page.get_by_label("Requests at once").fill("4")
    page.get_by_label("Requests at once").blur()
    page.get_by_label("Deploy it all the same").check()
    page.get_by_role("button", name="Deploy", exact=True).click()
    expect(page.get_by_text("Fit overridden")).to_be_visible()


def test_stopping_scaling_and_following_the_log(*, portal, signed_in, tab, tmp_path):
    world = portal.world
    deployment_id = world.deploy(ready=1)
    page = tab.open("/deployments")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    page.get_by_role("button", name="Start").click()
    page.get_by_role("link", name="Scale").click()
    page.get_by_role("textbox", name="Replicas").fill("2")
    page.get_by_role("button", name="Scale").click()
    expect(page.locator("#replicas")).to_contain_text("1 of 2 ready")
    log = tmp_path / f"engine-{deployment_id}.log"
    log.write_text("0.00.001.000 E srv  load: it is broken\n")
    expect(page.get_by_role("log")).to_contain_text("it is broken")
    with log.open("a") as stream:
        stream.write("and a second line\n")
    expect(page.get_by_role("log")).to_contain_text("and a second line")


def test_full_pages(*, portal, open_tab, signed_in, theme, viewport, tmp_path):
    world, viewer = portal.world, signed_in.viewer
    name = add_model(world)
    running = world.deploy("running", ready=2)
    failing = world.deploy("failing", ready=0)
    starting = world.deploy("starting", ready=0)
    stopped = world.deploy("stopped", ready=0)
    (tmp_path / f"engine-{failing}.log").write_text(f"E {LONG}\n" * 40)
    report(world, failing, ReplicaId.new(), Stage.LOADING, state="failed", detail=LONG[:300])
    report(world, starting, ReplicaId.new(), Stage.VERIFYING, percent=12)
    with world.database.transaction() as tx:
        world.orders.stop(tx, viewer, stopped)
        world.orders.change(tx, viewer, running, DeploymentChanges(slots=1), by=LONG[:80])
        world.deployments.was_ready(tx, running, 2)
    with world.database.transaction() as tx:
        world.orders.change(tx, viewer, running, DeploymentChanges(slots=3), by="Ada")
        world.deployments.give_way(tx, running, 3, LONG)
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    paths = ["/deployments", "/deployments/new", f"/deployments/new?model={name}"]
    paths += [f"/deployments/new?model={name}&slots=abc"]
    paths += [f"/deployments/{each}" for each in (running, failing, starting, stopped)]
    paths += [f"/deployments/{running}/delete"]

    problems = {}
    for path in paths:
        if found := look_at(tab, path):
            problems[path] = found
    world.machine = SMALL
    path = f"/deployments/new?model={name}&context=8192"
    if found := look_at(tab, path):
        problems[path] = found

    assert problems == {}


def look_at(tab: Tab, path: str) -> list[str]:
    tab.open(path)
    return look(tab)


def test_empty_and_forbidden_pages(*, portal, open_tab, theme, viewport):
    signed_in = portal.world.sign_in(Role.VIEWER)
    tab = open_tab(session_token=signed_in.session_token, theme=theme, viewport=viewport)
    page = tab.open("/deployments")
    expect(page.get_by_role("heading", name="Nothing is deployed")).to_be_visible()
    expect(page.get_by_role("main").get_by_role("link")).to_have_count(0)
    problems = look(tab)
    page.goto(f"{portal.url}/deployments/new?model=a/b")
    expect(page.get_by_role("main")).to_contain_text("deployments:write")
    problems += look(tab)
    assert problems == []
