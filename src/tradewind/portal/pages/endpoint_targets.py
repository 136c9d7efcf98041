"""The targets of an endpoint: their weights, their tiers, taking one out, adding one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Connection
from starlette.responses import Response

from tradewind.core.errors import InvalidInput, PreconditionFailed
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.endpoints import rules
from tradewind.features.endpoints.schemas import EndpointRow, NewTarget, TargetRow
from tradewind.features.providers.schemas import HOST_CURRENCY, KnownHost
from tradewind.portal import amounts
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields, FormFields
from tradewind.portal.pages.endpoint import EndpointPages, to_endpoint
from tradewind.portal.parts import Portal
from tradewind.portal.revisions import STALE, revision_of
from tradewind.portal.tiers import moved_down, moved_up
from tradewind.readmodels.connections import ConnectionView, get_connection, list_connections
from tradewind.readmodels.endpoints import (
    DeploymentView,
    EndpointView,
    deployments_of_model,
    get_endpoint,
)
from tradewind.snapshot.contents import Cost

WEIGHT = "weight_"
"""Prefix of the fields of weights; the target's id follows."""
_LONGEST_ID = 100
_AS_CONNECTION, _YES, _NO = "", "yes", "no"


@dataclass(frozen=True, slots=True)
class TargetForm:
    """What was typed of a new target, as typed."""

    place: str = ""
    """A deployment's or a connection's id."""
    upstream_model: str = ""
    tier: str = ""
    weight: str = "1"
    region: str = ""
    zone: str = ""
    retains_data: str = _AS_CONNECTION
    trains_on_data: str = _AS_CONNECTION
    context_tokens: str = ""
    cost_input: str = ""
    cost_output: str = ""
    revision: str = ""


