"""`tradewind deploy` and `tradewind deployments`: orders for a running platform."""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tradewind.core.errors import NotFound, Unavailable
from tradewind.core.settings import Settings
from tradewind.features.deployments.errors import AlreadyDeployed
from tradewind.features.deployments.schemas import (
    Deployable,
    DeploymentChanges,
    NewDeployment,
    Strategy,
)
from tradewind.plugins.engines.engine_logs import Tail
from tradewind.readmodels.deployments import (
    DeploymentView,
    RevisionView,
    get_deployment,
    list_deployments,
    list_revisions,
)
from tradewind.serve.operating import AT_THE_COMMAND, Operating, operating

_LOOK_EVERY_S = 0.25


class NotReady(Unavailable):
    """A deployment did not become ready."""

    code = "deployment_not_ready"


class Deployed(NamedTuple):
    look: Deployable
    view: DeploymentView
    is_new: bool


def look(settings: Settings, asked: NewDeployment) -> Deployable:
    """Return what deploying would take, changing nothing."""
    with operating(settings) as at, at.database.transaction() as tx:
        return at.orders.look(tx, at.operator, asked)


def deploy(
    settings: Settings,
    asked: NewDeployment,
    *,
    wait_s: float | None,
    show: Callable[[DeploymentView], None],
) -> Deployed:
    """Deploy a model, or find the deployment it has; with `wait_s` return when it is ready.

    `show` is called with each new state. Raises NotReady, and what `DeploymentOrders` raises.
    """
    with operating(settings) as at:
        is_new = True
        try:
            with at.database.transaction() as tx:
                found = at.orders.deploy(tx, at.operator, asked, by=AT_THE_COMMAND)
        except AlreadyDeployed:
            is_new = False
            with at.database.transaction() as tx:
                found = at.orders.look(tx, at.operator, asked)
        assert found.deployment_id is not None
        view = _get(at, found.deployment_id)
        if wait_s is not None:
            view = _await(at, view, wait_s, show)
        return Deployed(found, view, is_new)


def list_all(settings: Settings) -> list[DeploymentView]:
    with operating(settings) as at, at.database.transaction() as tx:
        return list_deployments(tx, at.operator.organization_id)


def show_one(settings: Settings, named: str) -> tuple[DeploymentView, list[RevisionView]]:
    """`named` is an id, or the name of a model that has one deployment. Raises NotFound."""
    with operating(settings) as at:
        view = _find(at, named)
        with at.database.transaction() as tx:
            return view, list_revisions(tx, view.deployment_id)


def stop(settings: Settings, named: str) -> DeploymentView:
    with operating(settings) as at:
        view = _find(at, named)
        with at.database.transaction() as tx:
            at.orders.stop(tx, at.operator, view.deployment_id)
        return _get(at, view.deployment_id)


def start(settings: Settings, named: str) -> DeploymentView:
    with operating(settings) as at:
        view = _find(at, named)
        with at.database.transaction() as tx:
            at.orders.start(tx, at.operator, view.deployment_id)
        return _get(at, view.deployment_id)


def scale(settings: Settings, named: str, replicas: int, *, is_override: bool) -> DeploymentView:
    with operating(settings) as at:
        view = _find(at, named)
        with at.database.transaction() as tx:
            at.orders.scale(tx, at.operator, view.deployment_id, replicas, is_override=is_override)
        return _get(at, view.deployment_id)


def change(settings: Settings, named: str, changes: DeploymentChanges) -> DeploymentView:
    with operating(settings) as at:
        view = _find(at, named)
        with at.database.transaction() as tx:
            at.orders.change(tx, at.operator, view.deployment_id, changes, by=AT_THE_COMMAND)
        return _get(at, view.deployment_id)


def roll_back(
    settings: Settings, named: str, to: int | None, strategy: Strategy | None
) -> DeploymentView:
    with operating(settings) as at:
        view = _find(at, named)
        with at.database.transaction() as tx:
            at.orders.roll_back(tx, at.operator, view.deployment_id, to, strategy)
        return _get(at, view.deployment_id)


def delete(settings: Settings, named: str) -> DeploymentView:
    """Return what it was."""
    with operating(settings) as at:
        view = _find(at, named)
        with at.database.transaction() as tx:
            at.orders.delete(tx, at.operator, view.deployment_id)
        return view


def logs(settings: Settings, named: str, number: int, *, follows: bool) -> Iterator[str]:
    """Yield the end of a log, and with `follows` what comes after it, without an end."""
    with operating(settings) as at:
        view = _find(at, named)
        tail: Tail = at.logs.tail(view.deployment_id, number)
        yield tail.text
        while follows:
            time.sleep(_LOOK_EVERY_S)
            tail = at.logs.news(view.deployment_id, number, tail.position)
            if tail.text:
                yield tail.text


def _await(
    at: Operating, view: DeploymentView, wait_s: float, show: Callable[[DeploymentView], None]
) -> DeploymentView:
    deadline = time.monotonic() + wait_s
    while True:
        show(view)
        match view.state:
            case "ready" | "stopped":
                return view
            case "failed":
                raise NotReady(
                    f"{view.model} does not start: {view.trouble}",
                    hint=f"see `tradewind deployments logs {view.deployment_id}`",
                )
            case _ if time.monotonic() > deadline:
                raise NotReady(f"{view.model} is {view.state} still after {wait_s:.0f} s")
            case _:
                time.sleep(_LOOK_EVERY_S)
        view = _get(at, view.deployment_id)


def _get(at: Operating, deployment_id: str) -> DeploymentView:
    with at.database.transaction() as tx:
        return get_deployment(tx, at.operator.organization_id, deployment_id)


def _find(at: Operating, named: str) -> DeploymentView:
    if "/" not in named:
        return _get(at, named)
    with at.database.transaction() as tx:
        found = [
            each
            for each in list_deployments(tx, at.operator.organization_id)
            if each.model == named.lower()
        ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFound(f"{named} is not deployed", hint=f"run `tradewind deploy {named}`")
    ids = ", ".join(each.deployment_id for each in found)
    raise NotFound(f"{named} has several deployments", hint=f"name one of {ids}")
