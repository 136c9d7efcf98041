"""Keeps admission told of how many gateways share the limits."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from tradewind.snapshot.live_gateways import LiveGateways, read_live_gateways, stamp_of

_POLL_S = 0.5
_log = logging.getLogger(__name__)


class LiveGatewaysWatch:
    """Looks at the file twice a second: one system call."""

    def __init__(
        self, path: Path, tell: Callable[[LiveGateways], None], poll_s: float = _POLL_S
    ) -> None:
        self._path = path
        self._tell = tell
        self._poll_s = poll_s
        self._stamp: tuple[int, int] | None = None
        self._told: LiveGateways | None = None

    def look(self) -> None:
        """Tell what is new. What cannot be read leaves the former number in force."""
        try:
            stamp = stamp_of(self._path)
            if stamp == self._stamp:
                return
            live = read_live_gateways(self._path)
        except OSError as error:
            _log.error("how many gateways there are cannot be read: %s", error)
            return
        self._stamp = stamp
        if live is not None and live != self._told:
            self._told = live
            _log.info("%d nodes with %d gateways share the limits", live.nodes, live.gateways)
            self._tell(live)

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(self._poll_s)
            self.look()
