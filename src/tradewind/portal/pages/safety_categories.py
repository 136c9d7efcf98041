"""Custom categories: what an organization defines by examples, and how well that is told apart."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Request, UploadFile
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.safety.rules.limits import (
    CATEGORIES_MAX,
    EXAMPLES_MAX,
    EXAMPLES_MIN,
)
from tradewind.features.safety.schemas import CategoryRow, NewCategory, Readiness
from tradewind.portal.example_files import MOST_BYTES, read_examples
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.parts import Portal
from tradewind.portal.safety_deletion import Doomed, add_deletion

_Id = Annotated[str, Path(max_length=100)]
_LONGEST = 1_100


@dataclass(frozen=True, slots=True)
class CategoryForm:
    name: str = ""
    definition: str = ""
    kind: str = "trained"


@dataclass(frozen=True, slots=True)
class CategoriesPage:
    categories: Sequence[CategoryRow]
    can_write: bool
    is_news_coming: bool
    form: CategoryForm = field(default_factory=CategoryForm)
    errors: FieldErrors = field(default_factory=FieldErrors)
    most: int = CATEGORIES_MAX
    least_examples: int = EXAMPLES_MIN
    most_examples: int = EXAMPLES_MAX
    kinds: Sequence[tuple[str, str]] = (
        ("trained", "Trained: a model of its own, made in under a minute"),
        ("rapid", "Rapid: what is much like any of a few samples"),
    )


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, categories = services.database, services.safety.categories
    may_read = access.allowed(Permission.SAFETY_READ)
    may_write = access.allowed(Permission.SAFETY_WRITE)
    own_form = [Depends(access.own_form)]

    def show(
        request: Request,
        viewer: Viewer,
        form: CategoryForm | None = None,
        errors: FieldErrors | None = None,
        status: int = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            rows = categories.list_categories(tx, viewer)
        page = CategoriesPage(
            rows,
            viewer.may(Permission.SAFETY_WRITE),
            any(row.state in {Readiness.QUEUED, Readiness.WORKING} for row in rows),
            form or CategoryForm(),
            errors or FieldErrors(),
        )
        return portal.shell.page(
            request, "safety_categories.html", page, viewer=viewer, status=status
        )

    @router.get("/safety/categories")
    def all_categories(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        return show(request, viewer)

    @router.post("/safety/categories", dependencies=own_form)
    def add(  # noqa: PLR0917  the fields of a form with files
        request: Request,
        viewer: Annotated[Viewer, Depends(may_write)],
        positives: UploadFile,
        negatives: UploadFile | None = None,
        name: Annotated[str, Form()] = "",
        definition: Annotated[str, Form()] = "",
        kind: Annotated[str, Form()] = "",
    ) -> Response:
        form = CategoryForm(name.strip()[:_LONGEST], definition.strip()[:_LONGEST], kind[:20])
        errors = FieldErrors()
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        found: dict[str, tuple[str, ...]] = {}
        for field_name, file in (("positives", positives), ("negatives", negatives)):
            with errors.at(field_name):
                raw = b"" if file is None else file.file.read(MOST_BYTES + 1)
                found[field_name] = read_examples(raw)
        if not errors:
            new = NewCategory(form.name, form.definition, **found, is_rapid=form.kind == "rapid")
            try:
                with database.transaction() as tx:
                    categories.add_category(tx, viewer, new)
            except (Conflict, InvalidInput) as error:
                errors.add(WHOLE_FORM, error)
                status = HTTPStatus(error.status)
            else:
                return RedirectResponse("/safety/categories", HTTPStatus.SEE_OTHER)
        return show(request, viewer, form, errors, status)

    def doomed(tx: Connection, viewer: Viewer, doomed_id: str) -> Doomed:
        row = categories.get_category(tx, viewer, doomed_id)
        return Doomed(
            row.name,
            "Its examples go with it. A policy that uses it has to let go first.",
            "/safety/categories",
        )

    add_deletion(
        router,
        portal,
        "/safety/categories",
        find=doomed,
        delete=categories.delete_category,
        then="/safety/categories",
    )

    return router
