"""What a document is made of, in the order of reading."""

from typing import NamedTuple


class Heading(NamedTuple):
    text: str


class Paragraph(NamedTuple):
    text: str


class Items(NamedTuple):
    texts: tuple[str, ...]


class Grid(NamedTuple):
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Heading | Paragraph | Items | Grid


class Document(NamedTuple):
    title: str
    blocks: tuple[Block, ...]
