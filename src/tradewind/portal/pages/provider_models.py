"""Models of a provider: choosing those that are to be called here; each gets an endpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.endpoints.errors import TooManyEndpoints
from tradewind.features.endpoints.schemas import (
    AddedTarget,
    HostedModel,
    HostedModels,
    ModelPrice,
)
from tradewind.features.providers.schemas import HOST_CURRENCY, HostModel, KnownHost
from tradewind.portal import amounts
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields, FormFields
from tradewind.portal.parts import Portal
from tradewind.readmodels.connections import (
    ConnectionUse,
    ConnectionView,
    get_connection,
    uses_of,
)
from tradewind.snapshot.contents import Operation

_LONGEST_SEARCH = 100
_LONGEST_MODEL = 200

KINDS = (
    (Operation.CHAT, "Chat"),
    (Operation.EMBEDDINGS, "Embeddings"),
    (Operation.RERANK, "Rerank"),
    (Operation.MODERATIONS, "Moderation"),
    (Operation.IMAGES, "Images"),
    (Operation.SPEECH, "Speech"),
    (Operation.TRANSCRIPTION, "Transcription"),
)


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """One model of the host's list."""

    model: HostModel
    use: ConnectionUse | None
    """Where it is called already."""
    is_shown: bool
    """Whether the search finds it. The others are on the page too: a script finds them there."""
    is_picked: bool

    @property
    def hindrance(self) -> str | None:
        """Why it cannot be added from the list."""
        if self.model.operation is None:
            return "Makes video, which is not served"
        return "The list does not tell its price" if self.model.price is None else None

    @property
    def can_be_picked(self) -> bool:
        return self.use is None and self.hindrance is None


@dataclass(frozen=True, slots=True)
class ModelsPage:
    connection: ConnectionView
    host: KnownHost
    choices: Sequence[ModelChoice]
    query: str
    margin: str
    errors: FieldErrors = field(default_factory=FieldErrors)

    @property
    def shown(self) -> int:
        return sum(choice.is_shown for choice in self.choices)


@dataclass(frozen=True, slots=True)
class OtherModelForm:
    """What was typed of a model that no list describes."""

    upstream_model: str = ""
    name: str = ""
    kind: str = Operation.CHAT.value
    context_tokens: str = ""
    max_output_tokens: str = ""
    dimensions: str = ""
    cost_input: str = ""
    cost_output: str = ""
    margin: str = "0"


@dataclass(frozen=True, slots=True)
class OtherModelPage:
    connection: ConnectionView
    has_list: bool
    form: OtherModelForm
    currency: str = HOST_CURRENCY
    kinds: tuple[tuple[Operation, str], ...] = KINDS
    errors: FieldErrors = field(default_factory=FieldErrors)


