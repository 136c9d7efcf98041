"""A new campaign: target, seeds, attacks and size, then what it takes, then it begins."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import InvalidInput, LimitExceeded
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.redteam.schemas import Estimate
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.parts import Portal
from tradewind.portal.redteam_form import FILTERS, PACKS, REPEATS, SIZES, TOOLS, CampaignForm

_PATH = "/red-team/new"
_MOST_MODELS = 500
_HOUR = 3
_Text = Annotated[str, Form(max_length=200)]


@dataclass(frozen=True, slots=True)
class NewCampaignPage:
    form: CampaignForm
    models: Sequence[str]
    datasets: Sequence[tuple[str, str]]
    """Pairs of a value and what it is called."""
    scorers: Sequence[str]
    estimate: Estimate | None = None
    errors: FieldErrors = field(default_factory=FieldErrors)
    tools: Sequence[tuple[str, str]] = TOOLS
    packs: Sequence[tuple[str, str]] = PACKS
    sizes: Sequence[tuple[str, str]] = SIZES
    filters: Sequence[tuple[str, str]] = FILTERS
    repeats: Sequence[tuple[str, str]] = REPEATS

    @property
    def model_choices(self) -> list[tuple[str, str]]:
        return [(name, name) for name in self.models]

    @property
    def helper_choices(self) -> list[tuple[str, str]]:
        return [("", "None"), *self.model_choices]

    @property
    def scorer_choices(self) -> list[tuple[str, str]]:
        return [(name, name.replace("_", " ").capitalize()) for name in self.scorers]


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, red_team = services.database, services.red_team
    may_write = access.allowed(Permission.REDTEAM_WRITE)

    @router.get(_PATH)
    def ask(
        request: Request,
        viewer: Annotated[Viewer, Depends(may_write)],
        target: str = "",
        tool: str = "pyrit",
    ) -> Response:
        form = CampaignForm(target=target[:200], tool=tool[:40])
        if form.tool == "fake":
            form = CampaignForm(target=target[:200], tool="fake", datasets=("scripted",))
        elif form.tool == "garak":
            form = CampaignForm(target=target[:200], tool="garak", datasets=("probes",))
        return _answer(request, viewer, form)

    @router.post(_PATH, dependencies=[Depends(access.own_form)])
    def begin(
        request: Request,
        viewer: Annotated[Viewer, Depends(may_write)],
        *,
        act: _Text = "price",
        name: _Text = "",
        target: _Text = "",
        tool: _Text = "pyrit",
        dataset: Annotated[list[str] | None, Form(max_length=100)] = None,
        pack: _Text = "easy",
        size: _Text = "small",
        scorer: _Text = "refusal",
        attacker: _Text = "",
        judge: _Text = "",
        filter: _Text = "both",  # noqa: A002  the field's name on the wire
        max_tokens: _Text = "128",
        budget_tokens: _Text = "2000000",
        repeats: _Text = "",
    ) -> Response:
        form = CampaignForm(
            name=name,
            target=target,
            tool=tool,
            datasets=tuple(each[:100] for each in dataset or ()),
            pack=pack,
            size=size,
            scorer=scorer,
            attacker=attacker,
            judge=judge,
            filter=filter,
            max_tokens=max_tokens,
            budget_tokens=budget_tokens,
            repeats=repeats,
        )
        errors = FieldErrors()
        by = viewer.by
        try:
            spec = form.to_spec(tuple(red_team.choices(form.tool).strategies))
            with database.transaction() as tx:
                if act != "begin":
                    found = red_team.estimate(tx, viewer, spec)
                    return _answer(request, viewer, form, estimate=found)
                called = form.name.strip() or f"{form.pack.capitalize()}, {form.target}"
                row = red_team.begin(tx, viewer, by, called, spec)
                if form.every is not None:
                    red_team.add_schedule(
                        tx, viewer, by, called, spec, every=form.every, hour=_HOUR
                    )
        except (InvalidInput, LimitExceeded) as error:
            errors.add(WHOLE_FORM, error)
            return _answer(request, viewer, form, errors=errors, status=HTTPStatus(error.status))
        return RedirectResponse(f"/red-team/{row.campaign_id}", HTTPStatus.SEE_OTHER)

    def _answer(
        request: Request,
        viewer: Viewer,
        form: CampaignForm,
        *,
        estimate: Estimate | None = None,
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        tool = form.tool if form.tool in red_team.tools else "pyrit"
        choices = red_team.choices(tool)
        with database.transaction() as tx:
            models = services.list_models(tx, viewer.organization_id)
            own = red_team.list_datasets(tx, viewer)
        page = NewCampaignPage(
            form=form,
            models=[model.name for model in models if model.operation == "chat"][:_MOST_MODELS],
            datasets=[
                *((row.dataset_id, f"{row.name}: {row.seeds:,}, your own") for row in own),
                *(
                    (name, f"{name}: {sum(harms.values()):,}")
                    for name, harms in sorted(choices.datasets.items())
                ),
            ],
            scorers=[*choices.scorers, *choices.scorers_of_models],
            estimate=estimate,
            errors=errors or FieldErrors(),
        )
        return portal.shell.page(request, "redteam_new.html", page, viewer=viewer, status=status)

    return router
