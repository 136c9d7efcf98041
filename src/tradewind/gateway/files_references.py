"""Files that a request refers to by `file_id`: whose they are, where they lie, what they are called
there.

Tenants share accounts at providers, so an id that a provider would understand must never come from
a client: every id in a request is one of ours, of the key's own project, or the request is refused.
What is sent is written anew from what was found in it, as two parsers may read a member that comes
twice differently. Files lie at one account; the call goes there or nowhere.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from tradewind.gateway.dialects.base import Inbound
from tradewind.gateway.dialects.surfaces import Surface
from tradewind.gateway.files import FILE_ID, not_found
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.refusals import refuse_call
from tradewind.gateway.state import GatewayState
from tradewind.plugins.providers.base import Dialect, ProviderRequest, Reader
from tradewind.snapshot.contents import Endpoint, Grant, Operation
from tradewind.wire.chat import encode
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.decoding import refuse as refuse_json
from tradewind.wire.errors import ApiError
from tradewind.wire.routing import RoutingWish
from tradewind.wire.stored_files import MOST_FILES_NAMED, FileOwner, FoundFiles

Resolved = Callable[[Inbound, str], None]
"""Gets the request with its files translated, and the connection they lie at; empty without any."""

# The members' names may be written with escapes, of which `json.dumps` and its like make none for
# letters. Looked for with `in` first: that costs next to nothing.
_ESCAPED_LETTER = re.compile(rb"\\u00[4-7]")
# What is under these is for people, or for functions that a model calls; hosts look for no files
# there.
_OPAQUE = frozenset(
    {
        "args",
        "arguments",
        "functionCall",
        "functionResponse",
        "function_call",
        "function_response",
        "input_schema",
        "metadata",
        "parameters",
        "schema",
    }
)
# Notes on what a model wrote; and calls whose `input` is the function's.
_CITATIONS = frozenset({"file_citation", "container_file_citation", "file_path"})
_TOOL_USES = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})


def may_name_files(body: bytes) -> bool:
    """Tell whether a body can hold a `file_id`; true for some that do not."""
    # `find`, because `in` on bytes first tries the one on the left as a number, fails and throws
    # that failure away, which takes six times as long.
    if body.find(b"file_id") >= 0:
        return not body.startswith(b"--")  # a form, whose texts name no files
    # A single byte is found many times faster, and most bodies have none.
    return (
        body.find(b"\\") >= 0
        and body.find(b"\\u00") >= 0
        and _ESCAPED_LETTER.search(body) is not None
    )


def resolve_files(
    state: GatewayState,
    exchange: Exchange,
    grant: Grant,
    inbound: Inbound,
    *,
    bodies: Sequence[bytes],
    resolved: Resolved,
) -> None:
    """Find the files that these bodies of JSON name, and hand on a request that can be sent.

    `bodies` are the request's own and those of what it goes on from. Raises ApiError for what
    cannot be there; later refusals are answered here.
    """
    ids = list(dict.fromkeys(id_ for body in bodies for id_ in _ids_in(body)))
    for id_ in ids:
        if FILE_ID.fullmatch(id_) is None:
            raise not_found(id_)
    if len(ids) > MOST_FILES_NAMED:
        raise ApiError(
            400,
            f"A request may refer to {MOST_FILES_NAMED} files.",
            param="file_id",
            code="invalid_value",
        )
    if not ids:
        resolved(_WithFiles(inbound, {}), "")
        return

    def answered(files: FoundFiles | ApiError | None) -> None:
        if exchange.client_gone:
            return
        try:
            found = _found(files, ids)
            connection = _connection_of(found)
            names = {file.id: file.provider_file_id for file in found.files}
            resolved(_WithFiles(inbound, names), connection)
        except ApiError as error:
            refuse_call(state, exchange, grant, inbound, error)

    state.files.find(FileOwner(grant.organization_id, grant.project_id), ids, answered)


def _found(files: FoundFiles | ApiError | None, ids: Sequence[str]) -> FoundFiles:
    """Raises ApiError 404 that names the first file that is not there."""
    if isinstance(files, ApiError):
        raise files
    found = FoundFiles([]) if files is None else files
    there = {file.id for file in found.files}
    for id_ in ids:
        if id_ not in there:
            raise not_found(id_)
    return found


def _connection_of(found: FoundFiles) -> str:
    """Raises ApiError 400 when it is not one."""
    connections = {file.connection_id for file in found.files}
    if len(connections) == 1:
        return connections.pop()
    raise ApiError(
        400,
        "The files of this request lie at different hosts, so that no host has all of them. Upload "
        "them for one model.",
        param="file_id",
        code="file_at_other_host",
    )


class _WithFiles:
    """A request whose files are called as their host calls them, when it is sent."""

    __slots__ = (
        "_inbound",
        "_names",
        "body_length",
        "choices",
        "dialect",
        "is_stream",
        "model",
        "operation",
        "output_limit",
        "surface",
        "wish",
    )

    def __init__(self, inbound: Inbound, names: Mapping[str, str]) -> None:
        """`names` are the host's, by ours."""
        self._inbound = inbound
        self._names = names
        self.surface: Surface = inbound.surface
        self.operation: Operation = inbound.operation
        self.dialect: Dialect = inbound.dialect
        self.model = inbound.model
        self.is_stream = inbound.is_stream
        self.body_length = inbound.body_length
        self.output_limit = inbound.output_limit
        self.choices = inbound.choices
        self.wish: RoutingWish = inbound.wish

    @property
    def parameters(self) -> frozenset[str]:
        return self._inbound.parameters

    def request_for(
        self, endpoint: Endpoint, dialects: frozenset[Dialect], headers: bytes
    ) -> ProviderRequest:
        request = self._inbound.request_for(endpoint, dialects, headers)
        fields = {name: self._translated(name, raw) for name, raw in request.fields.items()}
        return msgspec.structs.replace(request, fields=fields)

    def reader_for(self, request: ProviderRequest, reader: Reader) -> Reader:
        return self._inbound.reader_for(request, reader)

    def _translated(self, name: str, raw: Raw) -> Raw:
        if name in _OPAQUE or not may_name_files(bytes(raw)):
            return raw
        value = _decoded(bytes(raw))
        for holder, key in _references(value):
            id_ = holder[key]
            if id_ not in self._names:
                raise not_found(id_)
            holder[key] = self._names[id_]
        return Raw(encode(value))


