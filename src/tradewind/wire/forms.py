"""Multipart forms (RFC 7578 over RFC 2046): files and texts of speech and image requests.

A form is hostile until parsed: what two parsers read differently is how one of them is tricked, so
only the plain form that clients send is taken, and a form that goes on is written anew from what
was understood. The bytes of files are never looked into and copied once.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from tradewind.wire.errors import ApiError

_MOST_PARTS = 64
_MOST_HEAD_BYTES = 4096
_MOST_TEXT_BYTES = 256 * 1024
# RFC 2046, section 5.1.1: a boundary is 1 to 70 of these and does not end with a space.
_BOUNDARY = rb"[0-9A-Za-z'()+_,\-./:=?]{1,70}"
_CHARSET = rb"(?:[ \t]*;[ \t]*charset=\"?utf-8\"?)?"
_CONTENT_TYPE = re.compile(
    rb"multipart/form-data%b[ \t]*;[ \t]*boundary=(?:(%b)|\"(%b)\")%b"
    % (_CHARSET, rb"[0-9A-Za-z'+_\-.]{1,70}", _BOUNDARY, _CHARSET),
    re.IGNORECASE,
)
# Names as browsers and clients write them: quoted, with `"` and line ends percent-encoded.
_DISPOSITION = re.compile(
    rb"form-data;[ \t]*name=\"([^\"\x00-\x1f\x7f\\]{1,128})\""
    rb"(;[ \t]*filename=\"([^\"\x00-\x1f\x7f\\]{0,512})\""
    rb"(?:;[ \t]*filename\*=[^;\"\x00-\x20\x7f]{1,1024})?)?",
    re.IGNORECASE,
)
_MEDIA_TYPE = re.compile(rb"[0-9A-Za-z!#$&^_.+/\-]{1,128}(?:;[ \t]*[\x20-\x7e]{0,128})?")
_PLAIN_ENCODINGS = (b"7bit", b"8bit", b"binary")


class Part(NamedTuple):
    """One part: a text, or a file when it has a file name."""

    name: str
    content: memoryview
    file_name: bytes | None = None
    media_type: bytes = b""


class Form(NamedTuple):
    boundary: bytes
    parts: tuple[Part, ...]

    @property
    def texts(self) -> dict[str, str]:
        """The parts that are texts; of a name that comes more than once, the last."""
        return {
            part.name: bytes(part.content).decode() for part in self.parts if part.file_name is None
        }


def parse(body: bytes, content_type: bytes) -> Form:
    """Return the parts of a form. Raises ApiError 400."""
    matched = _CONTENT_TYPE.fullmatch(content_type.strip())
    if matched is None:
        raise ApiError(
            400,
            "This operation takes a form: `content-type: multipart/form-data` with its boundary.",
            code="invalid_form",
        )
    boundary = matched[1] or matched[2]
    delimiter = b"--" + boundary
    view = memoryview(body)
    if not body.startswith(delimiter):
        raise _refuse("it does not start with its boundary")
    parts: list[Part] = []
    place = len(delimiter)
    while True:
        after = body[place : place + 2]
        if after == b"--":
            break
        if after != b"\r\n":
            raise _refuse("a boundary is not followed by a line end")
        if len(parts) == _MOST_PARTS:
            raise _refuse(f"it has more than {_MOST_PARTS} parts")
        end = body.find(b"\r\n" + delimiter, place)
        if end < 0:
            raise _refuse("its last boundary is missing")
        parts.append(_part(body, view, place + 2, end))
        place = end + 2 + len(delimiter)
    if body[place + 2 :].strip():
        raise _refuse("there is something behind its end")
    _check_names(parts)
    return Form(boundary, tuple(parts))


def write(form: Form, changes: Mapping[str, str | None]) -> tuple[bytes, bytes]:
    """Return the form as a body and its `content-type`, with texts changed, added or (None) left
    out.
    """
    delimiter = b"--%b\r\n" % form.boundary
    pieces: list[bytes | memoryview] = []
    written: set[str] = set()
    for part in form.parts:
        if part.name in changes:
            text = changes[part.name]
            if text is not None and part.name not in written:
                pieces += [delimiter, _head(part.name), text.encode(), b"\r\n"]
            written.add(part.name)
            continue
        head = _head(part.name, part.file_name, part.media_type)
        pieces += [delimiter, head, part.content, b"\r\n"]
    for name, text in changes.items():
        if text is not None and name not in written:
            pieces += [delimiter, _head(name), text.encode(), b"\r\n"]
    pieces.append(b"--%b--\r\n" % form.boundary)
    return b"".join(pieces), b'multipart/form-data; boundary="%b"' % form.boundary


def _part(body: bytes, view: memoryview, start: int, end: int) -> Part:
    head_end = body.find(b"\r\n\r\n", start, end)
    if head_end < 0:
        raise _refuse("a part has no head")
    content = view[head_end + 4 : end]
    if head_end - start > _MOST_HEAD_BYTES:
        raise _refuse("the head of a part is too large")
    headers = _headers(body[start:head_end])
    matched = _DISPOSITION.fullmatch(headers.get(b"content-disposition", b""))
    if matched is None:
        raise _refuse("a part is not named as form data are")
    if headers.get(b"content-transfer-encoding", b"binary").lower() not in _PLAIN_ENCODINGS:
        raise _refuse("a part is encoded")
    media_type = headers.get(b"content-type", b"")
    if media_type and _MEDIA_TYPE.fullmatch(media_type) is None:
        raise _refuse("a part has a malformed content type")
    try:
        name = matched[1].decode()
        if matched[2] is None:
            if len(content) > _MOST_TEXT_BYTES:
                raise _refuse("a text is too large")
            bytes(content).decode()
    except UnicodeDecodeError:
        raise _refuse("a text is not UTF-8") from None
    return Part(name, content, matched[3], media_type)


def _headers(raw: bytes) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for line in raw.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        name = name.lower()
        # A line that starts with a space goes on with the one before, for parsers that know that.
        if not colon or not name.strip() or name != name.strip() or name in found:
            raise _refuse("the head of a part is malformed")
        if b"\r" in line or b"\n" in line or b"\0" in line:
            raise _refuse("the head of a part is malformed")
        found[name] = value.strip()
    return found


def _check_names(parts: list[Part]) -> None:
    """Names of lists (`image[]`) may come more than once. `model` may not: which of two counts
    would be anybody's guess.
    """
    named = [part for part in parts if part.name == "model"]
    if len(named) > 1 or any(part.file_name is not None for part in named):
        raise _refuse("`model` is a text that comes once")


def _head(name: str, file_name: bytes | None = None, media_type: bytes = b"") -> bytes:
    head = b'content-disposition: form-data; name="%b"' % name.encode()
    if file_name is not None:
        head += b'; filename="%b"' % file_name
    if media_type:
        head += b"\r\ncontent-type: " + media_type
    return head + b"\r\n\r\n"


def _refuse(reason: str) -> ApiError:
    return ApiError(400, f"The request body is not a valid form: {reason}.", code="invalid_form")
