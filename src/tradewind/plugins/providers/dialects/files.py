"""OpenAI's Files API, as its hosts have it: what is sent to one, and what it says of a file.

Sources: OpenAI's API reference, "Files"; learn.microsoft.com, "Azure OpenAI REST API reference",
"Files" (an upload is answered with 201 there, and a deletion with 200 or 204).
"""

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from tradewind.plugins.providers.base import FilesWire, host_of
from tradewind.plugins.providers.dialects.paths import path_segment
from tradewind.plugins.providers.dialects.refusals import broken_answer
from tradewind.snapshot.contents import Target
from tradewind.wire.decoding import UNREADABLE

_ID = re.compile(r"[\x21-\x7e]{1,256}")
_Time = Annotated[int, Meta(ge=0, le=253_402_300_799)]  # the last second of the year 9999


class HostFile(msgspec.Struct, frozen=True):
    """What a host says of a file. Only the id has to be there."""

    id: str
    bytes: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    status: Annotated[str, Meta(max_length=64)] | None = None
    expires_at: _Time | None = None
    """Unix seconds."""


def upload_request(
    target: Target, wire: FilesWire, body: bytes, content_type: bytes, headers: bytes = b""
) -> bytes:
    """Return the head of a request that brings a form; `headers` are lines to pass on."""
    lines = b"content-type: %b\r\ncontent-length: %d\r\n" % (content_type, len(body))
    return _head(b"POST", target, wire, b"", headers + lines)


def content_request(target: Target, wire: FilesWire, id_: str, headers: bytes = b"") -> bytes:
    """Return a request for what is in a file."""
    return _head(b"GET", target, wire, b"/%b/content" % path_segment(id_), headers)


def delete_request(target: Target, wire: FilesWire, id_: str, headers: bytes = b"") -> bytes:
    return _head(b"DELETE", target, wire, b"/" + path_segment(id_), headers)


def file_of(body: bytes) -> HostFile:
    """Return what an answer says of the file. Raises ApiError 502."""
    try:
        found = msgspec.json.decode(body, type=HostFile)
    except UNREADABLE:
        raise broken_answer() from None
    # It will stand in paths and bodies of later requests.
    if _ID.fullmatch(found.id) is None or found.id in (".", ".."):
        raise broken_answer()
    return found


def _head(method: bytes, target: Target, wire: FilesWire, part: bytes, lines: bytes) -> bytes:
    authorization = wire.authorization
    if authorization is None:
        authorization = b"authorization: Bearer " + target.credential.encode()
    return (b"%b %b%b%b%b HTTP/1.1\r\nhost: %b\r\n%b\r\naccept-encoding: identity\r\n%b%b\r\n") % (
        method,
        target.base_path.encode(),
        wire.path,
        part,
        wire.query,
        host_of(target.address).encode(),
        authorization,
        wire.headers,
        lines,
    )