def _ids_in(body: bytes) -> Iterator[str]:
    if not may_name_files(body):
        return
    value = _decoded(body)
    for holder, key in _references(value):
        yield holder[key]


def _references(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield where ids of files stand: the object and its member, or the list and its place.

    Of the whole value, without recursion: it may be nested as deeply as the decoder lets it.
    """
    left: list[Any] = [value]
    while left:
        here = left.pop()
        if isinstance(here, list):
            left += here
            continue
        if not isinstance(here, dict):
            continue
        kind: Any = here.get("type")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if isinstance(kind, str) and kind in _CITATIONS:
            continue
        is_tool_use = isinstance(kind, str) and kind in _TOOL_USES
        for name, member in here.items():  # pyright: ignore[reportUnknownVariableType]
            if name == "file_id" and isinstance(member, str):
                yield here, name
            elif name == "file_ids" and isinstance(member, list):
                for place, id_ in enumerate(member):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
                    if isinstance(id_, str):
                        yield member, place
            elif name in _OPAQUE or (is_tool_use and name == "input"):
                continue
            elif isinstance(member, dict | list):
                left.append(member)


def _decoded(body: bytes) -> Any:
    """Raises ApiError 400."""
    try:
        return msgspec.json.decode(body)
    except UNREADABLE as error:
        raise refuse_json(error) from None
