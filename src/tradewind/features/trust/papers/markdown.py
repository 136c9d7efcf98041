"""A document as Markdown. Characters that mean something there are escaped."""

import re

from tradewind.features.trust.papers.blocks import Block, Document, Grid, Heading, Items, Paragraph

_MEANS_SOMETHING = re.compile(r"([\\`*_{}\[\]<>#|~])")


def markdown(document: Document) -> str:
    parts = [f"# {_text(document.title)}", *map(_block, document.blocks)]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {_text(text)}"
        case Paragraph(text):
            return "\n\n".join(_text(part) for part in text.split("\n") if part.strip())
        case Items(texts):
            return "\n".join(f"- {_text(text)}" for text in texts)
        case Grid(head, rows):
            lines = [head, ("---",) * len(head), *rows]
            return "\n".join(
                f"| {' | '.join(cell if cell == '---' else _text(cell) for cell in line)} |"
                for line in lines
            )


def _text(text: str) -> str:
    escaped = _MEANS_SOMETHING.sub(r"\\\1", " ".join(text.split()))
    # A line that begins like a list or a number would be one.
    return re.sub(r"^([-+]|\d+[.)])(?=\s|$)", r"\\\1", escaped)
