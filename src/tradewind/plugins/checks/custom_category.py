"""Categories that somebody defines by examples.

A *trained* category is a linear model over hashed n-grams (features, linear), fitted in seconds to
50 to 5,000 examples of what it is and some of what it is not, and measured on a fifth of the rows
that it was not fitted to. A *rapid* one, for an incident of today, is no model: it finds what is
much like any of a few samples. Both keep hashed features and never the examples.

Severities of a trained category: 2 from where a text is more likely in it than not, 4 from where
nine in ten of what it found in the held-out rows were right, 6 beyond every held-out row that was
not in it. Of a rapid one: 2, 4 and 6 from similarities (cosine) of 0.35, 0.5 and 0.65.
"""

import io
import json
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from tradewind.plugins.checks.base import CheckFailed, Content, Finding, Verdict
from tradewind.plugins.checks.benign_sentences import benign_sentences
from tradewind.plugins.checks.features import BUCKETS, Windows, hashed, windowed
from tradewind.plugins.checks.folded_text import fold
from tradewind.plugins.checks.linear import Linear, Row, sigmoid, unpack
from tradewind.plugins.checks.linear import train as train_rows
from tradewind.snapshot.safety import Direction

LEAST_POSITIVES = 50
MOST_SAMPLES = 10_000
MOST_RAPID_SAMPLES = 1_000
LONGEST_SAMPLE = 2_000
LONGEST_RAPID_SAMPLE = 500
LONGEST_DEFINITION = 1_000
_LONGEST_NAME = 64
_TRAINED, _RAPID = b"tradewind category 1\n", b"tradewind incident 1\n"
_LONGEST_HEAD = 16 * 1024
_HELD_OUT = 5
"""One row in so many is measured on."""
_SHORTEST_WINDOW, _LONGEST_WINDOW = 120, 1_000
"""Of a long text, pieces of twice the length of the usual example are looked at, so that one
sentence among many is seen as the examples were."""
_MOST_UNPACKED = 8 * 1024 * 1024
_RAPID_STEPS = (0.35, 0.5, 0.65)
_PRECISION = 0.9


