"""A model called at a provider, by one form: offer, account, name, callers, price; then a first
call through it, and the code that makes the next ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, Forbidden, InvalidInput, TradewindError
from tradewind.core.permissions import Permission
from tradewind.db.sealing import Secret
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.catalog.errors import LicenceNotAccepted, ModelNotFound
from tradewind.features.endpoints.errors import (
    EndpointNameTaken,
    NoConnection,
    PriceChanged,
    TooManyEndpoints,
)
from tradewind.features.endpoints.schemas import CallableOffer, CallThroughLook
from tradewind.features.providers import rules as provider_rules
from tradewind.features.providers.errors import TooManyConnections
from tradewind.features.providers.schemas import KnownHost
from tradewind.portal.call_through_form import (
    CALLERS,
    EVERYBODY,
    NEW_ACCOUNT,
    CallThroughForm,
    asked_of,
    blank,
    read,
    with_price_of,
)
from tradewind.portal.catalog_state import is_name
from tradewind.portal.code_samples import Sample, samples
from tradewind.portal.connection_form import OfferedOption, is_address_editable, offered_options
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.pages.endpoint import TRIED_AT, may_change
from tradewind.portal.parts import Portal
from tradewind.portal.price_units import UnitPrice, meter_prices
from tradewind.readmodels.connections import ConnectionView, get_connection
from tradewind.readmodels.endpoints import EndpointView, get_endpoint
from tradewind.snapshot.contents import Operation

MOST_OFFERS = 200
_LONGEST_NAME = 200
_Text = Annotated[str, Query(max_length=_LONGEST_NAME)]


@dataclass(frozen=True, slots=True)
class CallThroughPage:
    look: CallThroughLook
    picked: CallableOffer | None
    """None when nobody is known to offer it."""
    host: KnownHost | None
    """Of the offer that is picked; None for one that a connection of ours told of."""
    form: CallThroughForm
    needs_acceptance: bool
    callers: Sequence[tuple[str, str]]
    options: Sequence[OfferedOption] = ()
    is_address_editable: bool = False
    errors: FieldErrors = field(default_factory=FieldErrors)
    had_credential: bool = False

    @property
    def others(self) -> Sequence[CallableOffer]:
        return [each for each in self.look.offers if each is not self.picked][:MOST_OFFERS]

    @property
    def meters(self) -> Sequence[UnitPrice]:
        return [] if self.picked is None else meter_prices(self.picked.offer.meters)

    @property
    def new_account(self) -> str:
        return NEW_ACCOUNT


@dataclass(frozen=True, slots=True)
class CalledThroughPage:
    endpoint: EndpointView
    connection: ConnectionView | None
    """Whose account pays, if it is still a target."""
    upstream_model: str
    samples: Sequence[Sample]
    try_at: str | None
    can_call: bool
    can_write: bool
    is_key_new: bool
    """The key was replaced just now: gateways take a moment to know it."""
    errors: FieldErrors = field(default_factory=FieldErrors)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, known = services.database, services.providers
    may_write = access.allowed(Permission.ENDPOINTS_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get("/models/{publisher}/{slug}/call")
    def ask(  # noqa: PLR0917  what a form starts with
        request: Request,
        publisher: str,
        slug: str,
        viewer: Annotated[Viewer, Depends(may_write)],
        offer: _Text = "",
        host: _Text = "",
        model: _Text = "",
    ) -> Response:
        """`offer` is an id; a link that has none names the host, and the model there."""
        with database.transaction() as tx:
            look, needs = _look(tx, viewer, f"{publisher}/{slug}")
        picked = _picked(look, offer, host, model)
        return _page(request, viewer, look, picked, needs_acceptance=needs)

    @router.post("/models/{publisher}/{slug}/call", dependencies=own_form)
    def call(
        request: Request,
        publisher: str,
        slug: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        form, credential, errors = read(fields), fields.text("credential"), FieldErrors()
        with database.transaction() as tx:
            look, needs = _look(tx, viewer, f"{publisher}/{slug}")
        picked = next((each for each in look.offers if each.offer.offer_id == form.offer), None)
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if picked is None:
            errors.say(WHOLE_FORM, "this offer has gone meanwhile", "pick another one")
            status = HTTPStatus.CONFLICT
            return _page(request, viewer, look, _picked(look, "", "", ""), None, errors, status)
        asked = asked_of(form, credential, look, picked, _host_of(picked), errors)
        if asked is not None:
            try:
                with database.transaction() as tx:
                    done = services.call_throughs.call_through(tx, viewer, asked)
            except _TOLD_IN_PLACE as error:
                errors.add(_place_of(error), error)
                status = HTTPStatus(error.status)
            else:
                place = f"{_page_of(look.model.name)}/{done.endpoint.id}"
                return RedirectResponse(
                    f"{place}?{urlencode({'account': done.connection.id})}", HTTPStatus.SEE_OTHER
                )
        with database.transaction() as tx:
            # The price may be another by now: what is shown is what is confirmed next.
            look, needs = _look(tx, viewer, look.model.name)
        return _page(
            request,
            viewer,
            look,
            picked,
            form,
            errors,
            status,
            needs_acceptance=needs,
            had_credential=bool(credential),
        )

    @router.get("/models/{publisher}/{slug}/call/{endpoint_id}")
    def called(  # noqa: PLR0917  what a page is asked for by
        request: Request,
        publisher: str,
        slug: str,
        endpoint_id: str,
        viewer: Annotated[Viewer, Depends(may_write)],
        account: _Text = "",
        key: _Text = "",
    ) -> Response:
        del publisher, slug
        return _called(request, viewer, endpoint_id, account, is_key_new=bool(key))

    @router.post("/models/{publisher}/{slug}/call/{endpoint_id}/key", dependencies=own_form)
    def replace_key(  # noqa: PLR0917  what a form comes with
        request: Request,
        publisher: str,
        slug: str,
        endpoint_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        account, errors = fields.text("account"), FieldErrors()
        with errors.at("credential"):
            text = provider_rules.clean_credential(fields.text("credential"))
            with database.transaction() as tx:
                known.replace_credential(tx, viewer, account, Secret(text))
        if errors:
            status = HTTPStatus.UNPROCESSABLE_ENTITY
            return _called(request, viewer, endpoint_id, account, errors=errors, status=status)
        place = f"{_page_of(f'{publisher}/{slug}')}/{quote(endpoint_id, safe='')}"
        query = urlencode({"account": account, "key": "new"})
        return RedirectResponse(f"{place}?{query}", HTTPStatus.SEE_OTHER)

    def _look(tx: Connection, viewer: Viewer, name: str) -> tuple[CallThroughLook, bool]:
        if not is_name(name):
            raise ModelNotFound(name[:_LONGEST_NAME])
        look = services.call_throughs.look(tx, viewer, name)
        needs = services.licences.needs_acceptance(tx, viewer.organization_id, look.model.model_id)
        return look, needs

    def _host_of(picked: CallableOffer | None) -> KnownHost | None:
        return None if picked is None else known.known_host(picked.offer.host)

    def _page(  # noqa: PLR0917  what a page is made of
        request: Request,
        viewer: Viewer,
        look: CallThroughLook,
        picked: CallableOffer | None,
        form: CallThroughForm | None = None,
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
        *,
        needs_acceptance: bool = False,
        had_credential: bool = False,
    ) -> Response:
        host = _host_of(picked)
        if form is None:
            form = CallThroughForm("") if picked is None else blank(look, picked, host)
        callers = [
            (
                value,
                words.format(organization=viewer.organization_name, project=viewer.project_name),
            )
            for value, words in CALLERS
        ]
        page = CallThroughPage(
            look=look,
            picked=picked,
            host=host,
            form=with_price_of(form, look),
            needs_acceptance=needs_acceptance,
            callers=[*callers, EVERYBODY] if look.may_set_price else callers,
            options=offered_options(host),
            is_address_editable=host is not None and is_address_editable(host),
            errors=errors or FieldErrors(),
            had_credential=had_credential,
        )
        return portal.shell.page(request, "call_through.html", page, viewer=viewer, status=status)

    def _called(
        request: Request,
        viewer: Viewer,
        endpoint_id: str,
        account: str,
        *,
        is_key_new: bool = False,
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            endpoint = get_endpoint(tx, viewer.organization_id, endpoint_id)
            target = next(
                (each for each in endpoint.targets if each.connection_id in {account, ""}), None
            )
            connection = None
            if target is not None and target.connection_id is not None:
                connection = get_connection(tx, viewer.organization_id, target.connection_id)
        operation = Operation(endpoint.operation)
        is_tried = operation in TRIED_AT
        base_url = f"{services.public_url()}/v1"
        page = CalledThroughPage(
            endpoint=endpoint,
            connection=connection,
            upstream_model="" if target is None else target.upstream_model or "",
            samples=(
                samples(operation, model=endpoint.name, base_url=base_url) if is_tried else ()
            ),
            try_at=TRIED_AT.get(operation),
            can_call=viewer.may(Permission.KEYS_WRITE),
            can_write=may_change(viewer, endpoint),
            is_key_new=is_key_new,
            errors=errors or FieldErrors(),
        )
        return portal.shell.page(
            request, "call_through_done.html", page, viewer=viewer, status=status
        )

    return router


_TOLD_IN_PLACE = (
    Conflict,
    Forbidden,
    InvalidInput,
    LicenceNotAccepted,
    TooManyConnections,
    TooManyEndpoints,
)


def _place_of(error: TradewindError) -> str:
    """Return the field that an error belongs to."""
    match error:
        case EndpointNameTaken():
            return "endpoint_name"
        case NoConnection():
            return "account"
        case PriceChanged():
            return "confirm"
        case _:
            return WHOLE_FORM


def _picked(look: CallThroughLook, offer: str, host: str, model: str) -> CallableOffer | None:
    """Return the offer that is meant, else the first that can be called."""
    for each in look.offers:
        is_meant = (
            each.offer.offer_id == offer
            if offer
            else bool(host)
            and (each.offer.host == host and model in {"", each.offer.upstream_model})
        )
        if is_meant:
            return each
    return next(iter(look.offers), None)


def _page_of(name: str) -> str:
    return f"/models/{quote(name, safe='/')}/call"
