"""A document as PDF, by fpdf2. The same content is the same bytes.

The fonts that every reader has know Western European letters. Others are printed as `?`; a paper on
which that happens says so, and where they are right: on the HTML page and in the XML.
"""

from collections.abc import Iterable

from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import FontFace

from tradewind.features.billing.papers.words import (
    heading,
    party_lines,
    payment_reference,
    tax_words,
)
from tradewind.features.billing.schemas import Content

_FONT = "Helvetica"
_MARGIN_MM = 18
_NOT_PRINTED = (
    "Letters that this format cannot show stand as question marks. The web page, the XML and the"
    " JSON of this document have them."
)
_GREY = (90, 90, 90)


class _Paper(FPDF):
    def __init__(self, footer: str) -> None:
        super().__init__(format="A4")
        self._footer_words = footer

    def footer(self) -> None:
        self.set_y(-14)
        self.set_font(_FONT, size=7)
        self.set_text_color(*_GREY)
        self.cell(0, 4, _latin(f"{self._footer_words}  {self.page_no()}/{{nb}}"), align="C")


def pdf(content: Content) -> bytes:
    paper = _Paper(f"{content.issuer.legal_name}  {content.number}")
    paper.set_margins(_MARGIN_MM, _MARGIN_MM)
    paper.set_auto_page_break(auto=True, margin=20)
    paper.set_creation_date(content.issued_at)
    paper.set_title(_latin(f"{heading(content)} {content.number}"))
    paper.set_lang("en")
    paper.add_page()
    paper.set_font(_FONT, size=8)
    paper.set_text_color(*_GREY)
    _write(paper, party_lines(content.issuer))
    paper.ln(8)
    paper.set_text_color(0)
    paper.set_font(_FONT, size=10)
    _write(paper, party_lines(content.buyer))
    paper.ln(8)
    paper.set_font(_FONT, style="B", size=16)
    _write(paper, [f"{heading(content)} {content.number}"])
    paper.set_font(_FONT, size=9)
    _write(paper, _facts(content))
    paper.ln(4)
    _lines(paper, content)
    paper.ln(3)
    _totals(paper, content)
    if content.payment_details and content.document == "invoice":
        paper.ln(6)
        by, reference = f"Please pay by {content.due_at:%Y-%m-%d}.", payment_reference(content)
        _write(paper, [by, content.payment_details, f"Reference: {reference}"])
    if not _is_printable(content):
        paper.ln(6)
        paper.set_font(_FONT, size=8)
        _write(paper, [_NOT_PRINTED])
    return bytes(paper.output())


def _facts(content: Content) -> Iterable[str]:
    yield f"Date {content.issued_at:%Y-%m-%d}"
    yield f"Period {content.period_start:%Y-%m-%d} to {content.period_end:%Y-%m-%d} (UTC)"
    if content.buyer_reference:
        yield f"Your reference {content.buyer_reference}"
    if content.credits:
        yield f"Takes back of invoice {content.credits}: {content.reason}"


def _lines(paper: FPDF, content: Content) -> None:
    paper.set_font(_FONT, size=8)
    with paper.table(
        col_widths=(8, 92, 34, 40),
        text_align=("RIGHT", "LEFT", "RIGHT", "RIGHT"),
        headings_style=FontFace(emphasis="BOLD"),
        borders_layout="HORIZONTAL_LINES",
    ) as table:
        table.row(("", "What", "Quantity", f"Amount {content.currency}"))
        for line in content.lines:
            quantity = f"{line.quantity:,} {line.unit}" if line.unit else ""
            table.row((str(line.seq), _latin(line.description), quantity, line.amount))


def _totals(paper: FPDF, content: Content) -> None:
    for words, text, style in (
        ("Net", content.net, ""),
        (tax_words(content), content.tax.amount, ""),
        ("Total", f"{content.total} {content.currency}", "B"),
    ):
        paper.set_font(_FONT, style=style, size=10)
        paper.cell(120, 6, _latin(words), align="R")
        paper.cell(0, 6, text, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _write(paper: FPDF, texts: Iterable[str]) -> None:
    for text in texts:
        paper.multi_cell(0, None, _latin(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _is_printable(content: Content) -> bool:
    words = [
        *party_lines(content.issuer),
        *party_lines(content.buyer),
        *(line.description for line in content.lines),
        *(content.number, content.payment_details, content.buyer_reference, content.reason),
        tax_words(content),
    ]
    return all(_latin(text) == text for text in words)


def _latin(text: str) -> str:
    return text.encode("latin-1", "replace").decode("latin-1")