class SamplesRefused(Exception):
    """Says what is wrong with the examples, never what they say."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A share with its 95 % interval (Wilson, 1927)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Quality:
    """On the held-out rows, at severity 2."""

    rows: int
    positives: int
    precision: Interval
    recall: Interval
    f1: float


def train(
    name: str,
    definition: str,
    positives: Sequence[str],
    negatives: Sequence[str],
    seed: int = 1,
) -> bytes:
    """Return a category as the check takes it. The same examples and seed give the same bytes;
    5,000 take about ten seconds. Where there are fewer negatives than positives, plain sentences
    of everyday subjects make up for them. Raises SamplesRefused.
    """
    _check(name, positives, MOST_SAMPLES - len(negatives), LONGEST_SAMPLE)
    if len(positives) < LEAST_POSITIVES or len(definition) > LONGEST_DEFINITION:
        raise SamplesRefused(
            f"a category needs {LEAST_POSITIVES} examples of what it is, and a definition of at "
            f"most {LONGEST_DEFINITION} characters"
        )
    if any(not text.strip() or len(text) > LONGEST_SAMPLE for text in negatives):
        raise SamplesRefused(f"each example has 1 to {LONGEST_SAMPLE} characters")
    others = [*negatives, *benign_sentences(max(0, len(positives) - len(negatives)), seed)]
    rows = [_row(text) for text in (*positives, *others)]
    labels = [True] * len(positives) + [False] * len(others)
    order = cast("list[int]", np.random.default_rng(seed).permutation(len(rows)).tolist())
    held, kept = order[::_HELD_OUT], [at for n, at in enumerate(order) if n % _HELD_OUT]
    trial = _fit([rows[at] for at in kept], [labels[at] for at in kept], seed)
    scores = [(_score(trial, rows[at]), labels[at]) for at in held]
    steps = _steps(scores)
    quality = _quality(scores, steps[0])
    weights, bias = _fit(rows, labels, seed)
    model = Linear(
        (name,),
        weights.astype(np.float16)[:, None],
        np.array([bias], np.float32),
        {
            "steps": np.array(steps, np.float32),
            "window": np.array([_window(positives)], np.float32),
        },
    )
    head = {"name": name, "definition": definition, "seed": seed, "quality": _told(quality)}
    return _TRAINED + json.dumps(head, sort_keys=True).encode() + b"\n" + model.pack()


def rapid(name: str, samples: Sequence[str]) -> bytes:
    """Return an incident category as the check takes it. Raises SamplesRefused."""
    _check(name, samples, MOST_RAPID_SAMPLES, LONGEST_RAPID_SAMPLE)
    rows = [_row(text) for text in samples]
    head = json.dumps({"name": name}, sort_keys=True).encode()
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        allow_pickle=False,
        indices=np.concatenate([indices for indices, _ in rows]),
        values=np.concatenate([values for _, values in rows]),
        sizes=np.array([indices.size for indices, _ in rows], np.int32),
        window=np.array([_window(samples)], np.int32),
    )
    return _RAPID + head + b"\n" + buffer.getvalue()


def quality_of(raw: bytes) -> dict[str, Any] | None:
    """Return what a trained category was measured at; None for a rapid one. Raises CheckFailed."""
    if raw.startswith(_RAPID):
        return None
    return cast("dict[str, Any]", _head(raw, _TRAINED)[0]["quality"])


@dataclass(frozen=True, slots=True)
class Trained:
    category: str
    source: str
    window: int
    model: Linear
    steps: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Rapid:
    category: str
    source: str
    window: int
    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    offsets: NDArray[np.int64]


class CustomCategory:
    name: ClassVar[str] = "custom_category"
    version: ClassVar[str] = "1"
    categories: ClassVar[frozenset[str]] = frozenset({"custom"})
    directions: ClassVar[frozenset[Direction]] = frozenset(Direction)
    most_characters: ClassVar[int] = 50_000
    hold_back: ClassVar[int] = 0

    def prepare(self, name: str, raw: bytes) -> Trained | Rapid:
        if raw.startswith(_RAPID):
            return _prepared_rapid(name, raw)
        head, body = _head(raw, _TRAINED)
        _check_size(body)
        try:
            model = unpack(body)
            steps = [float(each) for each in model.extra["steps"]]
            window = int(model.extra["window"][0])
        except (ValueError, KeyError, IndexError, zlib.error) as error:
            raise CheckFailed("a category is not what this version writes") from error
        if len(model.names) != 1 or len(steps) != 3:
            raise CheckFailed("a category is not what this version writes")
        category = f"custom:{head['name']}"
        return Trained(category, name, _bounded(window), model, (steps[0], steps[1], steps[2]))

    def examine(
        self, contents: Sequence[Content], options: Mapping[str, str], data: Sequence[object]
    ) -> list[Verdict]:
        del options
        known = [each for each in data if isinstance(each, (Trained, Rapid))]
        if len(known) != len(data):
            raise CheckFailed("a category was not prepared")
        return [
            Verdict(self.name, self.version, tuple(_findings(content, known)))
            for content in contents
        ]


def _findings(content: Content, known: Sequence[Trained | Rapid]) -> Iterator[Finding]:
    folded = fold(content.text)
    cut: dict[int, Windows] = {}
    for each in known:
        windows = cut.get(each.window)
        if windows is None:
            windows = cut[each.window] = windowed(folded.text, each.window, each.window // 2)
        if not windows.starts.size:
            return
        if isinstance(each, Trained):
            scores = [sigmoid(float(logit)) for logit in each.model.window_logits(windows)[:, 0]]
            steps = each.steps
        else:
            scores = _similarities(each, windows)
            steps = _RAPID_STEPS
        best = max(range(len(scores)), key=scores.__getitem__)
        score = scores[best]
        severity = 2 * sum(score >= step for step in steps)
        start, end = folded.span(int(windows.starts[best]), int(windows.ends[best]))
        span = (start, end) if severity and end > start else (0, 0)
        yield Finding(each.category, severity, round(score, 4), *span, each.source)


def _similarities(known: Rapid, windows: Windows) -> list[float]:
    found: list[float] = []
    query = np.zeros(BUCKETS, np.float32)
    for at in range(windows.starts.size):
        part = slice(int(windows.offsets[at]), int(windows.offsets[at + 1]))
        query[windows.indices[part]] = windows.values[part]
        products = query[known.indices] * known.values
        found.append(float(np.add.reduceat(products, known.offsets).max().clip(0, 1)))
        query[windows.indices[part]] = 0
    return found


def _window(samples: Sequence[str]) -> int:
    lengths = sorted(map(len, samples))
    return _bounded(2 * lengths[len(lengths) // 2])


def _bounded(window: int) -> int:
    return min(max(window, _SHORTEST_WINDOW), _LONGEST_WINDOW)


def _check_size(body: bytes) -> None:
    """A few bytes of an archive may stand for more than there is memory."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise CheckFailed("a category is not what this version writes") from error
    if size > _MOST_UNPACKED:
        raise CheckFailed("a category is not what this version writes")