@dataclass(frozen=True, slots=True)
class AddedPage:
    connection: ConnectionView
    added: Sequence[AddedTarget]
    operations: Mapping[str, str]
    """What each one serves, by its name at the host."""
    can_chat: bool


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, known, endpoints = services.database, services.providers, services.endpoints
    may_write = access.allowed(Permission.ENDPOINTS_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get("/providers/{connection_id}/models")
    def choose(
        request: Request,
        connection_id: str,
        viewer: Annotated[Viewer, Depends(may_write)],
        q: Annotated[str, Query(max_length=_LONGEST_SEARCH)] = "",
    ) -> Response:
        connection, uses = _read(viewer, connection_id)
        host = _host_of(connection)
        if host is None or not host.models:
            return RedirectResponse(
                f"/providers/{connection.id}/models/other", HTTPStatus.SEE_OTHER
            )
        page = ModelsPage(connection, host, _choices(host, uses, q), q, "0")
        return portal.shell.page(request, "provider_models.html", page, viewer=viewer)

    @router.post("/providers/{connection_id}/models", dependencies=own_form)
    def add(
        request: Request,
        connection_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        picked, margin = fields.texts("pick"), fields.text("margin")
        errors = FieldErrors()
        percent = None
        with errors.at("margin"):
            percent = amounts.percent(margin, "the margin")
        if not picked:
            errors.say(WHOLE_FORM, "no model is chosen", "tick at least one in the list")
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if not errors and percent is not None:
            wanted = HostedModels([HostedModel(model) for model in dict.fromkeys(picked)], percent)
            try:
                with database.transaction() as tx:
                    added = endpoints.add_from_host(tx, viewer, connection_id, wanted)
            except (Conflict, InvalidInput, TooManyEndpoints) as error:
                errors.add(WHOLE_FORM, error)
                status = HTTPStatus(error.status)
            else:
                return _added(request, viewer, connection_id, added)
        connection, uses = _read(viewer, connection_id)
        host = _host_of(connection)
        if host is None:
            return _other(
                request, viewer, connection, OtherModelForm(), errors=errors, status=status
            )
        choices = _choices(host, uses, "", frozenset(picked))
        page = ModelsPage(connection, host, choices, "", margin, errors)
        return portal.shell.page(
            request, "provider_models.html", page, viewer=viewer, status=status
        )

    @router.get("/providers/{connection_id}/models/other")
    def ask_for_other(
        request: Request,
        connection_id: str,
        viewer: Annotated[Viewer, Depends(may_write)],
        model: Annotated[str, Query(max_length=_LONGEST_MODEL)] = "",
    ) -> Response:
        connection, _ = _read(viewer, connection_id)
        form = _blank(_host_of(connection), model)
        return _other(request, viewer, connection, form, errors=FieldErrors())

    @router.post("/providers/{connection_id}/models/other", dependencies=own_form)
    def add_other(
        request: Request,
        connection_id: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        form, errors = _read_other(fields), FieldErrors()
        connection, _ = _read(viewer, connection_id)
        wanted = _wanted(form, _host_of(connection), errors)
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if wanted is not None:
            try:
                with database.transaction() as tx:
                    added = endpoints.add_from_host(tx, viewer, connection_id, wanted)
            except Conflict as error:
                errors.add("name", error)
                status = HTTPStatus.CONFLICT
            except (InvalidInput, TooManyEndpoints) as error:
                errors.add(WHOLE_FORM, error)
                status = HTTPStatus(error.status)
            else:
                return _added(request, viewer, connection_id, added)
        return _other(request, viewer, connection, form, errors=errors, status=status)

    def _read(viewer: Viewer, connection_id: str) -> tuple[ConnectionView, Sequence[ConnectionUse]]:
        with database.transaction() as tx:
            connection = get_connection(tx, viewer.organization_id, connection_id)
            return connection, uses_of(tx, viewer.organization_id, connection.id)

    def _host_of(connection: ConnectionView) -> KnownHost | None:
        return known.known_host(connection.host) if connection.host else None

    def _other(
        request: Request,
        viewer: Viewer,
        connection: ConnectionView,
        form: OtherModelForm,
        *,
        errors: FieldErrors,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        host = _host_of(connection)
        has_list = host is not None and bool(host.models)
        page = OtherModelPage(connection, has_list, form, errors=errors)
        return portal.shell.page(
            request, "provider_model_other.html", page, viewer=viewer, status=status
        )

    def _added(
        request: Request, viewer: Viewer, connection_id: str, added: Sequence[AddedTarget]
    ) -> Response:
        """Answer in place: what is to be known of each is told once, and nowhere kept."""
        with database.transaction() as tx:
            connection = get_connection(tx, viewer.organization_id, connection_id)
            models = services.list_models(tx, viewer.organization_id)
            served = {model.name: model.operation for model in models}
        page = AddedPage(
            connection,
            added,
            {one.upstream_model: served.get(one.name, "") for one in added},
            viewer.may(Permission.KEYS_WRITE),
        )
        return portal.shell.page(request, "provider_models_added.html", page, viewer=viewer)

    return router


def _choices(
    host: KnownHost,
    uses: Sequence[ConnectionUse],
    query: str,
    picked: frozenset[str] = frozenset(),
) -> list[ModelChoice]:
    called = {use.upstream_model: use for use in uses}
    words = query.casefold().split()
    return [
        ModelChoice(
            model,
            called.get(model.id),
            all(word in f"{model.id} {model.name} {model.family}".casefold() for word in words),
            model.id in picked,
        )
        for model in host.models
    ]


def _blank(host: KnownHost | None, upstream_model: str) -> OtherModelForm:
    """Return the form with what the list does say of a model."""
    listed = host.model(upstream_model) if host is not None else None
    if listed is None:
        return OtherModelForm(upstream_model=upstream_model)
    return OtherModelForm(
        upstream_model=listed.id,
        kind=(listed.operation or Operation.CHAT).value,
        context_tokens=str(listed.context_tokens or ""),
        max_output_tokens=str(listed.max_output_tokens or ""),
    )


def _read_other(fields: FormFields) -> OtherModelForm:
    return OtherModelForm(
        upstream_model=fields.text("upstream_model").strip(),
        name=fields.text("name").strip(),
        kind=fields.text("kind"),
        context_tokens=fields.text("context_tokens"),
        max_output_tokens=fields.text("max_output_tokens"),
        dimensions=fields.text("dimensions"),
        cost_input=fields.text("cost_input"),
        cost_output=fields.text("cost_output"),
        margin=fields.text("margin"),
    )


def _wanted(
    form: OtherModelForm, host: KnownHost | None, errors: FieldErrors
) -> HostedModels | None:
    """Return what is to be added, or None when something is wrong, which is then in `errors`."""
    is_listed = host is not None and host.model(form.upstream_model) is not None
    if not form.upstream_model:
        errors.say("upstream_model", "the model's name at the host is missing")
    if not form.name and not is_listed:
        errors.say("name", "the name is missing", "write it like publisher/model")
    if form.kind not in {kind.value for kind, _ in KINDS}:
        errors.say("kind", "this kind of model is not served", "choose one from the list")
    numbers: dict[str, int | None] = {}
    for name, what in (
        ("context_tokens", "the context"),
        ("max_output_tokens", "the longest output"),
        ("dimensions", "the number of dimensions"),
    ):
        with errors.at(name):
            numbers[name] = amounts.count(getattr(form, name), what)
    costs: dict[str, int] = {}
    for name, what in (("cost_input", "the input's price"), ("cost_output", "the output's price")):
        with errors.at(name):
            cost = amounts.amount(getattr(form, name), what)
            if cost is None and (name == "cost_input" or form.kind == Operation.CHAT):
                errors.say(name, f"{what} is missing", "write 0 if the host takes nothing")
            costs[name] = cost or 0
    margin = None
    with errors.at("margin"):
        margin = amounts.percent(form.margin, "the margin")
    if errors or margin is None:
        return None
    model = HostedModel(
        form.upstream_model,
        name=form.name or None,
        operation=Operation(form.kind),
        context_tokens=numbers["context_tokens"],
        max_output_tokens=numbers["max_output_tokens"],
        dimensions=numbers["dimensions"],
        cost=ModelPrice(
            HOST_CURRENCY, costs["cost_input"], costs["cost_output"], costs["cost_input"]
        ),
    )
    return HostedModels([model], margin)
