"""What artifacts raise beyond the leaves of `core.errors`."""

from tradewind.core.errors import InvalidInput, TradewindError, Unavailable


class FileRefused(InvalidInput):
    """A file is not what it says it is, or may not be here. The message names it and why."""

    code = "file_refused"

    def __init__(self, name: str, why: str, *, hint: str | None = None) -> None:
        super().__init__(f"{name[:200]!r}: {why}", hint=hint)
        self.why = why


class PartRefused(InvalidInput):
    """The bytes of a part are not those that were announced."""

    code = "part_refused"


class PartInProgress(TradewindError):
    """Two requests write the same part, or the upload is being checked."""

    code = "part_in_progress"
    status = 409


class UploadEnded(TradewindError):
    """The upload takes no parts any more."""

    code = "upload_ended"
    status = 409


class UploadIncomplete(TradewindError):
    code = "upload_incomplete"
    status = 409


class TooManyUploads(TradewindError):
    """Too many open uploads, or too many bytes in them, for one organization."""

    code = "too_many_uploads"
    status = 409


class NoRoom(TradewindError):
    """The disk would be full with a file of this size."""

    code = "no_room_for_upload"
    status = 413


class ArtifactInUse(TradewindError):
    code = "artifact_in_use"
    status = 409


class ArtifactSealed(TradewindError):
    """A sealed artifact leaves for an engine only."""

    code = "artifact_sealed"
    status = 403


class SignatureRefused(InvalidInput):
    code = "signature_refused"


class StoreUnavailable(Unavailable):
    """The store of artifacts does not answer, or has lost what it was given."""

    code = "artifact_store_unavailable"


class BlobMissing(StoreUnavailable):
    code = "artifact_bytes_missing"


class BlobDamaged(TradewindError):
    """What a store gives back is not what it was given."""

    code = "artifact_bytes_damaged"
    status = 500
