"""OpenAI's Files API, as clients speak it: an upload, a file, a list of files.

Source: OpenAI's API reference, "Files".
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from tradewind.wire.decoding import refuse
from tradewind.wire.errors import ApiError
from tradewind.wire.forms import Form, Part
from tradewind.wire.routing import ModelName
from tradewind.wire.stored_files import StoredFile

_MOST_NAME_CHARACTERS = 255


class FileUpload(msgspec.Struct, frozen=True):
    """The texts of a form that brings a file. Others go to the provider as they came."""

    purpose: Annotated[str, Meta(min_length=1, max_length=64)]
    model: ModelName = ""
    """Whose host it is for, where the key's models are at several. Not sent on."""


class FileObject(msgspec.Struct, frozen=True):
    id: str
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: str
    expires_at: int | None
    object: str = "file"


class FileObjects(msgspec.Struct, frozen=True):
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool
    object: str = "list"


def upload_of(form: Form) -> tuple[FileUpload, Part]:
    """Return the acted-on part of a form, and its file. Raises ApiError 400 that names the
    field.
    """
    files = [part for part in form.parts if part.name == "file"]
    if len(files) != 1 or files[0].file_name is None:
        raise ApiError(400, "The form has no one file `file`.", param="file", code="invalid_value")
    if sum(part.name == "purpose" for part in form.parts) > 1:
        raise ApiError(400, "`purpose` comes once.", param="purpose", code="invalid_value")
    try:
        return msgspec.convert(form.texts, FileUpload, strict=False), files[0]
    except msgspec.ValidationError as error:
        raise refuse(error) from None


def file_name_of(part: Part) -> str:
    """Return the name of an uploaded file, which may be in any encoding."""
    assert part.file_name is not None
    return part.file_name.decode("utf-8", "replace")[:_MOST_NAME_CHARACTERS]


def object_of(file: StoredFile) -> FileObject:
    return FileObject(
        file.id,
        file.bytes,
        file.created_at_ms // 1000,
        file.name,
        file.purpose,
        file.status,
        None if file.expires_at_ms is None else file.expires_at_ms // 1000,
    )


def list_of(files: list[StoredFile], *, has_more: bool) -> FileObjects:
    data = [object_of(file) for file in files]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return FileObjects(data, first, last, has_more)
