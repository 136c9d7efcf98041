"""Says how hateful, sexual, violent or self-harming a text is: our own basic tier.

A graded lexicon says what words stand in the text and what they are together; a linear model says
what the text is like as a whole, window by window; a few weights for each category make one
severity of both. What this is worth is measured by `tradewind safety evaluate`, and
docs/reference/safety-quality.md says it.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import ClassVar, NamedTuple

import numpy as np

from tradewind.plugins.checks.base import CheckFailed, Content, Finding, Verdict
from tradewind.plugins.checks.canonical import canonical
from tradewind.plugins.checks.features import windowed
from tradewind.plugins.checks.lexicon import Lexicon, Mark, Reading, lexicon
from tradewind.plugins.checks.linear import Linear, unpack
from tradewind.plugins.checks.swear_words import SLUR, terms
from tradewind.snapshot.safety import Direction

CATEGORIES = ("hate", "self_harm", "sexual", "violence")
HIGHEST = 7
WINDOW = 1_200
STEP = 600
_LOW = 2
_ORDINARY_WORDS = 600
"""Of an answer; models rarely give longer ones."""
_ENOUGH_WORDS = {"hate": 20, "self_harm": 16, "sexual": 16, "violence": 16}
"""From which on what a text is like says as much as it ever does. Groups of people are named in
many sentences that put nobody down, so hate needs a few more."""
_PLAIN = 3
"""Severity of a mark that needs no further words to be believed."""
TOPICS = {
    "hate": ("group", "derogate", "despise", "eliminate", "slur_mild", "slur", "supremacy"),
    "self_harm": ("suicide", "despair", "disorder", "means", "risk"),
    "sexual": ("sex_act", "sex_body", "sex_mood", "porn", "coerced"),
    "violence": ("kill", "brutal", "gore", "weapon", "mass", "assault", "war"),
}
_DATA = files("tradewind.plugins.checks") / "data"
_SHIPPED = ("lexicon.toml", "lexicon_negative.txt", "profanity.tsv", "harms.npz")


def _shipped_version() -> str:
    digest = hashlib.sha256()
    for name in _SHIPPED:
        digest.update((_DATA / name).read_bytes())
    return digest.hexdigest()[:12]


class Harms:
    name: ClassVar[str] = "harms"
    version: ClassVar[str] = _shipped_version()
    categories: ClassVar[frozenset[str]] = frozenset(CATEGORIES)
    directions: ClassVar[frozenset[Direction]] = frozenset(Direction)
    most_characters: ClassVar[int] = 200_000
    hold_back: ClassVar[int] = 0

    def __init__(self) -> None:
        self._lexicon = shipped_lexicon()
        self._linear = unpack((_DATA / "harms.npz").read_bytes())

    def prepare(self, name: str, raw: bytes) -> object:
        del raw
        raise CheckFailed(f"the harms check takes no data, and {name!r} was given to it")

    def examine(
        self, contents: Sequence[Content], options: Mapping[str, str], data: Sequence[object]
    ) -> list[Verdict]:
        del options, data
        return [
            Verdict(self.name, self.version, findings(self._lexicon, self._linear, content))
            for content in contents
        ]


def findings(words: Lexicon, linear: Linear, content: Content) -> tuple[Finding, ...]:
    """Return one finding for each category, those at severity 0 included."""
    view = canonical(content.text)
    reading = words.read_view(view, content.text)
    logits = logits_of(linear, view.text)
    weights = linear.extra["combine"]
    found: list[Finding] = []
    for number, category in enumerate(CATEGORIES):
        marks = [mark for mark in reading.marks if mark.category == category]
        numbers = evidence(reading, marks, category, logits[number])
        said = sum(float(one) * other for one, other in zip(weights[number], numbers, strict=True))
        # What was marked by its words is never less than one step below what they say.
        grave = max(said, numbers.gravest - 1)
        severity = min(HIGHEST, max(0, round(grave)))
        new = [mark for mark in marks if mark.end > content.look_back]
        score = min(1.0, max(0.0, grave / HIGHEST))
        if severity and new:
            at = max(new, key=lambda mark: (mark.severity, mark.start - mark.end))
            found.append(Finding(category, severity, score, at.start, at.end))
        else:
            found.append(Finding(category, severity, score))
    return tuple(found)


class Evidence(NamedTuple):
    """What is known of a text in one category, as numbers that are weighed and added."""

    gravest: float
    """Severity of the gravest mark, what the context takes off taken off."""
    again: float
    """How many marks there are, on a scale that flattens."""
    topic: float
    """How many words there are of what the category is about, likewise."""
    likeness: float
    """What the linear model says of the worst window, from -4 to 4."""
    refusal: float
    context: float
    reach: float
    """How much text, or how plain a mark, there is to say all this by: from 0 to 1. Topic and
    likeness are weighed by it. Where it is 0 nothing is known, and what is not known is harmless.
    """


def evidence(reading: Reading, marks: Sequence[Mark], category: str, logit: float) -> Evidence:
    counts = reading.counts
    gravest = max((mark.severity for mark in marks), default=0)
    # A long text has more words of every kind; one that is about something has more still. Groups
    # of people are named by the length of it.
    length = max(1.0, reading.words / _ORDINARY_WORDS) ** (1.0 if category == "hate" else 0.5)
    less, least = reading.less.get(category, 0), reading.least.get(category, 0)
    context = {"hate": "respect", "self_harm": "support"}.get(category, "study")
    # A greeting is like no other text, and so it is a little like every one of them.
    reach = min(1.0, max(reading.words / _ENOUGH_WORDS[category], gravest / _PLAIN))
    return Evidence(
        gravest=float(min(gravest, max(least, gravest - less))),
        again=math.log1p(sum(mark.severity >= _LOW for mark in marks) / length),
        topic=reach * math.log1p(sum(counts.get(role, 0) for role in TOPICS[category]) / length),
        likeness=reach * min(4.0, max(-4.0, logit)),
        refusal=math.log1p(counts.get("refusal", 0)),
        context=math.log1p(counts.get(context, 0)),
        reach=reach,
    )


def logits_of(linear: Linear, text: str) -> list[float]:
    """Return the logit of the worst window for each category, in their order."""
    logits = linear.window_logits(windowed(text, WINDOW, STEP))
    if not len(logits):
        return [-4.0] * len(CATEGORIES)
    return [float(each) for each in np.max(logits, axis=0)]


def shipped_lexicon() -> Lexicon:
    raw = (_DATA / "lexicon.toml").read_text("utf-8")
    bad = (_DATA / "lexicon_negative.txt").read_text("utf-8").splitlines()
    return lexicon(
        raw,
        {
            "slur": [each.text for each in terms() if each.kind == SLUR],
            "negative": [word for word in bad if not word.startswith("#")],
        },
    )
