"""What a model serves, told by what goes in and comes out of it and by its name. Pure."""

import re
from collections.abc import Iterable

from tradewind.snapshot.contents import Operation

_EMBEDDER = re.compile(r"embed|(?:^|[/-])(?:bge|e5|gte|voyage|mpnet|multi-qa|all-mini-?lm|mini_lm)")
_RERANKER = re.compile(r"rerank")
_MODERATOR = re.compile(r"moderation")
_PAINTER = re.compile(r"gpt-image")  # tells in text what it painted


def operation_of(
    name: str, takes: Iterable[str], gives: Iterable[str], *, family: str = ""
) -> Operation | None:
    """Return what a model of this name serves; None is video, which nothing here serves.

    Lists have no such field. `takes` and `gives` are kinds of content (`text`, `image`, `audio`,
    `video`, `pdf`; a hub also says `embedding` and `score`).
    """
    taken, given = set(takes), set(gives)
    if "embedding" in given:
        return Operation.EMBEDDINGS
    if "score" in given:
        return Operation.RERANK
    if "text" in given:
        words = f"{name} {family}".lower()
        if _RERANKER.search(words):
            return Operation.RERANK
        if _EMBEDDER.search(words):
            return Operation.EMBEDDINGS
        if _MODERATOR.search(words):
            return Operation.MODERATIONS
        if "image" in given and _PAINTER.search(words):
            return Operation.IMAGES
        return Operation.TRANSCRIPTION if taken == {"audio"} else Operation.CHAT
    if "image" in given:
        return Operation.IMAGES
    return Operation.SPEECH if "audio" in given and "video" not in given else None
