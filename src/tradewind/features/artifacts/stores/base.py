"""What every store does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

READ_BYTES = 1024 * 1024
"""Pieces of `stream` are at most this long."""


class Store(Protocol):
    @property
    def name(self) -> str: ...

    def put(self, location: str, source: Path) -> None:
        """Keep the file. Repeating it is harmless; the source stays where it is.

        Raises StoreUnavailable.
        """
        ...

    def size(self, location: str) -> int | None:
        """Return how many bytes lie there; None when there is nothing."""
        ...

    def read(self, location: str, start: int, count: int) -> bytes:
        """Return exactly these bytes. Raises BlobMissing, BlobDamaged when it ends before."""
        ...

    def stream(self, location: str, start: int, count: int) -> Iterator[bytes]:
        """Yield exactly these bytes in pieces. Raises as `read` does, also in between."""
        ...

    def delete(self, location: str) -> None:
        """Remove what lies there. Nothing there is fine."""
        ...

    def local_path(self, location: str) -> Path | None:
        """Return where an engine on this host can read the file itself; None where it cannot."""
        ...
