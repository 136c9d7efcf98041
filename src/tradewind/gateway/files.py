"""The Files API: files that lie at a provider, under an account that many projects may share.

What a client knows of a file is our id; which project it belongs to, where it lies and what the
provider calls it is on record in the control plane (`files_store`). Every route looks there first,
so that the provider's id is never taken from anybody. Documented at platform.openai.com, API
reference, "Files".

An upload is recorded when the provider has answered. What cannot be recorded, or was uploaded for
nobody as the client has left, is deleted at the provider again.
"""

import logging
import re
import time
from collections.abc import Callable
from urllib.parse import parse_qs, quote

from tradewind.gateway.dialects.surfaces import OPENAI
from tradewind.gateway.files_call import OPERATION, ErrorOf, FileCall
from tradewind.gateway.files_places import FilePlace, place_for_upload, place_of
from tradewind.gateway.files_store import new_file_id, too_many_files
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.http.upstream import UpstreamFailure
from tradewind.gateway.pass_on import lines_to_pass_on
from tradewind.gateway.refusals import refuse
from tradewind.gateway.state import GatewayState
from tradewind.plugins.providers.dialects.files import (
    HostFile,
    content_request,
    delete_request,
    file_of,
    upload_request,
)
from tradewind.snapshot.contents import Grant
from tradewind.wire import forms
from tradewind.wire.chat import encode
from tradewind.wire.errors import ApiError
from tradewind.wire.files import file_name_of, list_of, object_of, upload_of
from tradewind.wire.stored_files import (
    MOST_FILES_LISTED,
    FileList,
    FileOwner,
    FoundFiles,
    NotKept,
    StoredFile,
)

_log = logging.getLogger(__name__)

FILE_ID = re.compile(r"file-[0-9a-hjkmnp-tv-z]{26}")
_JSON = b"content-type: application/json\r\n"
_MODEL_HEADER = b"x-tradewind-model"
_UPLOADED = (200, 201)
# What a host without files answers to an upload.
_HAS_NO_FILES = (404, 405, 501)


def upload_file(
    state: GatewayState,
    exchange: Exchange,
    grant: Grant,
    name: str,  # noqa: ARG001  every route is called alike
) -> None:
    """`POST /v1/files`. Raises ApiError for what is refused at once."""
    request = exchange.request
    form = forms.parse(request.body, request.headers.get(b"content-type", b""))
    upload, part = upload_of(form)
    model = _model_of(exchange, upload.model)
    place = place_for_upload(state, grant, model)
    body, form_type = forms.write(form, {"model": None})
    file = StoredFile(
        grant.organization_id,
        grant.project_id,
        new_file_id(),
        place.target.deployment_id,
        "",
        place.endpoint.name,
        file_name_of(part),
        upload.purpose,
        len(part.content),
        "processed",
        time.time_ns() // 1_000_000,
    )
    _Upload(state, exchange, grant, place, file).start(body, form_type, model or "")


def list_files(
    state: GatewayState,
    exchange: Exchange,
    grant: Grant,
    name: str,  # noqa: ARG001  every route is called alike
) -> None:
    """`GET /v1/files`: what the key's project has, from the records. Raises ApiError."""
    query = _query(exchange)
    limit, order = query.get("limit", str(MOST_FILES_LISTED)), query.get("order", "desc")
    if not limit.isdecimal() or len(limit) > 9 or not 1 <= int(limit) <= MOST_FILES_LISTED:
        raise _invalid_query("limit", f"It is a number from 1 to {MOST_FILES_LISTED}.")
    if order not in ("asc", "desc"):
        raise _invalid_query("order", "It is 'asc' or 'desc'.")
    after = query.get("after")
    not_there = _invalid_query("after", "It is the id of a file of this project.")
    if after is not None and FILE_ID.fullmatch(after) is None:
        raise not_there

    def found(files: FoundFiles | ApiError | None) -> None:
        if isinstance(files, FoundFiles):
            page = list_of(files.files, has_more=files.has_more)
            exchange.respond(200, _JSON, encode(page))
        else:
            refuse(state, exchange, OPENAI, files or not_there, grant, operation=OPERATION)

    state.files.find_page(
        FileList(_owner(grant), int(limit), order == "asc", after, query.get("purpose")), found
    )


def show_file(state: GatewayState, exchange: Exchange, grant: Grant, name: str) -> None:
    """`GET /v1/files/{id}`, from the record. Raises ApiError."""
    _find(
        state, exchange, grant, name, lambda file: exchange.respond(200, _JSON, _object_bytes(file))
    )