@dataclass(frozen=True, slots=True)
class NewTargetPage:
    endpoint: EndpointView
    deployments: Sequence[DeploymentView]
    """That run the model and are no targets yet."""
    connections: Sequence[ConnectionView]
    chosen: ConnectionView | None
    host: KnownHost | None
    """Whose list completes the names of models."""
    form: TargetForm
    currency: str = HOST_CURRENCY
    errors: FieldErrors = field(default_factory=FieldErrors)
    is_stale: bool = False

    @property
    def tiers(self) -> list[int]:
        """Return the tiers to choose from: those there are, and one behind them."""
        there = sorted({target.tier for target in self.endpoint.targets})
        return [*there, there[-1] + 1 if there else 0]

    @property
    def tier_choices(self) -> list[tuple[str, str]]:
        *there, behind = self.tiers
        said = [(str(tier), f"Tier {tier}, beside what is there") for tier in there]
        return [*said, (str(behind), f"Tier {behind}, behind all" if there else "Tier 0")]


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, endpoints, known = services.database, services.endpoints, services.providers
    pages = EndpointPages(portal)
    may_write = access.allowed(Permission.ENDPOINTS_WRITE)
    own_form = [Depends(access.own_form)]

    @router.post("/endpoints/{endpoint_id}/targets", dependencies=own_form)
    def change(
        request: Request,
        endpoint_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        """Save all weights, then do what the pressed button says."""
        weights = fields.with_prefix(WEIGHT)
        errors = FieldErrors()
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        try:
            with database.transaction() as tx:
                former = endpoints.get_endpoint(tx, viewer, endpoint_id)
                wanted = _changed(former, weights, fields.text("do"), errors)
                if not errors:
                    endpoints.set_targets(
                        tx, viewer, endpoint_id, wanted, revision=revision_of(fields)
                    )
                    return to_endpoint(endpoint_id)
        except PreconditionFailed:
            status = STALE
        except InvalidInput as error:
            errors.add(WHOLE_FORM, error)
        return pages.answer(
            request, viewer, endpoint_id, weights=weights, target_errors=errors, status=status
        )

    @router.get("/endpoints/{endpoint_id}/targets/new")
    def ask(
        request: Request,
        endpoint_id: str,
        viewer: Annotated[Viewer, Depends(may_write)],
        place: Annotated[str, Query(max_length=_LONGEST_ID)] = "",
    ) -> Response:
        return _form_page(request, viewer, endpoint_id, TargetForm(place=place))

    @router.post("/endpoints/{endpoint_id}/targets/new", dependencies=own_form)
    def add(
        request: Request,
        endpoint_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        form, errors = _read(fields), FieldErrors()
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        try:
            with database.transaction() as tx:
                former = endpoints.get_endpoint(tx, viewer, endpoint_id)
                new = _new_target(form, errors)
                if new is not None:
                    new = _with_listed_cost(tx, viewer, new)
                    targets = [*map(_as_new, former.targets), new]
                    endpoints.set_targets(
                        tx,
                        viewer,
                        endpoint_id,
                        sorted(targets, key=lambda target: target.tier),
                        revision=revision_of(fields),
                    )
                    return to_endpoint(endpoint_id)
        except PreconditionFailed:
            status = STALE
        except InvalidInput as error:
            errors.add(WHOLE_FORM, error)
        return _form_page(request, viewer, endpoint_id, form, errors=errors, status=status)

    def _with_listed_cost(tx: Connection, viewer: Viewer, new: NewTarget) -> NewTarget:
        """Return the target with what its host is known to take, unless something was said."""
        if new.cost is not None or new.connection_id is None or new.upstream_model is None:
            return new
        connection = get_connection(tx, viewer.organization_id, new.connection_id)
        host = known.known_host(connection.host) if connection.host else None
        listed = host.model(new.upstream_model) if host is not None else None
        if listed is None or listed.price is None:
            return new
        price = listed.price
        return replace(new, cost=Cost(HOST_CURRENCY, price.input_nanos, price.output_nanos))

    def _form_page(
        request: Request,
        viewer: Viewer,
        endpoint_id: str,
        form: TargetForm,
        *,
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            endpoint = get_endpoint(tx, viewer.organization_id, endpoint_id)
            deployments = deployments_of_model(tx, endpoint.model_id)
            connections = list_connections(tx, viewer.organization_id)
        used = {target.deployment_id for target in endpoint.targets}
        usable = [
            connection
            for connection in connections
            if connection.organization_id in {None, endpoint.organization_id}
        ]
        chosen = next((one for one in usable if one.id == form.place), None)
        if not form.revision or status == STALE:
            form = replace(form, revision=str(endpoint.revision))
        page = NewTargetPage(
            endpoint=endpoint,
            deployments=[one for one in deployments if one.id not in used],
            connections=usable,
            chosen=chosen,
            host=known.known_host(chosen.host) if chosen and chosen.host else None,
            form=form,
            errors=errors or FieldErrors(),
            is_stale=status == STALE,
        )
        return portal.shell.page(
            request, "endpoint_target_new.html", page, viewer=viewer, status=status
        )

    return router


def _changed(
    former: EndpointRow, weights: Mapping[str, str], action: str, errors: FieldErrors
) -> list[NewTarget]:
    """Return the targets as they are to be. `action` is `save`, or `up`, `down` or `remove` with a
    colon and the id of a target.
    """
    wanted: dict[str, NewTarget] = {target.id: _as_new(target) for target in former.targets}
    for target_id, text in weights.items():
        if target_id not in wanted:
            continue
        with errors.at(WEIGHT + target_id):
            weight = amounts.count(text, "the weight")
            if weight is None:
                raise InvalidInput("the weight is missing", hint="1 is as much as any other")
            wanted[target_id] = replace(wanted[target_id], weight=weight)
            rules.check_targets([wanted[target_id]])
    verb, _, target_id = action.partition(":")
    tiers = {known_id: target.tier for known_id, target in wanted.items()}
    if target_id in wanted:
        match verb:
            case "up":
                tiers = moved_up(tiers, target_id)
            case "down":
                tiers = moved_down(tiers, target_id)
            case "remove":
                del wanted[target_id]
            case _:
                pass
    elif verb != "save":
        errors.say(WHOLE_FORM, "the target is not there any more", "nothing was changed")
    moved = [replace(target, tier=tiers[known_id]) for known_id, target in wanted.items()]
    return sorted(moved, key=lambda target: target.tier)


def _as_new(target: TargetRow) -> NewTarget:
    return NewTarget(
        deployment_id=target.deployment_id,
        connection_id=target.connection_id,
        upstream_model=target.upstream_model,
        tier=target.tier,
        weight=target.weight,
        region=target.region,
        zone=target.zone,
        retains_data=target.retains_data,
        trains_on_data=target.trains_on_data,
        quantization=target.quantization,
        context_tokens=target.context_tokens,
        cost=target.cost,
        parameters=target.parameters,
    )


def _read(fields: FormFields) -> TargetForm:
    return TargetForm(
        place=fields.text("place"),
        upstream_model=fields.text("upstream_model").strip(),
        tier=fields.text("tier"),
        weight=fields.text("weight"),
        region=fields.text("region").strip(),
        zone=fields.text("zone").strip(),
        retains_data=fields.text("retains_data"),
        trains_on_data=fields.text("trains_on_data"),
        context_tokens=fields.text("context_tokens"),
        cost_input=fields.text("cost_input"),
        cost_output=fields.text("cost_output"),
        revision=fields.text("revision"),
    )


def _new_target(form: TargetForm, errors: FieldErrors) -> NewTarget | None:
    """Return the target, or None when something is wrong, which is then in `errors`."""
    is_own = form.place.startswith("dep_")
    if not form.place:
        errors.say("place", "no place is chosen", "choose a deployment or a provider")
    if not is_own and form.place:
        with errors.at("upstream_model"):
            rules.check_upstream_model(form.upstream_model)
    numbers: dict[str, int | None] = {}
    for name, what in (
        ("tier", "the tier"),
        ("weight", "the weight"),
        ("context_tokens", "the context"),
    ):
        with errors.at(name):
            numbers[name] = amounts.count(getattr(form, name), what)
    target = NewTarget(
        deployment_id=form.place if is_own else None,
        connection_id=None if is_own else form.place,
        upstream_model=None if is_own else form.upstream_model,
        tier=numbers.get("tier") or 0,
        weight=1 if numbers.get("weight") is None else numbers["weight"] or 0,
        region=form.region or None,
        zone=form.zone or None,
        retains_data=_said(form.retains_data),
        trains_on_data=_said(form.trains_on_data),
        context_tokens=numbers.get("context_tokens"),
        cost=_cost(form, errors),
    )
    # What only this field says is checked alone, so that its error stands beside it.
    alone = NewTarget(deployment_id="any")
    for name in ("weight", "tier", "region", "zone", "context_tokens"):
        with errors.at(name):
            rules.check_targets([replace(alone, **{name: getattr(target, name)})])
    return None if errors else target


def _cost(form: TargetForm, errors: FieldErrors) -> Cost | None:
    costs: dict[str, int | None] = {"cost_input": None, "cost_output": None}
    for name, what in (("cost_input", "the input's price"), ("cost_output", "the output's price")):
        with errors.at(name):
            costs[name] = amounts.amount(getattr(form, name), what)
    taken, given = costs["cost_input"], costs["cost_output"]
    if taken is None and given is None:
        return None
    for name, cost in costs.items():
        if cost is None:
            errors.say(name, "one price of two is missing", "write 0 if there is none")
    return Cost(HOST_CURRENCY, taken or 0, given or 0)


def _said(text: str) -> bool | None:
    return {_YES: True, _NO: False}.get(text)
