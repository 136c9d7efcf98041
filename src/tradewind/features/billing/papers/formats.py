"""The formats in which an invoice is taken out."""

from enum import StrEnum

from tradewind.core.errors import InvalidInput
from tradewind.features.billing.papers.page import page
from tradewind.features.billing.papers.tables import focus_csv, lines_csv
from tradewind.features.billing.papers.ubl import ubl
from tradewind.features.billing.schemas import Frozen


class PaperFormat(StrEnum):
    JSON = "json"
    """What was finalized, byte for byte: the content that the SHA-256 is of."""
    HTML = "html"
    PDF = "pdf"
    CSV = "csv"
    FOCUS = "focus"
    UBL = "ubl"
    SETTLEMENT = "settlement"
    """The settlement lines that the invoice takes, as CSV."""
    EVENTS = "events"
    """The calls of its hours, as CSV, as far as they are kept."""

    @property
    def media_type(self) -> str:
        return _MEDIA_TYPES.get(self, "text/csv; charset=utf-8")

    @property
    def suffix(self) -> str:
        return _SUFFIXES.get(self, f"{self.value}.csv")


_MEDIA_TYPES = {
    PaperFormat.JSON: "application/json",
    PaperFormat.HTML: "text/html; charset=utf-8",
    PaperFormat.PDF: "application/pdf",
    PaperFormat.UBL: "application/xml",
}
_SUFFIXES = {
    PaperFormat.JSON: "json",
    PaperFormat.HTML: "html",
    PaperFormat.PDF: "pdf",
    PaperFormat.UBL: "xml",
    PaperFormat.CSV: "csv",
}


def paper(frozen: Frozen, form: PaperFormat) -> bytes:
    """Return a document in a format that is made from its content alone."""
    match form:
        case PaperFormat.HTML:
            return page(frozen.content, frozen.sha256).encode()
        case PaperFormat.PDF:
            # fpdf2 brings fonts and images: nothing else waits for its import.
            from tradewind.features.billing.papers.pdf import pdf  # noqa: PLC0415

            return pdf(frozen.content)
        case PaperFormat.CSV:
            return lines_csv(frozen.content).encode()
        case PaperFormat.FOCUS:
            return focus_csv(frozen.content).encode()
        case PaperFormat.UBL:
            return ubl(frozen.content)
        case PaperFormat.JSON:
            return frozen.data
        case _:
            raise InvalidInput(f"{form.value} is not made from the content alone")
