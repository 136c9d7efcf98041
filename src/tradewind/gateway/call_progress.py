"""How far a stream has come, written down now and then, so that a crash bills what was sent."""

import time

from tradewind.gateway.record import Recorder
from tradewind.usage.event import Opened

_EVERY_S = 2.0
_EVERY_TOKENS = 512


class Progress:
    __slots__ = ("_at", "_recorder", "written")

    def __init__(self, recorder: Recorder, now: float) -> None:
        self._recorder = recorder
        self._at = now
        self.written = 0
        """Tokens at the last time this was written down."""

    def begin(self, now: float) -> None:
        """The first byte went out."""
        self._at = now

    def note(self, opened: Opened, written: int) -> None:
        now = time.monotonic()
        if written - self.written >= _EVERY_TOKENS or now - self._at >= _EVERY_S:
            self.written, self._at = written, now
            self._recorder.progress(opened, written)