def _row(text: str) -> Row:
    return hashed(fold(text).text)


def _fit(
    rows: Sequence[Row], labels: Sequence[bool], seed: int
) -> tuple[NDArray[np.float32], float]:
    # The rarer side weighs as much as the other, or few positives would be given up.
    positives = sum(labels)
    most = max(positives, len(labels) - positives)
    weight = {True: most / positives, False: most / (len(labels) - positives)}
    return train_rows(rows, labels, costs=[weight[label] for label in labels], seed=seed)


def _score(model: tuple[NDArray[np.float32], float], row: Row) -> float:
    weights, bias = model
    return sigmoid(float(np.add.reduce(weights[row[0]] * row[1])) + bias)


def _steps(scores: Sequence[tuple[float, bool]]) -> tuple[float, float, float]:
    likely = 0.5
    # Two hundred thresholds are finer than the held-out rows can tell apart.
    for step in range(200):
        likely = 0.5 + step / 400
        found = [label for score, label in scores if score >= likely]
        if sum(found) >= _PRECISION * len(found):
            break
    highest = max((score for score, label in scores if not label), default=0.5)
    likely = max(likely, 0.6)
    return 0.5, likely, min(0.98, max(likely + 0.1, highest + 0.02))


def _quality(scores: Sequence[tuple[float, bool]], step: float) -> Quality:
    positives = sum(label for _, label in scores)
    found = [label for score, label in scores if score >= step]
    right = sum(found)
    precision, recall = wilson(right, len(found)), wilson(right, positives)
    total = precision.value + recall.value
    f1 = 2 * precision.value * recall.value / total if total else 0.0
    return Quality(len(scores), positives, precision, recall, f1)


def wilson(part: int, whole: int) -> Interval:
    if not whole:
        return Interval(0.0, 0.0, 1.0)
    z, share = 1.96, part / whole
    middle = (share + z * z / (2 * whole)) / (1 + z * z / whole)
    reach = z * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole))
    reach /= 1 + z * z / whole
    return Interval(share, max(0.0, middle - reach), min(1.0, middle + reach))


def _told(quality: Quality) -> dict[str, Any]:
    def shares(one: Interval) -> list[float]:
        return [round(each, 4) for each in (one.value, one.low, one.high)]

    return {
        "rows": quality.rows,
        "positives": quality.positives,
        "precision": shares(quality.precision),
        "recall": shares(quality.recall),
        "f1": round(quality.f1, 4),
    }


def _check(name: str, samples: Sequence[str], most: int, longest: int) -> None:
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise SamplesRefused(f"a category has a name of 1 to {_LONGEST_NAME} characters")
    if not 0 < len(samples) <= most:
        raise SamplesRefused(f"a category has 1 to {most} examples")
    if any(not text.strip() or len(text) > longest for text in samples):
        raise SamplesRefused(f"each example has 1 to {longest} characters")


def _head(raw: bytes, magic: bytes) -> tuple[dict[str, Any], bytes]:
    end = raw.find(b"\n", len(magic), len(magic) + _LONGEST_HEAD)
    if not raw.startswith(magic) or end < 0:
        raise CheckFailed("a category is not what this version writes")
    try:
        head = json.loads(raw[len(magic) : end])
        if not isinstance(head["name"], str):
            raise CheckFailed("a category is not what this version writes")
    except (ValueError, KeyError, TypeError) as error:
        raise CheckFailed("a category is not what this version writes") from error
    return head, raw[end + 1 :]


def _prepared_rapid(name: str, raw: bytes) -> Rapid:
    head, body = _head(raw, _RAPID)
    _check_size(body)
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
            indices = np.ascontiguousarray(arrays["indices"], np.int32)
            values = np.ascontiguousarray(arrays["values"], np.float32)
            sizes = np.ascontiguousarray(arrays["sizes"], np.int64)
            window = int(arrays["window"][0])
    except (OSError, KeyError, EOFError, ValueError, IndexError, zlib.error) as error:
        raise CheckFailed("a category is not what this version writes") from error
    fits = 0 < sizes.size <= MOST_RAPID_SAMPLES and int(sizes.min()) > 0
    if not fits or int(sizes.sum()) != indices.size or indices.size != values.size:
        raise CheckFailed("a category is not what this version writes")
    if int(indices.min()) < 0 or int(indices.max()) >= BUCKETS:
        raise CheckFailed("a category is not what this version writes")
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)[:-1]])
    return Rapid(f"custom:{head['name']}", name, _bounded(window), indices, values, offsets)
