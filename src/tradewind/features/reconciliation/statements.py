"""Reads what providers export of their own usage and costs. Pure; amounts are exact.

OpenAI: the pages of `GET /v1/organization/costs` and `GET /v1/organization/usage/completions`
(platform.openai.com/docs/api-reference/usage), and the same with a row for each result, as its
dashboard exports them. Anthropic: the pages of `GET /v1/organizations/cost_report`, whose amounts
are cents as decimal text, and of `GET /v1/organizations/usage_report/messages`
(platform.claude.com/docs/en/api/admin/cost_report, docs.anthropic.com/en/api/usage-cost-api). Its
console's CSV is documented nowhere. Of any other provider: a plain CSV with the columns `day`,
`measure`, `quantity` and `currency`.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any, NamedTuple, cast

from tradewind.features.reconciliation.errors import UnknownStatement
from tradewind.features.reconciliation.schemas import (
    Measure,
    ParsedStatement,
    StatementFormat,
    StatementLine,
)

MOST_BYTES = 8 * 1024 * 1024
MOST_RESULTS = 200_000
MOST_DAYS = 400
_NANOS = Decimal(1_000_000_000)
_NANOS_OF_A_CENT = Decimal(10_000_000)
_LARGEST = 10**30
_EARLIEST, _LATEST = date(2020, 1, 1), date(2200, 1, 1)
_Object = Mapping[str, Any]


class _Amount(NamedTuple):
    day: date
    measure: Measure
    currency: str
    quantity: int


def parse_statement(data: bytes) -> ParsedStatement:
    """Return the sums of a file by day, measure and currency. Raises UnknownStatement."""
    if len(data) > MOST_BYTES:
        raise UnknownStatement(f"the file is longer than {MOST_BYTES // 1024 // 1024} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnknownStatement("the file is not UTF-8 text") from None
    try:
        is_json = text.lstrip()[:1] in {"{", "["}
        kind, amounts = _read_json(text) if is_json else _read_csv(text)
        return ParsedStatement(kind, _added_up(amounts))
    except (KeyError, TypeError, ValueError, OverflowError, InvalidOperation) as error:
        raise UnknownStatement(
            "the file does not follow the format it looks like",
            hint="export it again, and send it as it came",
        ) from error


def _added_up(amounts: Iterable[_Amount]) -> tuple[StatementLine, ...]:
    sums: dict[tuple[date, Measure, str], int] = {}
    for number, amount in enumerate(amounts):
        if number >= MOST_RESULTS:
            raise UnknownStatement(
                f"the file has more than {MOST_RESULTS:,} results", hint="export fewer days"
            )
        if not _EARLIEST <= amount.day < _LATEST or abs(amount.quantity) > _LARGEST:
            raise UnknownStatement(f"{amount.day} or its amount cannot be")
        key = amount[:3]
        sums[key] = sums.get(key, 0) + amount.quantity
    if not sums:
        raise UnknownStatement("the file holds no usage and no cost")
    if len({day for day, _, _ in sums}) > MOST_DAYS:
        raise UnknownStatement(f"the file is of more than {MOST_DAYS} days")
    return tuple(StatementLine(*key, quantity) for key, quantity in sorted(sums.items()))


# --- JSON --------------------------------------------------------------------------------------


def _read_json(text: str) -> tuple[StatementFormat, Iterator[_Amount]]:
    # A file may hold one page, or a list of them.
    try:
        found = json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
    except RecursionError:
        raise UnknownStatement("the file is nested too deeply") from None
    pages = cast("list[_Object]", found if isinstance(found, list) else [found])
    buckets = [bucket for page in pages for bucket in cast("list[_Object]", page["data"])]
    results = [
        (bucket, result)
        for bucket in buckets
        for result in cast("list[_Object]", bucket["results"])
    ]
    if not results:
        raise UnknownStatement("the file holds no usage and no cost")
    kind, read = _format_of(*results[0])
    return kind, (amount for bucket, result in results for amount in read(bucket, result))


_Read = Callable[[_Object, _Object], Iterator[_Amount]]


def _format_of(bucket: _Object, result: _Object) -> tuple[StatementFormat, _Read]:
    if "start_time" in bucket:
        if isinstance(result.get("amount"), Mapping):
            return StatementFormat.OPENAI_COSTS_JSON, _openai_cost
        if "input_tokens" in result and "output_tokens" in result:
            return StatementFormat.OPENAI_USAGE_JSON, _openai_usage
    elif "starting_at" in bucket:
        if isinstance(result.get("amount"), str):
            return StatementFormat.ANTHROPIC_COSTS_JSON, _anthropic_cost
        if "uncached_input_tokens" in result:
            return StatementFormat.ANTHROPIC_USAGE_JSON, _anthropic_usage
    raise UnknownStatement(
        "this is no export that is known",
        hint="send what OpenAI's or Anthropic's usage and cost APIs answer, or a plain CSV",
    )


def _openai_cost(bucket: _Object, result: _Object) -> Iterator[_Amount]:
    amount = cast("_Object", result["amount"])
    yield _cost(_unix_day(bucket["start_time"]), amount["currency"], amount["value"], _NANOS)


def _openai_usage(bucket: _Object, result: _Object) -> Iterator[_Amount]:
    day = _unix_day(bucket["start_time"])
    yield _count(day, Measure.INPUT_TOKENS, result["input_tokens"])
    yield _count(day, Measure.OUTPUT_TOKENS, result["output_tokens"])
    yield _count(day, Measure.REQUESTS, result["num_model_requests"])


def _anthropic_cost(bucket: _Object, result: _Object) -> Iterator[_Amount]:
    day = _rfc_day(bucket["starting_at"])
    yield _cost(day, result["currency"], result["amount"], _NANOS_OF_A_CENT)


def _anthropic_usage(bucket: _Object, result: _Object) -> Iterator[_Amount]:
    day = _rfc_day(bucket["starting_at"])
    made = cast("_Object", result.get("cache_creation") or {})
    read = [result["uncached_input_tokens"], result.get("cache_read_input_tokens") or 0]
    # Input of ours is all that was read, those from and into the cache among them.
    for part in (*read, *made.values()):
        yield _count(day, Measure.INPUT_TOKENS, part)
    yield _count(day, Measure.OUTPUT_TOKENS, result["output_tokens"])


# --- CSV ---------------------------------------------------------------------------------------


def _read_csv(text: str) -> tuple[StatementFormat, Iterator[_Amount]]:
    first = text.partition("\n")[0]
    rows = csv.DictReader(io.StringIO(text), delimiter="\t" if "\t" in first else ",")
    try:
        columns = set(rows.fieldnames or ())
        if {"start_time", "amount_value", "amount_currency"} <= columns:
            return StatementFormat.OPENAI_COSTS_CSV, _openai_cost_rows(rows)
        if {"start_time", "input_tokens", "output_tokens", "num_model_requests"} <= columns:
            return StatementFormat.OPENAI_USAGE_CSV, _openai_usage_rows(rows)
        if {"day", "measure", "quantity"} <= columns:
            return StatementFormat.PLAIN_CSV, _plain_rows(rows)
    except csv.Error as error:
        raise UnknownStatement(f"the file is not CSV: {error}") from None
    raise UnknownStatement(
        "the columns are of no export that is known",
        hint="send an export of OpenAI, or the columns day, measure, quantity and currency",
    )


def _openai_cost_rows(rows: Iterable[_Object]) -> Iterator[_Amount]:
    for row in rows:
        # A day without costs is a row without an amount.
        if row["amount_value"]:
            day = _unix_day(row["start_time"])
            yield _cost(day, row["amount_currency"], row["amount_value"], _NANOS)


def _openai_usage_rows(rows: Iterable[_Object]) -> Iterator[_Amount]:
    for row in rows:
        day = _unix_day(row["start_time"])
        yield _count(day, Measure.INPUT_TOKENS, row["input_tokens"] or 0)
        yield _count(day, Measure.OUTPUT_TOKENS, row["output_tokens"] or 0)
        yield _count(day, Measure.REQUESTS, row["num_model_requests"] or 0)


def _plain_rows(rows: Iterable[_Object]) -> Iterator[_Amount]:
    for row in rows:
        day, measure = date.fromisoformat(row["day"]), Measure(row["measure"])
        if measure is Measure.COST:
            yield _cost(day, row["currency"], row["quantity"], _NANOS)
        else:
            yield _count(day, measure, row["quantity"])


# --- values ------------------------------------------------------------------------------------


def _cost(day: date, currency: object, value: object, nanos: Decimal) -> _Amount:
    code = str(currency).upper()
    if len(code) != 3 or not (code.isascii() and code.isalpha()):
        raise UnknownStatement(f"{str(currency)[:10]!r} is no currency")
    amount = Decimal(str(value))
    if not amount.is_finite() or abs(amount) > _LARGEST:
        raise UnknownStatement("an amount is no number")
    whole = (amount * nanos).to_integral_value(ROUND_HALF_EVEN)
    return _Amount(day, Measure.COST, code, int(whole))


def _count(day: date, measure: Measure, value: object) -> _Amount:
    number = int(str(value)[:40])
    if number < 0:
        raise UnknownStatement("a count is below zero")
    return _Amount(day, measure, "", number)


def _unix_day(value: object) -> date:
    return datetime.fromtimestamp(int(str(value)[:20]), UTC).date()


def _rfc_day(value: object) -> date:
    return datetime.fromisoformat(str(value)).astimezone(UTC).date()


def _no_constant(name: str) -> object:
    raise UnknownStatement(f"{name} is no amount")
