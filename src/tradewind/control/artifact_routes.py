"""The routes of artifacts and of the uploads they are made of."""

from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import quote

from fastapi import Header, Path, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from tradewind.control.access import AuthenticatedCall, Call, Routes
from tradewind.control.artifact_answers import (
    ArtifactAnswer,
    ArtifactBody,
    ArtifactDetailAnswer,
    ArtifactPage,
    PartAnswer,
    SignatureBody,
    UploadAnswer,
    UploadBody,
    UploadPage,
)
from tradewind.control.byte_range import ByteRange, NotSatisfiable, range_of
from tradewind.control.pages import After, Limit
from tradewind.control.services import ControlServices
from tradewind.core.permissions import Permission
from tradewind.features.artifacts.errors import PartRefused
from tradewind.features.artifacts.receiving import receive_part
from tradewind.features.artifacts.schemas import PartRow
from tradewind.features.artifacts.uploads import UploadWithParts

_UploadId = Annotated[str, Path(max_length=100)]
_ArtifactId = Annotated[str, Path(max_length=100, description="Its id, or its digest.")]
_Number = Annotated[int, Path(ge=1, le=65_536)]
_PartSha256 = Annotated[
    str | None,
    Header(
        alias="x-part-sha256",
        max_length=64,
        description="Hexadecimal digest of this part, to have a part that was changed on its way"
        " refused at once.",
    ),
]
_Range = Annotated[
    str | None, Header(alias="range", max_length=100, description="One range of bytes.")
]


def add_artifact_routes(routes: Routes, services: ControlServices) -> None:
    """Add everything below `/uploads` and `/artifacts`."""
    _add_upload_routes(routes, services)
    artifacts = services.artifacts.artifacts
    reads, writes = Permission.ARTIFACTS_READ, Permission.ARTIFACTS_WRITE

    @routes.get("/artifacts", permission=reads, summary="Artifacts of the organization")
    def all_artifacts(call: Call, limit: Limit = 100, after: After = None) -> ArtifactPage:
        rows = artifacts.list_artifacts(call.tx, call.holder, before=after, limit=limit + 1)
        shown = rows[:limit]
        return ArtifactPage(
            artifacts=[ArtifactAnswer.of(row) for row in shown],
            next=shown[-1].artifact_id if len(rows) > limit else None,
        )

    @routes.post("/artifacts", permission=writes, summary="Make an artifact of uploads")
    def make_artifact(call: Call, body: ArtifactBody, response: Response) -> ArtifactDetailAnswer:
        made = artifacts.make_artifact(call.tx, call.holder, body.to_files())
        response.headers["location"] = f"/api/artifacts/{made.row.artifact_id}"
        return ArtifactDetailAnswer.of_detail(made)

    @routes.get(
        "/artifacts/{artifact_id}",
        permission=reads,
        summary="An artifact with its files",
    )
    def artifact(call: Call, artifact_id: _ArtifactId) -> ArtifactDetailAnswer:
        found = artifacts.get_artifact(call.tx, call.holder, artifact_id)
        return ArtifactDetailAnswer.of_detail(found)

    @routes.delete("/artifacts/{artifact_id}", permission=writes, summary="Delete an artifact")
    def delete_artifact(call: Call, artifact_id: _ArtifactId) -> None:
        artifacts.delete_artifact(call.tx, call.holder, artifact_id)

    @routes.post(
        "/artifacts/{artifact_id}/signatures",
        permission=writes,
        summary="Add the publisher's own signature",
    )
    def sign(call: Call, artifact_id: _ArtifactId, body: SignatureBody) -> ArtifactDetailAnswer:
        public_key, signature = body.decoded()
        found = artifacts.sign(
            call.tx, call.holder, artifact_id, public_key=public_key, signature=signature
        )
        return ArtifactDetailAnswer.of_detail(found)

    @routes.get(
        "/artifacts/{artifact_id}/files/{sha256}",
        permission=reads,
        summary="Download a file of an open artifact",
    )
    def download(
        call: Call,
        artifact_id: _ArtifactId,
        sha256: Annotated[str, Path(max_length=64, description="Of the file.")],
        asked: _Range = None,
    ) -> Response:
        found = artifacts.open_download(call.tx, call.holder, artifact_id, sha256)
        size, name = found.file.size, quote(found.file.path.rsplit("/", 1)[-1])
        headers = {
            "accept-ranges": "bytes",
            "etag": f'"{found.file.sha256}"',
            "content-disposition": f"attachment; filename*=UTF-8''{name}",
        }
        try:
            part = range_of(asked, size)
        except NotSatisfiable:
            return Response(status_code=416, headers={"content-range": f"bytes */{size}"})
        span = part or ByteRange(0, size)
        if part is not None:
            headers["content-range"] = part.content_range(size)
        return StreamingResponse(
            found.stream(span.start, span.length),
            status_code=200 if part is None else 206,
            headers={**headers, "content-length": str(span.length)},
            media_type="application/octet-stream",
        )


