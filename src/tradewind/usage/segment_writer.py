"""One segment while it is written: a locked file, and how far it is filled."""

import fcntl
import os
import zlib
from pathlib import Path

from tradewind.usage.event import Record
from tradewind.usage.frames import FORMAT_VERSION, SegmentFooter, SegmentHeader, encode_frame
from tradewind.usage.segments import UNNAMED_SUFFIX, SegmentName


class SegmentWriter:
    """Frames are encoded for the place `frames` says, which then is one more, and handed over in
    that order with `write`.
    """

    def __init__(self, name: SegmentName, descriptor: int, header: bytes) -> None:
        self.name = name
        self.descriptor = descriptor
        self.offset = len(header)
        """Bytes of the file that are certain; the next write goes here."""
        self._crc = zlib.crc32(header)
        self.frames = 1
        """Those encoded for it so far, its header among them: the place of the next."""

    @classmethod
    def create(cls, folder: Path, name: SegmentName) -> "SegmentWriter":
        """Make a segment that is locked and has its header before anyone can see it.

        Raises OSError, and leaves nothing behind then.
        """
        unnamed = folder / f"{name}{UNNAMED_SUFFIX}"
        header = encode_frame(
            SegmentHeader(FORMAT_VERSION, name.node, name.boot_ns, name.number), 0
        )
        descriptor = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write_whole(descriptor, header, 0)
            unnamed.rename(folder / str(name))
        except OSError:
            os.close(descriptor)
            unnamed.unlink(missing_ok=True)
            raise
        return cls(name, descriptor, header)

    def encode(self, record: Record) -> bytes:
        """Return the record as the next frame of this segment. Raises RecordTooLarge."""
        frame = encode_frame(record, self.frames)
        self.frames += 1
        return frame

    def write(self, buffer: bytearray) -> None:
        """Move all of `buffer` into the file. On OSError it holds what is still to be written.

        The place in the file is given with each write and does not come from the file, so a write
        of which only a part arrived is continued or overwritten by the next one.
        """
        while buffer:
            count = os.pwrite(self.descriptor, buffer, self.offset)
            if count == len(buffer):
                self._crc = zlib.crc32(buffer, self._crc)
                buffer.clear()
            else:
                self._crc = zlib.crc32(buffer[:count], self._crc)
                del buffer[:count]
            self.offset += count

    def seal(self) -> None:
        """Add the footer; nothing may be written after it. Raises OSError.

        A segment without a footer is read as well: the reader sees that its lock is gone.
        """
        footer = encode_frame(SegmentFooter(self.frames, self._crc), self.frames)
        try:
            _write_whole(self.descriptor, footer, self.offset)
        except OSError:
            os.ftruncate(self.descriptor, self.offset)
            raise

    def close(self) -> None:
        """Give up the file and with it the lock."""
        os.close(self.descriptor)


def _write_whole(descriptor: int, data: bytes, offset: int) -> None:
    done = 0
    while done < len(data):
        done += os.pwrite(descriptor, data[done:], offset + done)
