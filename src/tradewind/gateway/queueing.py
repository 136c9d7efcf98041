"""The header `x-tradewind-queue: 30s`: rather wait than be refused."""

import re

from tradewind.wire.errors import ApiError

MOST_QUEUE_S = 300.0
_FORM = re.compile(rb"(\d{1,6})(ms|s|m)?")
_SECONDS = {b"ms": 0.001, b"s": 1.0, b"m": 60.0, None: 1.0}


def queue_s_of(value: bytes) -> float:
    """Return the seconds that `30s`, `500ms`, `2m` or `30` mean. Raises ApiError 400."""
    found = _FORM.fullmatch(value.strip())
    seconds = -1.0 if found is None else int(found[1]) * _SECONDS[found[2]]
    if not 0 <= seconds <= MOST_QUEUE_S:
        raise ApiError(
            400,
            f"The header x-tradewind-queue is a time of at most {MOST_QUEUE_S:.0f} s, such as "
            "'30s' or '500ms'.",
            code="invalid_header",
        )
    return seconds
