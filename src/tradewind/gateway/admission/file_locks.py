"""Locks on bytes of a file that the kernel releases when their holder dies.

Open file description locks (fcntl(2), F_OFD_SETLK): they belong to the opened file and not to the
process, so closing another descriptor of the same file does not drop them. Linux on 64 bits.
"""

import fcntl
import os
import struct
import time

_fcntl, _SET_LOCK = fcntl.fcntl, fcntl.F_OFD_SETLK
_FLOCK = struct.Struct("@hhqqi4x")
_PATIENCE_S = 0.5
"""A section is 5 us, and on a busy machine its holder may be put aside for some milliseconds in the
middle of it; whoever holds it for so long was stopped."""
_SPINS = 64
_PAUSE_S = 0.00005


class LockBusy(Exception):
    """Somebody holds the lock for longer than can be waited for."""


class ByteLocks:
    """The bytes of one opened file as exclusive locks."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def try_take(self, command: bytes) -> bool:
        """Take at once or not at all; `command` is from `exclusive`."""
        try:
            _fcntl(self._descriptor, _SET_LOCK, command)
        except BlockingIOError:
            return False
        return True

    def take(self, command: bytes) -> None:
        """Take, waiting shortly. Raises LockBusy."""
        try:
            _fcntl(self._descriptor, _SET_LOCK, command)
        except BlockingIOError:
            self._wait(command)

    def release(self, command: bytes) -> None:
        """Release what was taken; `command` is from `unlock`."""
        _fcntl(self._descriptor, _SET_LOCK, command)

    def _wait(self, command: bytes) -> None:
        for _ in range(_SPINS):
            os.sched_yield()
            if self.try_take(command):
                return
        until = time.monotonic() + _PATIENCE_S
        while time.monotonic() < until:
            time.sleep(_PAUSE_S)
            if self.try_take(command):
                return
        raise LockBusy


def exclusive(start: int, length: int = 1) -> bytes:
    """Return the command that locks these bytes."""
    return _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)


def unlock(start: int, length: int = 1) -> bytes:
    return _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, start, length, 0)
