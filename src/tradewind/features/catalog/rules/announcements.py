"""How the end of a model is announced: the headers of its answers, and a calendar. Pure.

RFC 9745 (`Deprecation`), RFC 8594 (`Sunset`), RFC 5545 (iCalendar).
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime
from typing import NamedTuple

_LINE_BYTES = 75
_ESCAPED = str.maketrans({"\\": r"\\", ";": r"\;", ",": r"\,", "\n": r"\n", "\r": None})


class Announced(NamedTuple):
    """One day in the life of a model."""

    uid: str
    """Stays the same when the day moves, so that calendars move it too."""
    on: date
    title: str
    text: str
    url: str = ""


def deprecation_lines(deprecated_at: datetime, retires_on: date, replacement: str = "") -> bytes:
    """Return the lines of each answer of a model that is deprecated, or will be at that moment; it
    stops at the end of its last day.

    `replacement` is a URL of the model to take instead.
    """
    end = datetime.combine(retires_on + timedelta(days=1), time(), UTC)
    lines = (
        f"deprecation: @{int(deprecated_at.timestamp())}\r\n"
        f"sunset: {format_datetime(end, usegmt=True)}\r\n"
    )
    if replacement:
        lines += f'link: <{replacement}>; rel="successor-version"\r\n'
    return lines.encode("ascii", "replace")


def calendar(name: str, days: Iterable[Announced], now: datetime) -> str:
    """Return an iCalendar feed of whole days."""
    stamp = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Tradewind//Model life cycle//EN",
        "METHOD:PUBLISH",
        f"NAME:{_text(name)}",
        f"X-WR-CALNAME:{_text(name)}",
        "REFRESH-INTERVAL;VALUE=DURATION:PT12H",
    ]
    for day in days:
        lines += [
            "BEGIN:VEVENT",
            f"UID:{_text(day.uid)}",
            f"DTSTAMP:{stamp}",
            f"DTSTART;VALUE=DATE:{day.on:%Y%m%d}",
            f"DTEND;VALUE=DATE:{day.on + timedelta(days=1):%Y%m%d}",
            f"SUMMARY:{_text(day.title)}",
            f"DESCRIPTION:{_text(day.text)}",
            *([f"URL:{day.url}"] if day.url else []),
            "TRANSP:TRANSPARENT",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return "".join(f"{folded}\r\n" for line in lines for folded in _folded(line))


def _text(text: str) -> str:
    return "".join(each for each in text.translate(_ESCAPED) if each.isprintable())


def _folded(line: str) -> Iterable[str]:
    """Yield a line in pieces of at most 75 bytes; each but the first begins with a space."""
    piece, size = "", 0
    for each in line:
        length = len(each.encode())
        if size + length > _LINE_BYTES:
            yield piece
            piece, size = " ", 1
        piece += each
        size += length
    yield piece
