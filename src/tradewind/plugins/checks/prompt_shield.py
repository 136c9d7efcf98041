"""Says whether a prompt attacks the model, or a document gives orders to it: our own small model.

Two heads of one linear model: `jailbreak` for what the caller wrote, `indirect_attack` for what a
document says. Every reading of the text (see `disguises`) is scored in windows that overlap, so a
sentence in a long document counts as much as one that stands alone, and the finding names the
window; a prompt is scored as a whole too. An indirect attack is an instruction to whoever reads for
the user: an advert is none, however loud, until it tells the assistant to recommend it.

Severity 2, 4 and 6 are logits that at most 3 %, 1 % and 0.3 % of held-out benign texts reach; they
lie with the weights. What that is worth elsewhere is told in docs/reference/prompt-shield.md.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import ClassVar, NamedTuple

import numpy as np

from tradewind.plugins.checks.base import CheckFailed, Content, Finding, Verdict
from tradewind.plugins.checks.disguises import views
from tradewind.plugins.checks.features import hashed, windowed
from tradewind.plugins.checks.linear import Linear, sigmoid, unpack
from tradewind.snapshot.safety import Direction

HEADS = ("jailbreak", "indirect_attack")
SEVERITIES = (2, 4, 6)
WINDOWS = (((400, 200),), ((400, 200), (200, 100)))
"""For each head, characters and step: two or three sentences, and for documents one alone, which
weighs little among three. What is asked in a prompt is seldom one sentence of many."""
_WHOLE = 400
_HEAD = {Direction.PROMPT: 0, Direction.DOCUMENT: 1}


class Scored(NamedTuple):
    logit: float
    start: int
    end: int
    """0 for the whole."""
    how: str
    """What was undone to read it so."""


def _shipped_bytes() -> bytes:
    return (files("tradewind.plugins.checks") / "data" / "prompt_shield.npz").read_bytes()


@cache
def shipped() -> Linear:
    """Return the weights that come with the package, read once."""
    return unpack(_shipped_bytes())


class PromptShield:
    name: ClassVar[str] = "prompt_shield"
    version: ClassVar[str] = hashlib.sha256(_shipped_bytes()).hexdigest()[:12]
    """Of the weights."""
    categories: ClassVar[frozenset[str]] = frozenset(HEADS)
    directions: ClassVar[frozenset[Direction]] = frozenset(_HEAD)
    most_characters: ClassVar[int] = 50_000
    hold_back: ClassVar[int] = 0

    def __init__(self, weights: Linear | None = None) -> None:
        self._weights = weights or shipped()
        self._thresholds = self._weights.extra["thresholds"]
        """(severities, heads)"""

    def prepare(self, name: str, raw: bytes) -> object:
        del raw
        raise CheckFailed(f"the prompt shield takes no data, and {name!r} was given to it")

    def examine(
        self, contents: Sequence[Content], options: Mapping[str, str], data: Sequence[object]
    ) -> list[Verdict]:
        del options, data
        return [self._examine(content) for content in contents]

    def _examine(self, content: Content) -> Verdict:
        head = _HEAD.get(content.direction)
        if head is None or content.is_from_operator:
            return Verdict(self.name, self.version)
        scored = gravest(self._weights, head, content.text)
        thresholds = self._thresholds[:, head]
        reached = int(np.count_nonzero(scored.logit >= thresholds))
        severity = SEVERITIES[reached - 1] if reached else 0
        score = round(sigmoid(scored.logit), 4)
        source = "" if scored.how == "plain" else scored.how
        if not severity:
            return Verdict(self.name, self.version, (Finding(HEADS[head], 0, score),))
        finding = Finding(HEADS[head], severity, score, scored.start, scored.end, source)
        return Verdict(self.name, self.version, (finding,))


def gravest(weights: Linear, head: int, text: str) -> Scored:
    """Return the highest logit of a text over all its readings and their windows.

    A text that says nothing has the logit of nothing: the bias.
    """
    best = Scored(float(weights.biases[head]), 0, 0, "plain")
    for view in views(text):
        for size, step in WINDOWS[head]:
            pieces = windowed(view.text, size, step)
            if not pieces.starts.size:
                break
            logits = weights.window_logits(pieces)[:, head]
            number = int(np.argmax(logits))
            if (logit := float(logits[number])) > best.logit:
                start, end = int(pieces.starts[number]), int(pieces.ends[number])
                best = Scored(logit, *view.span(start, end), view.how)
            if len(view.text) <= size // 2:
                break
        if head == 0 and len(view.text) > _WHOLE:
            # A role play of two pages is harmless line by line.
            logit = float(weights.logits(*hashed(view.text))[head])
            if logit > best.logit:
                best = Scored(logit, *view.span(0, len(view.text)), view.how)
    return best
