"""What gateways and the control plane tell each other of files that lie at a provider."""

from enum import StrEnum

import msgspec

MOST_FILES_A_PROJECT = 10_000
MOST_FILES_LISTED = 10_000
MOST_FILES_NAMED = 64
"""Files that one request may refer to."""


class FileOwner(msgspec.Struct, frozen=True):
    """Whose files are meant. No question is ever asked without."""

    organization_id: str
    project_id: str


class StoredFile(msgspec.Struct, frozen=True):
    """One file: our name for it, and where its bytes are."""

    organization_id: str
    project_id: str
    id: str
    """Ours, `file-` and 26 characters; sorts by the time it was made."""
    connection_id: str
    """The account at a provider that it was uploaded to."""
    provider_file_id: str
    """The provider's name for it. It never leaves the gateway but to that provider."""
    model: str
    """The endpoint it was uploaded through: the first to be tried when it is asked for again."""
    name: str
    purpose: str
    bytes: int
    status: str
    created_at_ms: int
    expires_at_ms: int | None = None


class NamedFiles(msgspec.Struct, frozen=True):
    """Which of an owner's files are meant."""

    owner: FileOwner
    ids: list[str]


class FileList(msgspec.Struct, frozen=True):
    """A question for one page of an owner's files."""

    owner: FileOwner
    limit: int
    is_ascending: bool = False
    after: str | None = None
    """The file before the page's first."""
    purpose: str | None = None


class FoundFiles(msgspec.Struct, frozen=True):
    files: list[StoredFile]
    has_more: bool = False


class NotKept(StrEnum):
    """Why a file was not recorded."""

    FULL = "full"
    """The project has as many as it may have."""
    TAKEN = "taken"
    """The provider calls another file by this id, or it is recorded already."""


class Refusal(msgspec.Struct, frozen=True):
    why: NotKept


encode = msgspec.json.Encoder().encode
decode_owner = msgspec.json.Decoder(FileOwner).decode
decode_file = msgspec.json.Decoder(StoredFile).decode
decode_names = msgspec.json.Decoder(NamedFiles).decode
decode_list = msgspec.json.Decoder(FileList).decode
decode_found = msgspec.json.Decoder(FoundFiles).decode
decode_refusal = msgspec.json.Decoder(Refusal).decode
