"""Takes one part of an upload from a stream of bytes: the one way in, whoever sends it.

While one block is on its way to the disk, the next one is received; while the part is brought to
where it survives a power cut, it is hashed. Two blocks of a part are in memory at most, however
many pieces they come in. Nothing here blocks the event loop.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from typing import Self

from sqlalchemy import Connection

from tradewind.features.artifacts.schemas import PartRow
from tradewind.features.artifacts.staging import BLOCK_BYTES
from tradewind.features.artifacts.uploads import OpenPart, Uploads

_SMALL_BYTES = 16 * 1024
"""Pieces below are copied together, so that a block is never of more than some hundred."""

Transaction = Callable[[], AbstractContextManager[Connection]]
Piece = bytes | bytearray | memoryview


async def receive_part(
    uploads: Uploads,
    transaction: Transaction,
    part: OpenPart,
    stream: AsyncIterator[bytes],
    *,
    sha256: str | None = None,
) -> PartRow:
    """Write a part and record it, in a transaction of its own that is committed while nobody else
    can write it.

    Raises PartRefused, UploadEnded, StoreUnavailable, and whatever the stream raises; then nothing
    is recorded, and the part is sent again.
    """
    with part.writer as writer:
        async with _Writing(writer.write) as writing:
            async for block in blocks_of(stream):
                await writing.next(block)
            await writing.settled()
        _, row = await asyncio.gather(
            asyncio.to_thread(uploads.hash_ahead, part),
            asyncio.to_thread(_record, uploads, transaction, part, sha256),
        )
    return row


def _record(
    uploads: Uploads, transaction: Transaction, part: OpenPart, sha256: str | None
) -> PartRow:
    part.writer.finish()
    with transaction() as tx:
        return uploads.part_written(tx, part, sha256=sha256)


class _Writing:
    """Writes one block at a time, beside whoever hands over the next one."""

    def __init__(self, write: Callable[..., None]) -> None:
        self._write = write
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        # Reached with a write under way only when the stream broke off: its error is the one that
        # is told, and the write's own must not be left for nobody.
        if self._running is not None:
            await asyncio.wait({self._running})
            if not self._running.cancelled():
                self._running.exception()

    async def next(self, block: list[Piece]) -> None:
        """Return once the block is being written, which is when the one before it was."""
        await self.settled()
        self._running = asyncio.create_task(asyncio.to_thread(self._write, *block))

    async def settled(self) -> None:
        """Return once everything is written. Raises what the write raised."""
        running, self._running = self._running, None
        if running is not None:
            await running


async def blocks_of(stream: AsyncIterator[bytes]) -> AsyncIterator[list[Piece]]:
    """Yield what comes in blocks of BLOCK_BYTES, the last one shorter, each as its pieces."""
    block: list[Piece] = []
    size = 0
    async for received in stream:
        left: Piece = received
        while size + len(left) >= BLOCK_BYTES:
            taken = BLOCK_BYTES - size
            view = memoryview(left)
            _add(block, view[:taken])
            yield block
            block, size, left = [], 0, view[taken:]
        if left:
            _add(block, left)
            size += len(left)
    if block:
        yield block


def _add(block: list[Piece], piece: Piece) -> None:
    if len(piece) >= _SMALL_BYTES:
        block.append(piece)
    elif block and isinstance(block[-1], bytearray):
        block[-1] += piece
    else:
        block.append(bytearray(piece))
