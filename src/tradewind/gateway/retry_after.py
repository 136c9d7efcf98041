"""How long an upstream asks to be left alone, from the headers of its answer. Pure."""

from email.utils import parsedate_to_datetime

_MOST_CHARACTERS = 40


def retry_after_s(headers: dict[bytes, bytes], now_s: float) -> float | None:
    """Return the seconds that `retry-after-ms` (OpenAI, Azure) or `retry-after` (RFC 9110, 10.2.3:
    seconds or a date) ask for; None when nothing that can be read does. `now_s` is Unix time.
    """
    milliseconds = _number(headers.get(b"retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get(b"retry-after")
    seconds = _number(value)
    if seconds is not None or value is None or len(value) > _MOST_CHARACTERS:
        return seconds
    try:
        at_s = parsedate_to_datetime(value.decode("latin-1")).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, at_s - now_s)


def _number(value: bytes | None) -> float | None:
    """Return a number of digits with at most one point in it; no sign, no exponent, no `nan`."""
    if value is None or len(value) > _MOST_CHARACTERS:
        return None
    whole, _, part = value.partition(b".")
    return float(value) if whole.isdigit() and (not part or part.isdigit()) else None