def show_file_content(state: GatewayState, exchange: Exchange, grant: Grant, name: str) -> None:
    """`GET /v1/files/{id}/content`: from the provider, as it comes. Raises ApiError."""

    def found(file: StoredFile) -> None:
        place = place_of(state, grant, file)
        headers = lines_to_pass_on(exchange.request.headers)
        head = content_request(place.target, place.wire, file.provider_file_id, headers)
        # Whoever uploads says what kind of file it is: no browser is to believe that, on an origin
        # that has a portal.
        lines = b"content-disposition: attachment; filename*=UTF-8''%b\r\n" % _quoted(file.name)
        lines += b"x-content-type-options: nosniff\r\n"
        call = FileCall(
            state,
            exchange,
            grant,
            place,
            head=head,
            model=file.model,
            error_of=_error_in_our_words(place, file),
            lines=lines,
        )
        call.start()

    _find(state, exchange, grant, name, found)


def delete_file(state: GatewayState, exchange: Exchange, grant: Grant, name: str) -> None:
    """`DELETE /v1/files/{id}`: at the provider, then the record. Raises ApiError."""

    def found(file: StoredFile) -> None:
        place = place_of(state, grant, file)
        headers = lines_to_pass_on(exchange.request.headers)
        head = delete_request(place.target, place.wire, file.provider_file_id, headers)

        def finish(status: int, body: bytes) -> None:
            # 404: it has expired there, or the record is what an earlier attempt left behind.
            if status not in (200, 202, 204, 404):
                call.fail(_error_in_our_words(place, file)(status, body))
                return
            state.files.forget(_owner(grant), file.id, forgotten)

        def forgotten(error: ApiError | None) -> None:
            if error is not None:
                call.fail(error)
            else:
                call.respond(encode({"id": file.id, "object": "file", "deleted": True}))

        call = FileCall(state, exchange, grant, place, head=head, model=file.model, finish=finish)
        call.start()

    _find(state, exchange, grant, name, found)


class _Upload:
    """One upload, until it is recorded or nothing of it is left."""

    def __init__(
        self,
        state: GatewayState,
        exchange: Exchange,
        grant: Grant,
        place: FilePlace,
        file: StoredFile,
    ) -> None:
        """`file` is what is known before the provider has answered."""
        self._state = state
        self._exchange = exchange
        self._grant = grant
        self._place = place
        self._file = file

    def start(self, body: bytes, form_type: bytes, model: str) -> None:
        place = self._place
        headers = lines_to_pass_on(self._exchange.request.headers)
        self._call = FileCall(
            self._state,
            self._exchange,
            self._grant,
            place,
            head=upload_request(place.target, place.wire, body, form_type, headers),
            body=body,
            model=model,
            finish=self._answered,
        )
        self._call.start(self._check_room)

    def _check_room(self, go_on: Callable[[ApiError | None], None]) -> None:
        """Ask before the bytes are sent: what cannot be recorded later need not travel."""
        self._state.files.check_room(
            _owner(self._grant), lambda why: go_on(_error_of(why) if why is not None else None)
        )

    def _answered(self, status: int, body: bytes) -> None:
        call, place = self._call, self._place
        if status not in _UPLOADED:
            if status in _HAS_NO_FILES:
                call.fail(
                    ApiError(
                        400,
                        f"The host of '{place.endpoint.name}' has no files.",
                        param="model",
                        code="files_not_supported",
                    )
                )
            else:
                call.fail(place.provider.error_of(status, body))
            return
        try:
            found = file_of(body)
        except ApiError as error:
            call.fail(error)
            return
        self._file = _known(self._file, found)
        if call.is_left_alone:
            self._undo()
            call.respond(b"")
        else:
            self._state.files.keep(self._file, self._kept)

    def _kept(self, why: NotKept | ApiError | None) -> None:
        call = self._call
        if why is None and not call.is_left_alone:
            call.respond(_object_bytes(self._file))
            return
        # The bytes of another file must not go with this one.
        if why is not NotKept.TAKEN:
            self._undo()
        if why is None or isinstance(why, ApiError):
            self._state.files.forget(_owner(self._grant), self._file.id, _leave_record)
        if why is None:
            call.respond(b"")
        else:
            call.fail(_error_of(why))

    def _undo(self) -> None:
        place, id_ = self._place, self._file.provider_file_id
        head = delete_request(place.target, place.wire, id_)
        address = place.target.address
        self._state.upstream.send(address, head, b"", _Undone(self._file), self._state.timeouts)


