"""A file of exchange rates, as CSV: base, quote, rate, source, valid_from. Pure."""

import csv
import io
import re
from datetime import UTC, datetime
from typing import NamedTuple

from tradewind.core.errors import InvalidInput
from tradewind.core.money import parse_nanos
from tradewind.features.ledger.schemas import FxRate

COLUMNS = ("base", "quote", "rate", "source", "valid_from")
MOST_BYTES = 48 * 1024
MOST_LINES = 1_000
_CURRENCY = re.compile(r"[A-Z]{3}")
_RATE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_LONGEST_SOURCE = 100
_PROBLEMS_SHOWN = 20


class LineProblem(NamedTuple):
    line: int
    why: str


def read_rates(data: bytes) -> tuple[list[FxRate], list[LineProblem]]:
    """Return the rates of a file, and what is wrong with it, line by line."""
    if len(data) > MOST_BYTES:
        return [], [LineProblem(0, f"the file is longer than {MOST_BYTES // 1024} KiB")]
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        return [], [LineProblem(0, "the file is no CSV in UTF-8")]
    if not rows or tuple(name.strip() for name in rows[0]) != COLUMNS:
        return [], [LineProblem(1, f"the first line is not {','.join(COLUMNS)}")]
    if len(rows) > MOST_LINES:
        return [], [LineProblem(0, f"the file has more than {MOST_LINES} lines")]
    rates: list[FxRate] = []
    problems: list[LineProblem] = []
    for number, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        try:
            rates.append(rate_of(*_cells(row)))
        except InvalidInput as error:
            problems.append(LineProblem(number, error.message))
    if not rates and not problems:
        problems.append(LineProblem(0, "there is no rate in it"))
    return rates, problems[:_PROBLEMS_SHOWN]


def rate_of(base: str, quote: str, rate: str, source: str, valid_from: str) -> FxRate:
    """Raises InvalidInput."""
    for currency in (base, quote):
        if not _CURRENCY.fullmatch(currency):
            raise InvalidInput(f"{currency[:16]!r} is no currency", hint="three capital letters")
    if base == quote:
        raise InvalidInput("a currency in itself has no rate")
    if not _RATE.fullmatch(rate) or (nanos := parse_nanos(rate)) == 0:
        raise InvalidInput(f"{rate[:32]!r} is no rate", hint="a decimal with at most nine places")
    if not 1 <= len(source) <= _LONGEST_SOURCE or not source.isprintable():
        raise InvalidInput("the source is empty or too long", hint="say whose rate it is")
    return FxRate(base, quote, nanos, source, _time(valid_from))


def _cells(row: list[str]) -> tuple[str, str, str, str, str]:
    if len(row) != len(COLUMNS):
        raise InvalidInput(f"there are {len(row)} cells, and {len(COLUMNS)} columns")
    base, quote, rate, source, valid_from = (cell.strip() for cell in row)
    return base.upper(), quote.upper(), rate, source, valid_from


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"{text[:32]!r} is no time", hint="write it like 2030-01-31") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
