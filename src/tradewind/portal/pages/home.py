"""Home: what runs, what to do next, and what the last day cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import KeyState, Viewer, is_platform_administrator
from tradewind.portal.code_samples import Sample, samples
from tradewind.portal.parts import Portal
from tradewind.readmodels.models import ServedModel
from tradewind.readmodels.unpriced import alarmed_today
from tradewind.readmodels.usage import (
    FirstSteps,
    Period,
    Totals,
    read_first_steps,
    read_totals,
    window_of,
)
from tradewind.readmodels.usage_slices import Scope
from tradewind.snapshot.contents import Operation

_MOST_MODELS_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the first steps."""

    title: str
    text: str
    is_done: bool
    href: str | None = None
    action: str | None = None


@dataclass(frozen=True, slots=True)
class HomePage:
    models: Sequence[ServedModel]
    """The first few; `models_total` is how many there are."""
    models_total: int
    models_ready: int
    day: list[Totals]
    """The last 24 hours, one entry for each currency."""
    requests: int
    input_tokens: int
    output_tokens: int
    steps: list[Step]
    base_url: str
    sample: Sample | None
    """A curl line for the first model that can answer a chat."""
    can_see_usage: bool
    can_chat: bool
    unpriced: int = 0
    """Models that were called without a price; only told to whoever runs the platform."""

    @property
    def steps_done(self) -> int:
        return sum(step.is_done for step in self.steps)


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services = portal.services

    @router.get("/")
    def home(
        request: Request, viewer: Annotated[Viewer, Depends(portal.access.signed_in)]
    ) -> Response:
        can_see_usage = viewer.may(Permission.USAGE_READ)
        can_see_keys = viewer.may(Permission.KEYS_READ)
        models: Sequence[ServedModel] = ()
        day: list[Totals] = []
        first_steps = FirstSteps(answer=False, own_key=False)
        has_key = False
        unpriced = 0
        runs_platform = viewer.may(Permission.FINANCE_READ) and is_platform_administrator(viewer)
        with services.database.transaction() as tx:
            if viewer.may(Permission.MODELS_READ):
                models = services.list_models(tx, viewer.organization_id)
            if can_see_usage:
                window = window_of(Period.DAY, services.clock.now())
                day = read_totals(tx, Scope(viewer.organization_id), window)
                first_steps = read_first_steps(tx, viewer.organization_id)
            if can_see_keys:
                has_key = any(
                    key.state is KeyState.LIVE for key in services.accounts.list_keys(tx, viewer)
                )
            if runs_platform:
                unpriced = alarmed_today(tx, services.clock.now())
        base_url = f"{services.public_url()}/v1"
        can_chat = viewer.may(Permission.KEYS_WRITE)
        page = HomePage(
            models=models[:_MOST_MODELS_SHOWN],
            models_total=len(models),
            models_ready=sum(model.state == "ready" for model in models),
            day=day,
            requests=sum(totals.requests for totals in day),
            input_tokens=sum(totals.input_tokens for totals in day),
            output_tokens=sum(totals.output_tokens for totals in day),
            steps=_steps(first_steps, has_key=has_key) if can_chat else [],
            base_url=base_url,
            sample=_curl(models, base_url),
            can_see_usage=can_see_usage,
            can_chat=can_chat,
            unpriced=unpriced,
        )
        return portal.shell.page(request, "home.html", page, viewer=viewer)

    return router


def _steps(done: FirstSteps, *, has_key: bool) -> list[Step]:
    return [
        Step(
            "Get an answer",
            "Ask a model something in the playground.",
            done.answer,
            "/playground",
            "Open playground",
        ),
        Step(
            "Create an API key",
            "Your programs use it to call models; it is shown once.",
            has_key,
            "/keys/new",
            "Create key",
        ),
        Step(
            "Call from code",
            "Run the curl, Python or JavaScript sample of any model with your key.",
            done.own_key,
            "/models",
            "See samples",
        ),
        Step(
            "Invite people, add providers",
            "This version serves the models on this machine to one administrator. "
            "Invitations and providers come later.",
            is_done=False,
        ),
    ]


def _curl(models: Sequence[ServedModel], base_url: str) -> Sample | None:
    chat = [model for model in models if model.operation == Operation.CHAT]
    if not chat:
        return None
    chosen = next((model for model in chat if model.state == "ready"), chat[0])
    return samples(chosen.operation, model=chosen.name, base_url=base_url)[0]
