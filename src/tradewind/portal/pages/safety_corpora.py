"""Protected texts: what answers are compared with, and whose that is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, UploadFile
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import Conflict, InvalidInput
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.safety.rules.limits import CORPORA_MAX, TEXT_CHARACTERS_MAX
from tradewind.features.safety.schemas import CorpusRow, NewCorpus, NewText, Readiness
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.parts import Portal
from tradewind.portal.safety_deletion import Doomed, add_deletion
from tradewind.portal.term_file import MOST_BYTES

_Id = Annotated[str, Path(max_length=100)]
_LONGEST = 400
_LONGEST_TITLE = 200


@dataclass(frozen=True, slots=True)
class CorpusForm:
    name: str = ""
    licence: str = ""
    citation: str = ""
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class CorporaPage:
    corpora: Sequence[CorpusRow]
    can_write: bool
    is_news_coming: bool
    form: CorpusForm = field(default_factory=CorpusForm)
    errors: FieldErrors = field(default_factory=FieldErrors)
    most: int = CORPORA_MAX
    most_characters: int = TEXT_CHARACTERS_MAX


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, corpora = services.database, services.safety.corpora
    may_read = access.allowed(Permission.SAFETY_READ)
    may_write = access.allowed(Permission.SAFETY_WRITE)
    own_form = [Depends(access.own_form)]

    def show(
        request: Request,
        viewer: Viewer,
        form: CorpusForm | None = None,
        errors: FieldErrors | None = None,
        status: int = HTTPStatus.OK,
    ) -> Response:
        with database.transaction() as tx:
            rows = corpora.list_corpora(tx, viewer)
        page = CorporaPage(
            rows,
            viewer.may(Permission.SAFETY_WRITE),
            any(row.state in {Readiness.QUEUED, Readiness.WORKING} for row in rows),
            form or CorpusForm(),
            errors or FieldErrors(),
        )
        return portal.shell.page(request, "safety_corpora.html", page, viewer=viewer, status=status)

    @router.get("/safety/corpora")
    def all_corpora(request: Request, viewer: Annotated[Viewer, Depends(may_read)]) -> Response:
        return show(request, viewer)

    @router.post("/safety/corpora", dependencies=own_form)
    def add(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        form = CorpusForm(
            fields.text("name").strip()[:_LONGEST],
            fields.text("licence").strip()[:_LONGEST],
            fields.text("citation").strip()[:_LONGEST],
            fields.is_checked("is_code"),
        )
        new = NewCorpus(form.name, form.licence, form.citation, form.is_code)
        try:
            with database.transaction() as tx:
                corpora.add_corpus(tx, viewer, new)
        except (Conflict, InvalidInput) as error:
            errors = FieldErrors()
            errors.add(WHOLE_FORM, error)
            return show(request, viewer, form, errors, error.status)
        return RedirectResponse("/safety/corpora", HTTPStatus.SEE_OTHER)

    @router.post("/safety/corpora/{corpus_id}/file", dependencies=own_form)
    def add_text(
        request: Request,
        corpus_id: _Id,
        file: UploadFile,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        errors = FieldErrors()
        try:
            new = _text_of(file)
            with database.transaction() as tx:
                corpora.add_texts(tx, viewer, corpus_id, [new])
        except (Conflict, InvalidInput) as error:
            errors.add(WHOLE_FORM, error)
            return show(request, viewer, errors=errors, status=error.status)
        return RedirectResponse("/safety/corpora", HTTPStatus.SEE_OTHER)

    def doomed(tx: Connection, viewer: Viewer, doomed_id: str) -> Doomed:
        row = corpora.get_corpus(tx, viewer, doomed_id)
        return Doomed(
            row.name,
            f"Its {row.texts:,} texts go with it. A policy that uses it has to let go first.",
            "/safety/corpora",
        )

    add_deletion(
        router,
        portal,
        "/safety/corpora",
        find=doomed,
        delete=corpora.delete_corpus,
        then="/safety/corpora",
    )

    return router


def _text_of(file: UploadFile) -> NewText:
    raw = file.file.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise InvalidInput(f"the file is longer than {MOST_BYTES // 1024:,} KiB", hint="split it")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput("the file is no text in UTF-8", hint="save it as UTF-8") from None
    title = "".join(each for each in file.filename or "" if each.isprintable())
    return NewText(title[:_LONGEST_TITLE], text)
