"""Figures and the intervals that hold them with 95 % confidence. Pure."""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Interval: TypeAlias = tuple[float, float]
Numbers: TypeAlias = NDArray[np.float64]

_Z = 1.959963984540054
_RESAMPLES = 2_000
_AUC_RESAMPLES = 300


def wilson(successes: int, trials: int) -> Interval | None:
    """Return the score interval of a share (Wilson, 1927); None without a trial."""
    if trials == 0:
        return None
    share = successes / trials
    spread = _Z * math.sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2))
    middle = share + _Z**2 / (2 * trials)
    scale = 1 + _Z**2 / trials
    # Rounding must not put the whole or the nothing out of an interval that ends there.
    low = 0.0 if successes == 0 else (middle - spread) / scale
    high = 1.0 if successes == trials else (middle + spread) / scale
    return low, high


def share(successes: int, trials: int) -> float | None:
    return successes / trials if trials else None


def mean_absolute_error(said: Sequence[float], meant: Sequence[float]) -> float:
    return float(np.abs(np.asarray(said) - np.asarray(meant)).mean())


def mean_interval(values: Sequence[float] | Numbers, seed: int) -> Interval:
    """Return the interval of a mean by the bootstrap: percentiles of 2,000 resamples."""
    numbers = np.asarray(values, np.float64)
    chance = np.random.default_rng(seed)
    means = np.empty(_RESAMPLES)
    for number in range(_RESAMPLES):
        means[number] = numbers[chance.integers(0, numbers.size, numbers.size)].mean()
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def auc(scores: Sequence[float] | Numbers, is_positive: Sequence[bool]) -> float | None:
    """Return the chance that a positive scores above a negative, ties counting half.

    None where there are not both.
    """
    numbers = np.asarray(scores, np.float64)
    positive = np.asarray(is_positive, np.bool_)
    positives = int(positive.sum())
    negatives = int(positive.size) - positives
    if positives == 0 or negatives == 0:
        return None
    _, group, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    # Everyone in a group of ties has the mean of the ranks that the group takes.
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[group]
    above = float(ranks[positive].sum()) - positives * (positives + 1) / 2
    return above / (positives * negatives)


def auc_interval(scores: Sequence[float], is_positive: Sequence[bool], seed: int) -> Interval:
    """Return the interval of `auc`, by resampling positives and negatives apart."""
    numbers = np.asarray(scores, np.float64)
    positive = np.asarray(is_positive, np.bool_)
    first, second = numbers[positive], numbers[~positive]
    chance = np.random.default_rng(seed)
    labels = [True] * first.size + [False] * second.size
    found = [
        auc(
            np.concatenate(
                (
                    first[chance.integers(0, first.size, first.size)],
                    second[chance.integers(0, second.size, second.size)],
                )
            ),
            labels,
        )
        for _ in range(_AUC_RESAMPLES)
    ]
    low, high = np.percentile([each for each in found if each is not None], (2.5, 97.5))
    return float(low), float(high)
