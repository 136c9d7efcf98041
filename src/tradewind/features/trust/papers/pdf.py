"""A document as PDF, by fpdf2. The same content is the same bytes.

The fonts that every reader has know Western European letters; others are printed as `?`, and a
document on which that happens says so.
"""

from datetime import datetime

from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import FontFace

from tradewind.features.trust.papers.blocks import Block, Document, Grid, Heading, Items, Paragraph

_FONT = "Helvetica"
_MARGIN_MM = 20
_NOT_PRINTED = (
    "Letters that this format cannot show stand as question marks. The web page of this document"
    " has them."
)


class _Paper(FPDF):
    def footer(self) -> None:
        self.set_y(-14)
        self.set_font(_FONT, size=7)
        self.cell(0, 4, f"{self.page_no()}/{{nb}}", align="C")


def pdf(document: Document, made_at: datetime) -> bytes:
    paper = _Paper(format="A4")
    paper.set_margins(_MARGIN_MM, _MARGIN_MM)
    paper.set_auto_page_break(auto=True, margin=20)
    paper.set_creation_date(made_at)
    paper.set_title(_latin(document.title))
    paper.set_lang("en")
    paper.add_page()
    _write(paper, document.title, size=16, style="B")
    for block in document.blocks:
        paper.ln(3)
        _block(paper, block)
    if not _is_printable(document):
        paper.ln(4)
        _write(paper, _NOT_PRINTED, size=8)
    return bytes(paper.output())


def _block(paper: FPDF, block: Block) -> None:
    match block:
        case Heading(text):
            _write(paper, text, size=12, style="B")
        case Paragraph(text):
            _write(paper, text)
        case Items(texts):
            for text in texts:
                _write(paper, f"-  {text}")
        case Grid(head, rows):
            paper.set_font(_FONT, size=8)
            with paper.table(
                headings_style=FontFace(emphasis="BOLD"), borders_layout="HORIZONTAL_LINES"
            ) as table:
                for row in (head, *rows):
                    table.row(tuple(map(_latin, row)))


def _write(paper: FPDF, text: str, *, size: int = 10, style: str = "") -> None:
    paper.set_font(_FONT, size=size, style=style)
    paper.multi_cell(0, None, _latin(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _is_printable(document: Document) -> bool:
    return all(_latin(text) == text for text in (document.title, *_texts(document.blocks)))


def _texts(blocks: tuple[Block, ...]) -> list[str]:
    found: list[str] = []
    for block in blocks:
        match block:
            case Heading(text) | Paragraph(text):
                found.append(text)
            case Items(texts):
                found += texts
            case Grid(head, rows):
                found += [*head, *(cell for row in rows for cell in row)]
    return found


def _latin(text: str) -> str:
    return text.encode("latin-1", "replace").decode("latin-1")
