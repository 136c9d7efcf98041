"""Weighs hashed features: logistic regression with several heads, and its training.

Training is dual coordinate descent (Yu, Huang and Lin, "Dual coordinate descent methods for
logistic regression", Machine Learning 85, 2011): one row at a time, no step size to choose, and
the exact optimum of a convex problem, so the same rows in the same order with the same seed give
the same weights. Tens of thousands of rows take seconds.
"""

import io
import math
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tradewind.plugins.checks.features import BUCKETS, Indices, Values, Windows

Row = tuple[Indices, Values]

_EPOCHS = 30
_TOLERANCE = 1e-3
_NEWTON_STEPS = 6


@dataclass(frozen=True, slots=True)
class Linear:
    """Heads over the same features. Immutable: any number of threads may score."""

    names: tuple[str, ...]
    weights: NDArray[np.float16]
    """(BUCKETS, heads): the heads of one bucket lie together, so one gather fetches all."""
    biases: NDArray[np.float32]
    extra: dict[str, NDArray[np.float32]] = field(default_factory=dict[str, NDArray[np.float32]])
    """What a check keeps with its weights: thresholds, for one."""

    def logits(self, indices: Indices, values: Values) -> NDArray[np.float32]:
        """Return one logit for each head, (heads,)."""
        rows = self.weights[indices].astype(np.float32)
        return np.add.reduce(rows * values[:, None], axis=0) + self.biases

    def window_logits(self, windows: Windows) -> NDArray[np.float32]:
        """Return the logits of every window, (windows, heads)."""
        if not windows.starts.size:
            return np.zeros((0, self.biases.size), np.float32)
        rows = self.weights[windows.indices].astype(np.float32) * windows.values[:, None]
        return np.add.reduceat(rows, windows.offsets[:-1], axis=0) + self.biases

    def pack(self) -> bytes:
        """Return the bytes of an npz file without pickle; the same model gives the same bytes."""
        arrays = {
            "names": np.frombuffer("\n".join(self.names).encode(), np.uint8),
            "weights": self.weights,
            "biases": self.biases,
            **{f"extra_{name}": values for name, values in sorted(self.extra.items())},
        }
        # The writer stamps every member with the year 1980, so no clock gets into the bytes.
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()


def unpack(raw: bytes) -> Linear:
    """Read what `Linear.pack` wrote. Raises ValueError for anything else."""
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
            names = tuple(bytes(arrays["names"]).decode().split("\n"))
            weights = np.ascontiguousarray(arrays["weights"])
            biases = np.ascontiguousarray(arrays["biases"])
            extra = {
                key.removeprefix("extra_"): np.ascontiguousarray(arrays[key])
                for key in arrays.files
                if key.startswith("extra_")
            }
    except (OSError, KeyError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError("these are no weights of a linear check") from error
    heads = len(names)
    if weights.shape != (BUCKETS, heads) or weights.dtype != np.float16 or biases.shape != (heads,):
        raise ValueError("the weights of a linear check have another shape")
    return Linear(names, weights, biases, extra)


def sigmoid(logit: float) -> float:
    """Return the probability of a logit; never overflows."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-min(logit, 700.0)))
    power = math.exp(max(logit, -700.0))
    return power / (1.0 + power)


def train(
    rows: Sequence[Row],
    labels: Sequence[bool],
    *,
    cost: float = 4.0,
    costs: Sequence[float] | None = None,
    seed: int = 1,
    epochs: int = _EPOCHS,
    progress: Callable[[str], None] | None = None,
) -> tuple[NDArray[np.float32], float]:
    """Fit one head and return its weights (BUCKETS,) and its bias.

    `cost` is C, the inverse of the regularisation; `costs` multiplies it for each row. Takes about
    10 microseconds for each row and round.
    """
    chance = np.random.default_rng(seed)
    weights = np.zeros(BUCKETS, np.float32)
    bias = 0.0
    signs = [1.0 if label else -1.0 for label in labels]
    bounds = [cost * each for each in (costs if costs is not None else [1.0] * len(rows))]
    # Half-way between the bounds would be far from the optimum for the many easy rows.
    duals = [bound * 1e-3 for bound in bounds]
    for (indices, values), sign, dual in zip(rows, signs, duals, strict=True):
        weights[indices] += values * np.float32(sign * dual)
        bias += sign * dual
    for epoch in range(epochs):
        largest = 0.0
        order: list[int] = chance.permutation(len(rows)).tolist()
        for number in order:
            indices, values = rows[number]
            sign = signs[number]
            margin = sign * (float(np.add.reduce(weights[indices] * values)) + bias)
            # Values have length 1, and the bias is one more feature of value 1.
            step = _step(margin, duals[number], bounds[number], 2.0 if indices.size else 1.0)
            if step:
                duals[number] += step
                weights[indices] += values * np.float32(sign * step)
                bias += sign * step
                largest = max(largest, abs(step) / bounds[number])
        if progress is not None:
            progress(f"round {epoch + 1}: largest step {largest:.4f}")
        if largest < _TOLERANCE:
            break
    return weights, bias


def _step(margin: float, dual: float, bound: float, curvature: float) -> float:
    """Return how far the dual variable of one row moves: the root of one increasing function.

    g(z) = curvature * z + margin + ln((dual + z) / (bound - dual - z)), by Newton's method that is
    kept between the bounds by bisection.
    """
    low, high = 0.0, bound
    place = min(max(dual, bound * 1e-9), bound * (1 - 1e-9))
    start = dual
    for _ in range(_NEWTON_STEPS):
        value = curvature * (place - start) + margin + math.log(place / (bound - place))
        if value > 0:
            high = place
        else:
            low = place
        slope = curvature + bound / (place * (bound - place))
        following = place - value / slope
        if not low < following < high:
            following = (low + high) / 2
        if abs(following - place) < 1e-7 * bound:
            place = following
            break
        place = following
    return place - start
