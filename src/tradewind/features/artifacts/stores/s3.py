"""Keeps blobs in a bucket of S3, or of any service that speaks its API.

The wire work (signatures, retries, multipart uploads, ranges) is `obstore`'s, which wraps the Rust
crate `object_store`. A file of more than one part is sent in parts and appears whole, when the
service is told that all are there (Amazon S3 API Reference, "CompleteMultipartUpload"). A process
that is killed in between leaves parts that cost money and that nobody sees: give the bucket a
lifecycle rule that aborts incomplete multipart uploads.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store as Bucket

from tradewind.features.artifacts.errors import BlobDamaged, BlobMissing, StoreUnavailable
from tradewind.features.artifacts.stores.base import READ_BYTES

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

_PART_BYTES = 32 * 1024 * 1024
_PARTS_AT_ONCE = 4
_TIMEOUT = timedelta(seconds=60)
_RETRIES = 4


@dataclass(frozen=True, slots=True)
class S3Place:
    """Where the bucket is, and what opens it. Without keys, those of the environment or the host
    are used, as the tools of AWS do.
    """

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    """Of a service that is not AWS, as `https://s3.example.org`."""
    region: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)


class S3Store:
    """Nothing connects before the first use."""

    name = "s3"

    def __init__(self, place: S3Place) -> None:
        # What is not told here is left to the environment and the host.
        config: S3Config = {}
        if place.region is not None:
            config["region"] = place.region
        if place.endpoint is not None:
            config["endpoint"] = place.endpoint
        if place.access_key_id is not None and place.secret_access_key is not None:
            config["access_key_id"] = place.access_key_id
            config["secret_access_key"] = place.secret_access_key
        client: ClientConfig = {
            "allow_http": (place.endpoint or "").startswith("http://"),
            "timeout": _TIMEOUT,
        }
        self._bucket = Bucket(
            place.bucket,
            prefix=place.prefix or None,
            config=config,
            client_options=client,
            retry_config={"max_retries": _RETRIES},
        )

    def put(self, location: str, source: Path) -> None:
        try:
            if self.size(location) == source.stat().st_size:
                return
            obstore.put(
                self._bucket,
                location,
                source,
                chunk_size=_PART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error

    def size(self, location: str) -> int | None:
        try:
            return self._bucket.head(location)["size"]
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error

    def read(self, location: str, start: int, count: int) -> bytes:
        if not count:
            return b""
        try:
            data = bytes(self._bucket.get_range(location, start=start, length=count))
        except FileNotFoundError:
            raise BlobMissing(f"the store has nothing at {location}") from None
        except (BaseError, OSError) as error:
            self._tell_end(location, start + count, error)
            raise _unavailable(error) from error
        if len(data) != count:
            raise BlobDamaged(f"what the store has at {location} ends at byte {start + len(data)}")
        return data

    def stream(self, location: str, start: int, count: int) -> Iterator[bytes]:
        # A range for each few pieces: a request that breaks is repeated from where it was, and
        # a client that leaves costs no more than one.
        while count:
            piece = self.read(location, start, min(8 * READ_BYTES, count))
            start += len(piece)
            count -= len(piece)
            for at in range(0, len(piece), READ_BYTES):
                yield piece[at : at + READ_BYTES]

    def delete(self, location: str) -> None:
        try:
            self._bucket.delete(location)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error

    def local_path(self, location: str) -> Path | None:  # noqa: ARG002  the protocol's
        return None

    def _tell_end(self, location: str, end: int, error: Exception) -> None:
        """Services answer a range behind the end in several ways; tell it as the disk does."""
        size = self.size(location)
        if size is not None and size < end:
            raise BlobDamaged(f"what the store has at {location} ends at byte {size}") from error


def _unavailable(error: Exception) -> StoreUnavailable:
    # The text of the library's errors names the request's URL and no secret, but is long.
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return StoreUnavailable(
        f"the object store does not do what it is asked: {first[:200]}",
        hint="check its address, bucket and keys; it is tried again",
    )
