"""Uploads of the wizard: what its script asks, over the same services as the API for uploads.

Begin, send parts, ask what is there, complete, abort, and at the end put what is ready into the
listing. Answers are JSON; so are refusals, to a request that accepts it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from tradewind.core.errors import InvalidInput
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Viewer
from tradewind.features.artifacts.errors import PartRefused
from tradewind.features.artifacts.receiving import receive_part
from tradewind.features.artifacts.rules import ranges_of
from tradewind.features.artifacts.schemas import (
    MOST_FILES,
    PART_BYTES,
    NewFile,
    NewUpload,
    PartRow,
    Visibility,
)
from tradewind.features.artifacts.uploads import OpenPart, UploadWithParts
from tradewind.portal.form_fields import Fields, FormFields
from tradewind.portal.parts import Portal
from tradewind.portal.publishing_files import facts_shown, with_files
from tradewind.portal.revisions import revision_of

# Each part holds two blocks of memory and two threads for a moment; more wait without either.
_PARTS_AT_ONCE = 4
_LONGEST_SIZE = 16

_Id = Annotated[str, Path(max_length=100)]
_Number = Annotated[int, Path(ge=1, le=65_536)]


def routes(portal: Portal) -> APIRouter:
    router = APIRouter()
    services, access = portal.services, portal.access
    database, uploads, artifacts = services.database, services.uploads, services.artifacts
    listings = services.publishing.listings
    may_upload = access.allowed(Permission.ARTIFACTS_WRITE)
    may_publish = access.allowed(Permission.PUBLISHING_WRITE)
    own_form = [Depends(access.own_form)]
    places = asyncio.Semaphore(_PARTS_AT_ONCE)

    @router.post("/publish/uploads", dependencies=own_form)
    def begin(fields: Fields, viewer: Annotated[Viewer, Depends(may_upload)]) -> Response:
        with database.transaction() as tx:
            made = uploads.begin(tx, viewer, _new_upload(fields))
        return _answer(made)

    @router.get("/publish/uploads/{upload_id}")
    def upload(upload_id: _Id, viewer: Annotated[Viewer, Depends(may_upload)]) -> Response:
        with database.transaction() as tx:
            found = uploads.get_upload(tx, viewer, upload_id)
        return _answer(found)

    @router.delete("/publish/uploads/{upload_id}", dependencies=own_form)
    def abort(upload_id: _Id, viewer: Annotated[Viewer, Depends(may_upload)]) -> Response:
        with database.transaction() as tx:
            uploads.abort(tx, viewer, upload_id)
        return Response(status_code=204)

    @router.put("/publish/uploads/{upload_id}/parts/{number}", dependencies=own_form)
    async def put_part(
        request: Request,
        upload_id: _Id,
        number: _Number,
        viewer: Annotated[Viewer, Depends(may_upload)],
    ) -> Response:
        def open_part() -> OpenPart | PartRow:
            with database.transaction() as tx:
                return uploads.open_part(tx, viewer, upload_id, number)

        async with places:
            opened = await run_in_threadpool(open_part)
            if isinstance(opened, OpenPart):
                await receive_part(uploads, database.transaction, opened, _body(request))
        return Response(status_code=204)

    @router.post("/publish/uploads/{upload_id}/complete", dependencies=own_form)
    def complete(upload_id: _Id, viewer: Annotated[Viewer, Depends(may_upload)]) -> Response:
        with database.transaction() as tx:
            uploads.complete(tx, viewer, upload_id)
            found = uploads.get_upload(tx, viewer, upload_id)
        return _answer(found)

    @router.post("/publish/listings/{listing_id}/files", dependencies=own_form)
    def use(
        fields: Fields, listing_id: _Id, viewer: Annotated[Viewer, Depends(may_publish)]
    ) -> Response:
        with database.transaction() as tx:
            former = listings.get_listing(tx, viewer, listing_id).row
            made = artifacts.make_artifact(tx, viewer, _new_files(fields))
            content, filled = with_files(former.content, made)
            listings.save(tx, viewer, listing_id, content, revision=revision_of(fields))
        step = "model" if filled else "source"
        query = "?" + urlencode({"filled": ",".join(filled)}) if filled else ""
        return JSONResponse({"go": f"/publish/listings/{listing_id}/{step}{query}"})

    return router


def _new_upload(fields: FormFields) -> NewUpload:
    """Raises InvalidInput."""
    size = fields.text("size")
    if not (size.isascii() and size.isdigit() and len(size) <= _LONGEST_SIZE):
        raise InvalidInput("the size of the file is not told")
    return NewUpload(
        fields.text("name"),
        int(size),
        fields.text("sha256") or None,
        Visibility.SEALED if fields.is_checked("sealed") else Visibility.OPEN,
    )


def _new_files(fields: FormFields) -> Sequence[NewFile]:
    """Raises InvalidInput."""
    paths, uploads = fields.texts("path"), fields.texts("upload")
    if not 1 <= len(paths) == len(uploads) <= MOST_FILES:
        raise InvalidInput("there are no files to use", hint="upload the files of the model first")
    return [NewFile(path, upload) for path, upload in zip(paths, uploads, strict=True)]


async def _body(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect:
        raise PartRefused("the part was not sent to its end", hint="send it again") from None


def _answer(upload: UploadWithParts) -> JSONResponse:
    row = upload.row
    told: dict[str, Any] = {
        "id": row.upload_id,
        "name": row.name,
        "size": row.size,
        "sha256": row.sha256,
        "sealed": row.visibility is Visibility.SEALED,
        "state": row.state.value,
        "reason": row.reason,
        "part_size": PART_BYTES,
        "parts": row.parts,
        "received": ranges_of(upload.part_numbers),
        "facts": [] if row.facts is None else facts_shown(row.facts),
        "findings": [] if row.facts is None else list(row.facts.findings),
    }
    return JSONResponse(told)