def _add_upload_routes(routes: Routes, services: ControlServices) -> None:
    uploads = services.artifacts.uploads
    reads, writes = Permission.ARTIFACTS_READ, Permission.ARTIFACTS_WRITE

    @routes.get("/uploads", permission=reads, summary="Uploads of the organization")
    def all_uploads(call: Call, limit: Limit = 100, after: After = None) -> UploadPage:
        rows = uploads.list_uploads(call.tx, call.holder, before=after, limit=limit + 1)
        shown = rows[:limit]
        return UploadPage(
            uploads=[UploadAnswer.of(UploadWithParts(row, [])) for row in shown],
            next=shown[-1].upload_id if len(rows) > limit else None,
        )

    @routes.post("/uploads", permission=writes, summary="Begin an upload, or go on with one")
    def begin_upload(call: Call, body: UploadBody, response: Response) -> UploadAnswer:
        made = uploads.begin(call.tx, call.holder, body.to_new())
        response.headers["location"] = f"/api/uploads/{made.row.upload_id}"
        return UploadAnswer.of(made)

    @routes.get("/uploads/{upload_id}", permission=reads, summary="An upload, and what is there")
    def upload(call: Call, upload_id: _UploadId) -> UploadAnswer:
        return UploadAnswer.of(uploads.get_upload(call.tx, call.holder, upload_id))

    @routes.delete("/uploads/{upload_id}", permission=writes, summary="Abort an upload")
    def abort_upload(call: Call, upload_id: _UploadId) -> None:
        uploads.abort(call.tx, call.holder, upload_id)

    @routes.put(
        "/uploads/{upload_id}/parts/{number}",
        permission=writes,
        summary="Send a part; one that is there already stays as it is",
    )
    async def put_part(
        call: Call,
        request: Request,
        upload_id: _UploadId,
        number: _Number,
        sha256: _PartSha256 = None,
    ) -> PartAnswer:
        opened = await run_in_threadpool(
            uploads.open_part, call.tx, call.holder, upload_id, number, sha256=sha256
        )
        if isinstance(opened, PartRow):
            return PartAnswer.of(opened)
        part = await receive_part(
            uploads, services.database.transaction, opened, _body(request), sha256=sha256
        )
        return PartAnswer.of(part)

    @routes.post(
        "/uploads/{upload_id}/complete",
        permission=writes,
        summary="Have an upload checked and stored, now that all parts are there",
    )
    def complete_upload(call: Call, upload_id: _UploadId) -> UploadAnswer:
        row = uploads.complete(call.tx, call.holder, upload_id)
        return _whole(services, call, row.upload_id)


def _whole(services: ControlServices, call: AuthenticatedCall, upload_id: str) -> UploadAnswer:
    return UploadAnswer.of(services.artifacts.uploads.get_upload(call.tx, call.holder, upload_id))


async def _body(request: Request) -> AsyncIterator[bytes]:
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect:
        raise PartRefused("the part was not sent to its end", hint="send it again") from None
