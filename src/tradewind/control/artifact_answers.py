"""What the routes of artifacts take and answer."""

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any, Self

import msgspec
from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.bodies import Body
from tradewind.core.errors import InvalidInput
from tradewind.features.artifacts.manifest import PAYLOAD_TYPE
from tradewind.features.artifacts.rules import ranges_of
from tradewind.features.artifacts.schemas import (
    MOST_FILE_BYTES,
    MOST_FILES,
    MOST_PATH_CHARACTERS,
    PART_BYTES,
    ArtifactDetail,
    ArtifactRow,
    FileFacts,
    NewFile,
    NewUpload,
    PartRow,
    UploadState,
    Visibility,
)
from tradewind.features.artifacts.service import facts_together
from tradewind.features.artifacts.uploads import UploadWithParts

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Path = Annotated[str, StringConstraints(min_length=1, max_length=MOST_PATH_CHARACTERS)]
_Base64 = Annotated[str, StringConstraints(max_length=120)]


class UploadBody(Body):
    name: Annotated[_Path, Field(description="The file's name; its end says what it is.")]
    size: Annotated[int, Field(ge=1, le=MOST_FILE_BYTES, description="Bytes.")]
    sha256: Annotated[
        Sha256 | None,
        Field(
            description="Of the whole file. With it, an open upload of the same file is gone on"
            " with, and a file that arrives changed is refused."
        ),
    ] = None
    visibility: Annotated[
        Visibility,
        Field(strict=False, description="`sealed` is encrypted and cannot be downloaded."),
    ] = Visibility.OPEN

    def to_new(self) -> NewUpload:
        return NewUpload(self.name, self.size, self.sha256, self.visibility)


class UploadAnswer(BaseModel):
    id: str
    name: str
    size: int
    sha256: str | None = Field(description="As announced, or as found once it is ready.")
    visibility: Visibility
    state: UploadState = Field(
        description="`open` takes parts, `checking` is being read, `ready` can be put into an"
        " artifact, `refused` says why in `reason`."
    )
    reason: str
    part_size: int = Field(description="Bytes of every part but the last.")
    parts: int = Field(description="How many parts there are to be.")
    received: list[list[int]] = Field(
        description="Which are there, as ranges of numbers: [[1, 4], [6, 6]]."
    )
    facts: dict[str, Any] | None = Field(description="What the file says of itself.")
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, upload: UploadWithParts) -> Self:
        row = upload.row
        return cls(
            id=row.upload_id,
            name=row.name,
            size=row.size,
            sha256=row.sha256,
            visibility=row.visibility,
            state=row.state,
            reason=row.reason,
            part_size=PART_BYTES,
            parts=row.parts,
            received=ranges_of(upload.part_numbers),
            facts=None if row.facts is None else _facts(row.facts),
            created_at=row.created_at,
            expires_at=row.expires_at,
        )


class UploadPage(BaseModel):
    uploads: list[UploadAnswer] = Field(description="The newest first; `received` is left out.")
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class PartAnswer(BaseModel):
    number: int
    size: int
    sha256: str | None

    @classmethod
    def of(cls, part: PartRow) -> Self:
        return cls(number=part.number, size=part.size, sha256=part.sha256)


class FileBody(Body):
    path: Annotated[_Path, Field(description="Its place in the artifact, with /.")]
    upload: Annotated[str, StringConstraints(max_length=100)]


class ArtifactBody(Body):
    files: Annotated[list[FileBody], Field(min_length=1, max_length=MOST_FILES)]

    def to_files(self) -> list[NewFile]:
        return [NewFile(file.path, file.upload) for file in self.files]


class SignatureBody(Body):
    """An Ed25519 signature over the DSSE pre-authentication encoding of the manifest."""

    public_key: Annotated[_Base64, Field(description="32 bytes in base 64.")]
    signature: Annotated[_Base64, Field(description="64 bytes in base 64.")]

    def decoded(self) -> tuple[bytes, bytes]:
        """Raises InvalidInput."""
        return _decoded(self.public_key, "public_key"), _decoded(self.signature, "signature")


class ArtifactAnswer(BaseModel):
    id: str
    digest: str = Field(description="Of the manifest: it names these files and no others.")
    visibility: Visibility
    size: int
    files: int
    is_quarantined: bool = Field(description="Kept, not loaded and not downloaded.")
    created_at: datetime

    @classmethod
    def of(cls, row: ArtifactRow) -> Self:
        return cls(
            id=row.artifact_id,
            digest=row.digest,
            visibility=row.visibility,
            size=row.size,
            files=row.file_count,
            is_quarantined=row.is_quarantined,
            created_at=row.created_at,
        )


class ArtifactPage(BaseModel):
    artifacts: list[ArtifactAnswer] = Field(description="The newest first.")
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class ArtifactFileAnswer(BaseModel):
    path: str
    size: int
    sha256: str
    facts: dict[str, Any]


class SignatureAnswer(BaseModel):
    keyid: str = Field(description="SHA-256 of the public key.")
    sig: str = Field(description="Base 64.")
    public_key: str = Field(description="Base 64.")
    signer: str = Field(description="`platform` or `publisher`.")


class EnvelopeAnswer(BaseModel):
    """A DSSE envelope, as its specification has it; `public_key` and `signer` are beside it."""

    payload_type: str = Field(serialization_alias="payloadType")
    payload: str = Field(description="The manifest, in base 64.")
    signatures: list[SignatureAnswer]


class ArtifactDetailAnswer(ArtifactAnswer):
    contents: list[ArtifactFileAnswer]
    facts: dict[str, Any] = Field(description="What the files say together.")
    envelope: EnvelopeAnswer

    @classmethod
    def of_detail(cls, detail: ArtifactDetail) -> Self:
        return cls(
            **ArtifactAnswer.of(detail.row).model_dump(),
            contents=[
                ArtifactFileAnswer(
                    path=file.path, size=file.size, sha256=file.sha256, facts=_facts(file.facts)
                )
                for file in detail.files
            ],
            facts=_facts(facts_together(detail.files)),
            envelope=EnvelopeAnswer(
                payload_type=PAYLOAD_TYPE,
                payload=_encoded(detail.manifest),
                signatures=[
                    SignatureAnswer(
                        keyid=each.key_id,
                        sig=_encoded(each.signature),
                        public_key=_encoded(each.public_key),
                        signer=each.signer,
                    )
                    for each in detail.signatures
                ],
            ),
        )


def _facts(facts: FileFacts) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(facts)
    return built


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decoded(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(f"`{name}` is not base 64") from None
