"""The transparency note of a model, as a page of its own and as files."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.trust.notes import MadeNote
from tradewind.features.trust.papers.html import html
from tradewind.features.trust.schemas import Subject, SubjectKind
from tradewind.portal.parts import Portal

_Part = Annotated[str, Path(max_length=100)]


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, notes = services.database, services.trust.notes
    may_read = access.allowed(Permission.MODELS_READ)

    @router.get("/transparency/{publisher}/{slug}")
    def show(
        request: Request,
        publisher: _Part,
        slug: _Part,
        viewer: Annotated[Viewer, Depends(may_read)],
        form: Annotated[str, Query(alias="format", max_length=8)] = "",
    ) -> Response:
        subject = Subject(SubjectKind.MODEL, f"{publisher}/{slug}")
        with database.transaction() as tx:
            made = notes.show(tx, viewer, subject)
            versions = notes.history(tx, viewer, subject) if not form else []
        if form:
            return _file(made, form, f"{publisher}-{slug}")
        page = (made, versions, subject.name)
        return portal.shell.page(request, "transparency.html", page, viewer=viewer)

    return router


def _file(made: MadeNote, form: str, name: str) -> Response:
    if form == "pdf":
        # fpdf2 brings fonts and images: nothing else waits for its import.
        from tradewind.features.trust.papers.pdf import pdf  # noqa: PLC0415

        body, media_type = pdf(made.document, made.row.made_at), "application/pdf"
    elif form == "html":
        body, media_type = html(made.document).encode(), "text/html; charset=utf-8"
    else:
        form, body, media_type = "md", made.row.markdown.encode(), "text/markdown; charset=utf-8"
    disposition = f'attachment; filename="transparency-{name}.{form}"'
    return Response(body, media_type=media_type, headers={"content-disposition": disposition})
