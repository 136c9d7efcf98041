"""What a metric family is, and its text in the exposition format of Prometheus.

Format: Prometheus documentation, "Exposition formats", text format 0.0.4. Numbers are kept as
integers, those of seconds in microseconds: `scale` is what divides them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from itertools import accumulate
from typing import Literal

MICRO = 1_000_000
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
WORKER_TEXT = "worker.prom"
"""The file in a host's folder of metrics with what its worker exposes."""
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Merge(Enum):
    """How the numbers of several processes become one."""

    SUM = auto()
    MAX = auto()
    MIN = auto()


@dataclass(frozen=True, slots=True)
class Family:
    """A metric as it is exposed. Counters end in `_total`, as their samples do."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    bounds: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets, without the last one, which has none."""
    scale: int = 1
    merge: Merge = Merge.SUM

    @property
    def width(self) -> int:
        """How many numbers one series of it takes: a histogram has its buckets and its sum."""
        return len(self.bounds) + 2 if self.kind == "histogram" else 1

    @property
    def scaled_bounds(self) -> tuple[int, ...]:
        return tuple(round(bound * self.scale) for bound in self.bounds)


def head_of(family: Family) -> str:
    """Return the lines before the samples of a family."""
    return f"# HELP {family.name} {family.text}\n# TYPE {family.name} {family.kind}\n"


def labels_of(pairs: Iterable[tuple[str, str]]) -> str:
    """Return labels without their braces. Whatever a value holds, it stays within its quotes."""
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in pairs)


def lines_of(family: Family, labels: str, numbers: Sequence[int]) -> str:
    """Return the samples of one series; `numbers` has the family's width."""
    name, scale = family.name, family.scale
    if family.kind != "histogram":
        braces = f"{{{labels}}}" if labels else ""
        return f"{name}{braces} {_number(numbers[0], scale)}\n"
    before = f"{labels}," if labels else ""
    braces = f"{{{labels}}}" if labels else ""
    start = f"{name}_bucket{{{before}le="
    counts = list(accumulate(numbers[:-1]))
    buckets = "".join(
        [
            f"{start}{bound}}} {count}\n"
            for bound, count in zip(_bounds_of(family), counts, strict=True)
        ]
    )
    total = _number(numbers[-1], scale)
    return f"{buckets}{name}_sum{braces} {total}\n{name}_count{braces} {counts[-1]}\n"


def _number(number: int, scale: int) -> str:
    return str(number) if scale == 1 else repr(number / scale)


@lru_cache(maxsize=64)
def _bounds_of(family: Family) -> tuple[str, ...]:
    return (*(f'"{float(bound)!r}"' for bound in family.bounds), '"+Inf"')
