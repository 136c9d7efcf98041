"""Puts redacted and restored text into an event before it leaves. Pure."""

import msgspec

from tradewind.gateway.guard.answer_text import Form, Piece
from tradewind.gateway.guard.held_stream import Held
from tradewind.wire.decoding import UNREADABLE


def rewrite(held: Held) -> bool:
    """Change what is to leave as something else; return whether anything is. The tokens of a text
    that was changed go: they would tell what it was.
    """
    touched: set[int] = set()
    for piece, span in zip(held.pieces, held.spans, strict=True):
        if span is None or piece.form is Form.FIXED:
            continue
        text = span.channel.rewritten(span.start, span.end, piece.text)
        if text is not None:
            _put(piece, text)
            touched.add(piece.key[0])
    if not touched:
        return False
    for piece in held.pieces:
        if piece.form is Form.TOKENS and piece.key[0] in touched:
            _drop(piece)
    return True


def _put(piece: Piece, text: str) -> None:
    if piece.form is Form.TOKENS:
        _drop(piece)
        return
    piece.holder[piece.member] = _object_of(text) if piece.form is Form.OBJECT else text
    for holder, member in piece.also:
        holder[member] = text


def _object_of(text: str) -> object:
    """Return the object a text of JSON is; where its rewriting broke it, one that says nothing."""
    try:
        return msgspec.json.decode(text)
    except UNREADABLE:
        return {}


def _drop(piece: Piece) -> None:
    is_list = isinstance(piece.holder.get(piece.member), list)
    piece.holder[piece.member] = [] if is_list else None
