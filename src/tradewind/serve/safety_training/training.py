"""Turns rows into examples, and keeps what is measured apart from what is learnt."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradewind.plugins.checks.canonical import canonical
from tradewind.plugins.checks.features import hashed
from tradewind.plugins.checks.linear import Row as Features
from tradewind.serve.safety_training.injections import make_attack, make_innocent, planted
from tradewind.serve.safety_training.sources import Row

_SHINGLE = 4
"""Words in a row that two texts have in common by more than chance."""
_NEAR_DUPLICATE = 0.8
_PIECE = 400
PLANTED_ATTACKS = 14_000
"""Pieces of documents with an attack in them, and as many with something that only looks so."""
_MOST_PIECES = 12
_INSTRUCTS = re.compile(
    r"\b(ignore|disregard|forget|override|bypass|reveal|show|print|output|repeat|list|instructions?"
    r"|system prompt|you are now|act as|pretend|developer mode|from now on|new task|jailbreak"
    r"|unrestricted|without (?:any )?(?:rules|restrictions|limits))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Example:
    text: str
    is_attack: bool
    weight: float = 1.0


def without_near_duplicates(rows: Sequence[Row]) -> list[Row]:
    """Return the rows without those held-out ones that the training rows give away.

    A row goes when four fifths of its runs of four words stand in training rows.
    """
    known: set[int] = set()
    for row in rows:
        if row.split == "train":
            known.update(_shingles(row.text))
    kept: list[Row] = []
    for row in rows:
        shingles = _shingles(row.text) if row.split != "train" else []
        common = sum(1 for shingle in shingles if shingle in known)
        if not shingles or common < _NEAR_DUPLICATE * len(shingles):
            kept.append(row)
    return kept


def prompt_examples(rows: Sequence[Row], seed: int) -> list[Example]:
    """Return what the head for prompts learns: whole texts, and pieces of the long ones."""
    chance = random.Random(seed)  # noqa: S311 examples, no secrets
    examples: list[Example] = []
    benign = [row.text for row in rows if row.split == "train" and not row.is_attack]
    for row in rows:
        if row.split != "train":
            continue
        examples.append(Example(row.text, row.is_attack))
        pieces = _pieces(row.text)
        if row.is_attack:
            # The beginning of a long jailbreak is where it says what is wanted.
            examples.extend(Example(piece, True, 0.5) for piece in pieces[:3])
            if len(row.text) < _PIECE // 2 and chance.random() < 0.15:
                text = planted(chance.choice(benign), row.text, _PIECE, chance)
                examples.append(Example(text, True, 0.5))
        else:
            examples.extend(Example(piece, False, 0.5) for piece in pieces)
    examples.extend(Example(make_innocent(chance), False, 0.5) for _ in range(1_500))
    return examples


def document_examples(rows: Sequence[Row], seed: int, count: int) -> list[Example]:
    """Return what the head for documents learns: pieces with and without planted instructions."""
    chance = random.Random(seed + 1)  # noqa: S311 examples, no secrets
    training = [row for row in rows if row.split == "train"]
    benign = [row.text for row in training if not row.is_attack and len(row.text) > 120]
    known = [
        row.text
        for row in training
        if row.is_attack and len(row.text) < _PIECE and _INSTRUCTS.search(row.text)
    ]
    examples: list[Example] = []
    for row in training:
        if not row.is_attack:
            pieces = _pieces(row.text) or [row.text]
            weight = 1.0 if row.role == "document" else 0.5
            examples.extend(Example(piece, False, weight) for piece in pieces)
            # The smaller windows meet halves of them.
            halves = (piece[: _PIECE // 2] for piece in pieces if len(piece) > _PIECE // 2)
            examples.extend(Example(half, False, weight) for half in halves)
        elif row.source in {"in_the_wild", "pyrit_templates"}:
            examples.extend(Example(piece, True, 0.5) for piece in _pieces(row.text)[:2])
    for _ in range(count):
        attack = make_attack(chance) if chance.random() < 0.6 else chance.choice(known)
        size = chance.choice((0, 0, 200, 200, _PIECE))
        examples.append(Example(planted(chance.choice(benign), attack, size, chance), True))
        size = chance.choice((0, 200, _PIECE))
        innocent = planted(chance.choice(benign), make_innocent(chance), size, chance)
        examples.append(Example(innocent, False))
    return examples


def features(examples: Sequence[Example]) -> list[Features]:
    return [hashed(canonical(example.text).text) for example in examples]


def bounds(successes: int, total: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval (E. B. Wilson, JASA 22, 1927) of a share."""
    if total == 0:
        return 0.0, 1.0
    z = 1.959964
    share = successes / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    spread = z * (share * (1 - share) / total + z * z / (4 * total * total)) ** 0.5
    spread /= 1 + z * z / total
    return max(0.0, centre - spread), min(1.0, centre + spread)


def area_under_curve(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """Return the chance that an attack scores higher than a benign text; ties are half."""
    ordered = np.sort(np.asarray(negatives, np.float64))
    values = np.asarray(positives, np.float64)
    if not ordered.size or not values.size:
        return float("nan")
    below = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return float(below.mean() / 2 / ordered.size)


def threshold_for(scores: Sequence[float], share: float) -> float:
    """Return the least threshold that at most a share of the benign scores reach."""
    ordered: NDArray[np.float64] = np.sort(np.asarray(scores, np.float64))[::-1]
    allowed = int(share * ordered.size)
    # In single precision, as it is stored: rounded down it would be reached after all.
    reached = np.float32(ordered[min(allowed, ordered.size - 1)])
    return float(np.nextafter(reached, np.float32(np.inf)))


def _pieces(text: str) -> list[str]:
    if len(text) <= _PIECE * 3 // 2:
        return []
    starts = range(0, len(text) - _PIECE // 2, _PIECE)
    return [text[start : start + _PIECE] for start in starts][:_MOST_PIECES]


def _shingles(text: str) -> list[int]:
    words = re.findall(r"\w+", text.lower())
    # Hashes of strings change from run to run; these decide only what is equal within one.
    return [hash(tuple(words[at : at + _SHINGLE])) for at in range(len(words) - _SHINGLE + 1)]
