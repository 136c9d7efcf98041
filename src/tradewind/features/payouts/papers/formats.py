"""The formats in which a statement, or the payouts of a run, are taken out."""

import csv
import io
from collections.abc import Iterable, Sequence
from enum import StrEnum

from tradewind.core.money import format_nanos
from tradewind.features.payouts.papers.page import page
from tradewind.features.payouts.papers.words import steps
from tradewind.features.payouts.schemas import FrozenStatement, Payout, StatementContent


class StatementFormat(StrEnum):
    JSON = "json"
    """What was frozen, byte for byte: the content that the SHA-256 is of."""
    HTML = "html"
    PDF = "pdf"
    CSV = "csv"

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES[self]


_MEDIA_TYPES = {
    StatementFormat.JSON: "application/json",
    StatementFormat.HTML: "text/html; charset=utf-8",
    StatementFormat.PDF: "application/pdf",
    StatementFormat.CSV: "text/csv; charset=utf-8",
}
STATEMENT_COLUMNS = (
    "statement",
    "currency",
    "kind",
    "description",
    "model",
    "period",
    "quantity",
    "gross",
    "fee",
    "net",
)
PAYOUT_COLUMNS = (
    "payout",
    "publisher",
    "way",
    "name",
    "iban",
    "bic",
    "account",
    "amount",
    "currency",
    "state",
    "note",
    "statement",
)


def paper(found: FrozenStatement, form: StatementFormat) -> bytes:
    """Return a statement in a format."""
    match form:
        case StatementFormat.JSON:
            return found.data
        case StatementFormat.HTML:
            return page(found.content, found.sha256).encode()
        case StatementFormat.CSV:
            return statement_csv(found.content).encode()
        case StatementFormat.PDF:
            # fpdf2 brings fonts and images: nothing else waits for its import.
            from tradewind.features.payouts.papers.pdf import pdf  # noqa: PLC0415

            return pdf(found.content)


def file_name(content: StatementContent, form: StatementFormat) -> str:
    return f"statement-{content.publisher}-{content.currency}-{content.number:04d}.{form.value}"


def statement_csv(content: StatementContent) -> str:
    """Return every line, and behind them what leads to the payout, whose `net` is as signed."""
    own = (content.id, content.currency)
    lines = [
        (
            *own,
            line.kind.value,
            line.description,
            line.model,
            line.period,
            str(line.quantity),
            line.gross,
            line.fee,
            line.net,
        )
        for line in content.lines
    ]
    ways = [
        (*own, step.name, step.words, "", "", "", "", "", step.amount) for step in steps(content)
    ]
    return _table(STATEMENT_COLUMNS, [*lines, *ways])


def payouts_csv(payouts: Iterable[Payout]) -> str:
    return _table(
        PAYOUT_COLUMNS,
        [
            (
                each.payout_id,
                each.publisher,
                each.destination.way.value,
                each.destination.name,
                each.destination.iban,
                each.destination.bic,
                each.destination.account,
                format_nanos(each.nanos),
                each.currency,
                each.state.value,
                each.note,
                each.statement_id,
            )
            for each in payouts
        ],
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return CSV as RFC 4180 has it. Text that a spreadsheet would run as a formula is quoted."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_harmless(value) for value in row])
    return text.getvalue()


def _harmless(value: str) -> str:
    # An amount below zero begins with a sign too, and is none of these.
    if value[:1] in {"=", "+", "@", "\t", "\r"}:
        return "'" + value
    if value.startswith("-") and not value[1:].replace(".", "", 1).isdigit():
        return "'" + value
    return value