class _Undone:
    """Hears of the deletion of a file that is not on record."""

    def __init__(self, file: StoredFile) -> None:
        self._file = file
        self._status = 0

    def response_started(self, status: int, headers: dict[bytes, bytes]) -> None:  # noqa: ARG002
        self._status = status

    def response_data(self, data: bytes) -> None:
        """What it says besides its status is of no use."""

    def response_ended(self) -> None:
        if self._status not in (200, 202, 204, 404):
            self._tell(f"status {self._status}")

    def response_failed(self, failure: UpstreamFailure) -> None:
        self._tell(failure.kind)

    def _tell(self, reason: str) -> None:
        _log.error(
            "file %s of connection %s is on no record and was not deleted: %s",
            self._file.provider_file_id,
            self._file.connection_id,
            reason,
        )


def not_found(id_: str, reason: str = "") -> ApiError:
    """Return the same for what is another's and for what is not there at all."""
    message = f"File with id '{id_[:128]}' not found. {reason}".rstrip()
    return ApiError(404, message, param="file_id", code="file_not_found")


def _error_in_our_words(place: FilePlace, file: StoredFile) -> ErrorOf:
    """Return what reads errors of a file's host, and calls the file as its owner does."""

    def error_of(status: int, body: bytes) -> ApiError:
        if status == 404:
            return not_found(file.id, "Its host no longer has it; delete it here too.")
        error = place.provider.error_of(status, body)
        error.message = error.message.replace(file.provider_file_id, file.id)
        return error

    return error_of


def _find(
    state: GatewayState,
    exchange: Exchange,
    grant: Grant,
    id_: str,
    found: Callable[[StoredFile], None],
) -> None:
    """Hand the record over, or answer that there is none. Raises ApiError."""
    if FILE_ID.fullmatch(id_) is None:
        raise not_found(id_)

    def answered(files: FoundFiles | ApiError | None) -> None:
        if exchange.client_gone:
            return
        try:
            if isinstance(files, ApiError):
                raise files
            if files is None or not files.files:
                raise not_found(id_)
            found(files.files[0])
        except ApiError as error:
            refuse(state, exchange, OPENAI, error, grant, operation=OPERATION)

    state.files.find(_owner(grant), [id_], answered)


def _known(file: StoredFile, found: HostFile) -> StoredFile:
    """Return the file with what its host says of it."""
    expires_at = found.expires_at
    return StoredFile(
        file.organization_id,
        file.project_id,
        file.id,
        file.connection_id,
        found.id,
        file.model,
        file.name,
        file.purpose,
        file.bytes if found.bytes is None else found.bytes,
        found.status or file.status,
        file.created_at_ms,
        None if expires_at is None else expires_at * 1000,
    )


def _model_of(exchange: Exchange, in_form: str) -> str | None:
    """Return the model that says where a file goes. Raises ApiError 400 for two different ones."""
    header = exchange.request.headers.get(_MODEL_HEADER, b"").decode("utf-8", "replace")
    said = {name for name in (_query(exchange).get("model"), header, in_form) if name}
    if len(said) > 1:
        raise ApiError(
            400,
            "The request names different models in its query, its header and its form.",
            param="model",
            code="invalid_value",
        )
    return said.pop() if said else None


def _query(exchange: Exchange) -> dict[str, str]:
    """Raises ApiError 400 for more parameters than anybody needs."""
    query = exchange.request.query[:2048].decode("latin-1")
    try:
        members = parse_qs(query, max_num_fields=64)
    except ValueError:
        raise ApiError(400, "There are too many query parameters.", code="invalid_value") from None
    return {name: values[-1] for name, values in members.items()}


def _invalid_query(name: str, rule: str) -> ApiError:
    return ApiError(400, f"Invalid '{name}': {rule}", param=name, code="invalid_value")


def _error_of(why: NotKept | ApiError) -> ApiError:
    match why:
        case ApiError():
            return why
        case NotKept.FULL:
            return too_many_files()
        case NotKept.TAKEN:
            return ApiError(
                502,
                "The host calls another file by the same id, so this one was not taken.",
                type="server_error",
                code="upstream_error",
            )


def _leave_record(error: ApiError | None) -> None:
    """A record without a file is harmless: it is not found at the host, and can be deleted."""
    if error is not None:
        _log.warning("a file may be on record that is not at its host")


def _owner(grant: Grant) -> FileOwner:
    return FileOwner(grant.organization_id, grant.project_id)


def _object_bytes(file: StoredFile) -> bytes:
    return encode(object_of(file))


def _quoted(name: str) -> bytes:
    """Return a name as RFC 8187 has it in a header."""
    return quote(name, safe="").encode()
