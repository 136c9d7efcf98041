"""Keeps the stored search of a large catalog up with it. A small one is none of its business."""

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from tradewind.core.errors import Unavailable
from tradewind.readmodels.catalog_search.keeping import Did

_REST_S = 1.0
_SMALL_S = 5.0
"""A catalog grows slowly, and counting it costs a millisecond or two."""
_TRY_AGAIN_S = 60.0
_log = logging.getLogger(__name__)


class Steps(Protocol):
    """The part of `Keeper` that is needed; one that may not fill."""

    def step(self) -> Did: ...


def keep_catalog_search(
    keeper: Steps,
    fill: Callable[[], bool],
    stop: threading.Event,
    *,
    wait: Callable[[float], object] | None = None,
) -> None:
    """Run until `stop` is set. `fill` does a whole filling, and tells whether it came to its end.
    `wait` returns after so many seconds, or once `stop` is set.
    """
    rest = stop.wait if wait is None else wait
    while not stop.is_set():
        pause_s = _REST_S
        try:
            did = keeper.step()
        except Unavailable as error:
            _log.warning("the catalog's search is not kept up: %s", error)
        else:
            if did is Did.SOMETHING:
                continue
            if did is Did.IN_MEMORY:
                pause_s = _SMALL_S
            elif did is Did.NOT_ALLOWED and not fill() and not stop.is_set():
                _log.error("the catalog's search was not filled; trying again in a minute")
                pause_s = _TRY_AGAIN_S
        rest(pause_s)
