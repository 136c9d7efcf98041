"""A statement as PDF, by fpdf2. The same content is the same bytes.

The fonts that every reader has know Western European letters; others are printed as `?`, and the
HTML page has them right.
"""

from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import FontFace

from tradewind.features.payouts.papers.words import line_words, paid_words, steps
from tradewind.features.payouts.schemas import StatementContent

_FONT = "Helvetica"
_MARGIN_MM = 18


def pdf(content: StatementContent) -> bytes:
    paper = FPDF(format="A4")
    paper.set_margins(_MARGIN_MM, _MARGIN_MM)
    paper.set_auto_page_break(auto=True, margin=20)
    paper.set_creation_date(content.drawn_at)
    title = f"Statement {content.number} of {content.publisher_name}"
    paper.set_title(_latin(title))
    paper.set_lang("en")
    paper.add_page()
    paper.set_font(_FONT, style="B", size=16)
    _write(paper, title)
    paper.set_font(_FONT, size=9)
    drawn = f"{content.drawn_at:%Y-%m-%d %H:%M} UTC"
    _write(paper, f"{content.publisher}, in {content.currency}, as of {drawn}.")
    _write(paper, paid_words(content))
    paper.ln(4)
    paper.set_font(_FONT, size=8)
    with paper.table(
        col_widths=(74, 18, 20, 24, 18, 24),
        text_align=("LEFT", "LEFT", "RIGHT", "RIGHT", "RIGHT", "RIGHT"),
        headings_style=FontFace(emphasis="BOLD"),
        borders_layout="HORIZONTAL_LINES",
    ) as table:
        table.row(("What", "Month", "Quantity", "Gross", "Fee", f"Net {content.currency}"))
        for line in content.lines:
            words = _latin(line_words(line))
            amounts = (f"{line.quantity:,}", line.gross, line.fee, line.net)
            table.row((words, line.period, *amounts))
    paper.ln(3)
    for step in steps(content):
        paper.set_font(_FONT, style="B" if step.is_sum else "", size=10)
        paper.cell(120, 6, _latin(step.words), align="R")
        paper.cell(0, 6, step.amount, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    paper.ln(4)
    paper.set_font(_FONT, size=7)
    _write(paper, f"Statement {content.id}")
    return bytes(paper.output())


def _write(paper: FPDF, text: str) -> None:
    paper.multi_cell(0, None, _latin(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _latin(text: str) -> str:
    return text.encode("latin-1", "replace").decode("latin-1")
