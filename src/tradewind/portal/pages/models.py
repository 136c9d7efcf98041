"""Models: what is served now, with a search that narrows the list as one types."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.portal.parts import Portal
from tradewind.readmodels.models import ServedModel
from tradewind.snapshot.contents import Operation

_LONGEST_SEARCH = 100
MOST_SHOWN = 120


class View(StrEnum):
    CARDS = "cards"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class TaskCount:
    """One value of the task filter and how many models it would leave."""

    value: str
    label: str
    models: int


@dataclass(frozen=True, slots=True)
class ModelsPage:
    models: Sequence[ServedModel]
    """At most MOST_SHOWN of the `found`."""
    found: int
    total: int
    query: str
    task: str
    tasks: list[TaskCount]
    view: View


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services = portal.services
    gate = portal.access.allowed(Permission.MODELS_READ)

    @router.get("/models")
    def models(
        request: Request,
        viewer: Annotated[Viewer, Depends(gate)],
        q: Annotated[str, Query(max_length=_LONGEST_SEARCH)] = "",
        task: str = "",
        view: View = View.CARDS,
    ) -> Response:
        with services.database.transaction() as tx:
            served = services.list_models(tx)
        matching = [model for model in served if _matches(model, q)]
        found = [model for model in matching if task in ("", model.operation)]
        page = ModelsPage(
            models=found[:MOST_SHOWN],
            found=len(found),
            total=len(served),
            query=q,
            task=task,
            tasks=_tasks(served, matching),
            view=view,
        )
        return portal.shell.page(request, "models.html", page, viewer=viewer)

    return router


def _matches(model: ServedModel, query: str) -> bool:
    said = (model.name, model.display_name, model.publisher_name, model.description, model.licence)
    text = "\n".join(said).casefold()
    return all(word in text for word in query.casefold().split())


_TASK_LABELS = {Operation.CHAT.value: "Chat", Operation.EMBEDDINGS.value: "Embeddings"}


def _tasks(served: Sequence[ServedModel], matching: Sequence[ServedModel]) -> list[TaskCount]:
    """Return the filter's values, or none where all models are of one kind: it would not split."""
    present = [task for task in _TASK_LABELS if any(model.operation == task for model in served)]
    if len(present) < 2:
        return []
    counts = [
        TaskCount(task, _TASK_LABELS[task], sum(model.operation == task for model in matching))
        for task in present
    ]
    return [TaskCount("", "All", len(matching)), *counts]
