"""What artifacts hand out and take in."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from tradewind.core.ids import ArtifactId, BlobId, OrganizationId, UploadId

MIB = 1024 * 1024
PART_BYTES = 16 * MIB
"""Every part but the last of a file has this size. The gateway takes bodies of up to 32 MiB."""
MOST_FILE_BYTES = 1024 * 1024 * MIB
"""1 TiB, so that parts have at most 65,536 numbers."""
MOST_FILES = 2_000
"""Of one artifact."""
MOST_PATH_CHARACTERS = 400

MOST_TEMPLATE_BYTES = 256 * 1024


class FileFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a scan reads from a file, and a card shows.

    All texts come from the file: escape them before they are shown. None is "does not say".
    """

    format: str
    """`gguf`, `safetensors`, `pickle`, `json`, `template` or `text`."""
    architecture: str | None = None
    name: str | None = None
    licence: str | None = None
    context_tokens: int | None = None
    embedding_length: int | None = None
    layers: int | None = None
    heads: int | None = None
    """Of attention, as the four that follow: they tell how much memory a token takes."""
    key_value_heads: int | None = None
    key_length: int | None = None
    value_length: int | None = None
    parameters: int | None = None
    """Number of weights, reckoned from the shapes of the tensors."""
    tensors: int | None = None
    tensor_types: dict[str, int] = {}
    """How many tensors there are of each type, as `Q4_K` or `BF16`."""
    quantization: str | None = None
    """As the file names it, or else the type that most weights have."""
    tokenizer: str | None = None
    vocabulary: int | None = None
    chat_template: str | None = None
    is_quarantined: bool = False
    """It may be kept, and must not be loaded."""
    findings: tuple[str, ...] = ()
    """What a person should know of it."""


class Visibility(StrEnum):
    OPEN = "open"
    SEALED = "sealed"
    """Encrypted where it lies; opened only for the worker that loads it."""


class UploadState(StrEnum):
    OPEN = "open"
    CHECKING = "checking"
    """All parts are there; the worker takes it from here."""
    READY = "ready"
    """Its bytes are in the store. It can be put into artifacts until it is swept."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class NewUpload:
    name: str
    size: int
    sha256: str | None = None
    """In hexadecimal, if the uploader knows it; otherwise it is told when the upload is ready."""
    visibility: Visibility = Visibility.OPEN


@dataclass(frozen=True, slots=True)
class UploadRow:
    upload_id: UploadId
    organization_id: OrganizationId
    name: str
    size: int
    sha256: str | None
    """As it was announced, or, when it is ready, as it was found."""
    visibility: Visibility
    state: UploadState
    reason: str
    """Why it was refused; empty otherwise."""
    blob_id: BlobId | None
    facts: FileFacts | None
    created_at: datetime
    expires_at: datetime
    """An open upload is swept when nothing came for so long, another when nobody used it."""

    @property
    def parts(self) -> int:
        return -(-self.size // PART_BYTES)


@dataclass(frozen=True, slots=True)
class PartRow:
    number: int
    """From 1."""
    size: int
    sha256: str | None
    """As the uploader sent it along and it was found right."""


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file of a new artifact: which upload brought it, and what it is called in there."""

    path: str
    upload_id: str


@dataclass(frozen=True, slots=True)
class ArtifactFile:
    path: str
    size: int
    sha256: str
    facts: FileFacts


@dataclass(frozen=True, slots=True)
class ArtifactRow:
    artifact_id: ArtifactId
    organization_id: OrganizationId
    digest: str
    """`sha256:` and the hexadecimal digest of the manifest."""
    visibility: Visibility
    size: int
    file_count: int
    is_quarantined: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Signature:
    key_id: str
    """Fingerprint of the public key: SHA-256 of its 32 bytes."""
    public_key: bytes
    signature: bytes
    signer: str
    """`platform` or `publisher`."""


@dataclass(frozen=True, slots=True)
class ArtifactDetail:
    row: ArtifactRow
    files: tuple[ArtifactFile, ...]
    manifest: bytes
    signatures: tuple[Signature, ...]
