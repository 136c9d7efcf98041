"""The price book: what has no price first, then what models cost, one model's prices, files."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote as quoted
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Depends, Query, Request, UploadFile
from starlette.responses import RedirectResponse, Response

from tradewind.core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    TradewindError,
)
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer, is_platform_administrator
from tradewind.features.market.errors import NoticeTooShort, PriceMoved, PriceUnusual, Problem
from tradewind.features.market.schemas import (
    FileReport,
    FileRow,
    PriceRow,
    ProposalRow,
    Quote,
)
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import Fields
from tradewind.portal.parts import Portal
from tradewind.portal.price_form import MAIN, PriceForm, form_of, price_of, read
from tradewind.readmodels.prices import PricedModel, find_priced, list_prices, model_names
from tradewind.readmodels.unpriced import Unpriced, unpriced

_PAGE = 50
_MOST_FILE_BYTES = 40 * 1024
"""Of a file that is sent by the page, which comes back in a form; some hundreds of prices. Larger
ones go through the command or the API."""
_MOST_SIGNATURE_BYTES = 4096
_MOST_VERSIONS = 100
_PLACES: dict[type[TradewindError], str] = {
    NoticeTooShort: "waives_notice",
    PriceUnusual: "is_meant",
    PriceMoved: WHOLE_FORM,
}


@dataclass(frozen=True, slots=True)
class PricesPage:
    gaps: Sequence[Unpriced]
    proposals: Sequence[ProposalRow]
    names: Mapping[str, str]
    """Of the models of proposals, by id."""
    prices: Sequence[PricedModel]
    files: Sequence[FileRow]
    query: str
    next: str | None
    """Path of the next page."""
    is_first: bool
    can_write: bool
    notice_days: int


@dataclass(frozen=True, slots=True)
class PricePage:
    model: PricedModel
    versions: Sequence[PriceRow]
    form: PriceForm
    can_write: bool
    notice_days: int
    quote: Quote | None = None
    """Once a price was typed that could be set."""
    errors: FieldErrors = field(default_factory=FieldErrors)
    meters: Sequence[tuple[str, str]] = MAIN


@dataclass(frozen=True, slots=True)
class PriceFilePage:
    report: FileReport | None = None
    content: str = ""
    """Base64 of what was looked at, to be sent again."""
    signature: str = ""
    problems: Sequence[Problem] = ()
    errors: FieldErrors = field(default_factory=FieldErrors)
    most_bytes: int = _MOST_FILE_BYTES


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, book = services.database, services.prices.book
    price_files, reviews = services.prices.files, services.prices.proposals
    may_read = access.allowed(Permission.FINANCE_READ)
    may_write = access.allowed(Permission.FINANCE_WRITE)
    own_form = [Depends(access.own_form)]

    @router.get("/prices")
    def prices(
        request: Request,
        viewer: Annotated[Viewer, Depends(may_read)],
        q: Annotated[str, Query(max_length=100)] = "",
        after: Annotated[str, Query(max_length=200)] = "",
    ) -> Response:
        _check(viewer)
        with database.transaction() as tx:
            rows = list_prices(tx, query=q, after=after, limit=_PAGE + 1, everything=True)
            is_first = not q and not after
            gaps = unpriced(tx, services.clock.now()) if is_first else []
            waiting = reviews.waiting(tx, viewer) if is_first else []
            names = model_names(tx, {row.model_id for row in waiting})
            files = price_files.files(tx, viewer) if is_first else []
        shown = rows[:_PAGE]
        following = None
        if len(rows) > _PAGE:
            following = "/prices?" + urlencode({"q": q, "after": shown[-1].name})
        page = PricesPage(
            gaps,
            waiting,
            names,
            shown,
            files,
            q,
            following,
            not after,
            viewer.may(Permission.FINANCE_WRITE),
            book.notice.days,
        )
        return portal.shell.page(request, "prices.html", page, viewer=viewer)

    @router.post("/prices/proposals/{proposal_id}", dependencies=own_form)
    def decide(
        proposal_id: str, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        with database.transaction() as tx:
            reviews.decide(
                tx,
                viewer,
                proposal_id,
                is_accepted=fields.text("decision") == "accept",
                by=viewer.name,
            )
        return RedirectResponse("/prices", HTTPStatus.SEE_OTHER)

    @router.get("/prices/models/{publisher}/{slug}")
    def price(
        request: Request, publisher: str, slug: str, viewer: Annotated[Viewer, Depends(may_read)]
    ) -> Response:
        return _price(request, viewer, f"{publisher}/{slug}")

    @router.post("/prices/models/{publisher}/{slug}", dependencies=own_form)
    def set_price(
        request: Request,
        publisher: str,
        slug: str,
        fields: Fields,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        name = f"{publisher}/{slug}"
        form, errors, quote = read(fields), FieldErrors(), None
        new = price_of(form, name, errors)
        if new is not None:
            try:
                with database.transaction() as tx:
                    quote = book.quote(tx, viewer, new)
                    if fields.text("action") == "set":
                        book.set_price(tx, viewer, new, by=viewer.name)
                        place = f"/prices/models/{quoted(publisher)}/{quoted(slug)}"
                        return RedirectResponse(place, HTTPStatus.SEE_OTHER)
            except (InvalidInput, Conflict) as error:
                errors.add(_PLACES.get(type(error), WHOLE_FORM), error)
        status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
        return _price(request, viewer, name, form, quote, errors, status)

    @router.get("/prices/file")
    def file(request: Request, viewer: Annotated[Viewer, Depends(may_write)]) -> Response:
        _check(viewer)
        return portal.shell.page(request, "price_file.html", PriceFilePage(), viewer=viewer)

    @router.post("/prices/file", dependencies=own_form)
    def look(
        request: Request,
        file: UploadFile,
        signature: UploadFile,
        viewer: Annotated[Viewer, Depends(may_write)],
    ) -> Response:
        content = file.file.read(_MOST_FILE_BYTES + 1)
        signed = signature.file.read(_MOST_SIGNATURE_BYTES)
        if len(content) > _MOST_FILE_BYTES:
            errors = FieldErrors()
            errors.say(
                "file",
                f"the file is longer than {_MOST_FILE_BYTES // 1024} KiB",
                "apply it with `tradewind prices apply`",
            )
            return _file(request, viewer, errors, HTTPStatus.UNPROCESSABLE_ENTITY)
        return _look(request, viewer, content, signed, applies=False)

    @router.post("/prices/file/apply", dependencies=own_form)
    def apply(
        request: Request, fields: Fields, viewer: Annotated[Viewer, Depends(may_write)]
    ) -> Response:
        try:
            content = base64.b64decode(fields.text("content"), validate=True)
            signed = base64.b64decode(fields.text("signature"), validate=True)
        except ValueError:
            raise InvalidInput("the form is not as it was sent") from None
        return _look(request, viewer, content, signed, applies=True)

    def _look(
        request: Request, viewer: Viewer, content: bytes, signed: bytes, *, applies: bool
    ) -> Response:
        errors = FieldErrors()
        try:
            key_id, signature = _signature(signed)
            with database.transaction() as tx:
                if applies:
                    price_files.apply_file(
                        tx, viewer, content, key_id=key_id, signature=signature, by=viewer.name
                    )
                    return RedirectResponse("/prices", HTTPStatus.SEE_OTHER)
                report = price_files.check_file(
                    tx, viewer, content, key_id=key_id, signature=signature
                )
        except (InvalidInput, Forbidden) as error:
            problems: Sequence[Problem] = getattr(error, "problems", ())
            if problems:
                errors.say("file", "nothing of this file can be applied", "correct these lines")
            else:
                errors.add("signature" if isinstance(error, Forbidden) else WHOLE_FORM, error)
            return _file(request, viewer, errors, HTTPStatus(error.status), problems)
        page = PriceFilePage(
            report, base64.b64encode(content).decode(), base64.b64encode(signed).decode()
        )
        return portal.shell.page(request, "price_file.html", page, viewer=viewer)

    def _file(
        request: Request,
        viewer: Viewer,
        errors: FieldErrors,
        status: HTTPStatus,
        problems: Sequence[Problem] = (),
    ) -> Response:
        page = PriceFilePage(problems=problems, errors=errors)
        return portal.shell.page(request, "price_file.html", page, viewer=viewer, status=status)

    def _price(  # noqa: PLR0917  the state of a form
        request: Request,
        viewer: Viewer,
        name: str,
        form: PriceForm | None = None,
        quote: Quote | None = None,
        errors: FieldErrors | None = None,
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        _check(viewer)
        with database.transaction() as tx:
            found = find_priced(tx, name, everything=True)
            if found is None:
                raise NotFound(f"there is no model {name[:200]!r}")
            versions = book.history(tx, found.model_id)[:_MOST_VERSIONS]
        last_id = versions[0].price_id if versions else ""
        page = PricePage(
            found,
            versions,
            form or form_of(found.price, "USD", last_id),
            viewer.may(Permission.FINANCE_WRITE),
            book.notice.days,
            quote,
            errors or FieldErrors(),
        )
        return portal.shell.page(request, "price.html", page, viewer=viewer, status=status)

    return router


def _check(viewer: Viewer) -> None:
    if not is_platform_administrator(viewer):
        raise Forbidden("only administrators of the platform see its price book")


def _signature(signed: bytes) -> tuple[str, bytes]:
    try:
        said = msgspec.json.decode(signed, type=dict[str, str])
        return said["key_id"], base64.b64decode(said["signature"], validate=True)
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, ValueError):
        raise InvalidInput(
            "the signature is not readable", hint="send FILE.sig of `tradewind prices sign`"
        ) from None
