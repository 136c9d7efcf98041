"""How a logged request, and a place in the log, are written in addresses and answers. Opaque to
whoever gets them, hostile until they are read again.
"""

import base64
import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection

from tradewind.core.errors import InvalidInput, MalformedId, NotFound
from tradewind.core.ids import event_id_of_request
from tradewind.features.metering.rules import EARLIEST, LATEST
from tradewind.readmodels.requests import RequestDetail, RequestPlace, show_request

LONGEST_PLACE = 32
"""24 bytes: microseconds since 1970, then the event's id."""
_PLACE = re.compile(rf"[A-Za-z0-9_-]{{{LONGEST_PLACE}}}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EARLIEST_US = (EARLIEST - _EPOCH) // _MICROSECOND
_LATEST_US = (LATEST - _EPOCH) // _MICROSECOND


def write_place(place: RequestPlace) -> str:
    """Return 32 characters that need no quoting in an address."""
    microseconds = (place.at - _EPOCH) // _MICROSECOND
    raw = microseconds.to_bytes(8, "big") + place.event_id.bytes
    return base64.urlsafe_b64encode(raw).decode()


def read_place(text: str) -> RequestPlace:
    """Return the place that `write_place` wrote. Raises InvalidInput for any other text."""
    raw = base64.urlsafe_b64decode(text) if _PLACE.fullmatch(text) else bytes(24)
    microseconds = int.from_bytes(raw[:8], "big")
    if not _EARLIEST_US <= microseconds < _LATEST_US:
        raise InvalidInput(
            "this is not a place in the list of requests", hint="start at the top of the list"
        )
    return RequestPlace(_EPOCH + microseconds * _MICROSECOND, UUID(bytes=raw[8:]))


def find_request(
    tx: Connection, organization_id: str, request_id: str, *, project_id: str | None = None
) -> RequestDetail:
    """Return a call by its `x-request-id`. Raises NotFound, in the same words, for what is no such
    id, for a call of nobody and for one of somebody else.
    """
    found = None
    event_id = _event_id(request_id)
    if event_id is not None:
        found = show_request(tx, organization_id, event_id)
    if found is None or project_id not in (None, found.project_id):
        raise NotFound(
            f"there is no request {request_id[:64]!r} in the log",
            hint="a call is listed when it has ended, and kept for some days only",
        )
    return found


def _event_id(request_id: str) -> UUID | None:
    try:
        event_id = event_id_of_request(request_id)
    except MalformedId:
        return None
    # The log is searched by the time in the id; one that no record can have is not a time.
    is_possible = _EARLIEST_US <= (event_id.int >> 80) * 1000 < _LATEST_US
    return event_id if is_possible else None
