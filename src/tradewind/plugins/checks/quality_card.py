"""The quality card: what was measured of each check, as it is shipped beside them."""

from pathlib import Path

import msgspec

SHIPPED = Path(__file__).resolve().parent / "data" / "quality_card.json"


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """The texts of one language, or of one length."""

    n: int
    positives: int = 0
    recall: float | None = None
    fpr: float | None = None
    mae: float | None = None
    intervals: dict[str, tuple[float, float]] = {}


class Measure(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a check does in one category on one set."""

    n: int
    positives: int = 0
    threshold: int = 4
    """Severity from on which a finding counts as one in precision, recall and false alarms."""
    precision: float | None = None
    recall: float | None = None
    fpr: float | None = None
    """False alarms: the share of texts without it in which it was found."""
    auc: float | None = None
    mae: float | None = None
    """Mean absolute error of severity, both scaled to 0 to 1; where people gave grades."""
    bias: float | None = None
    """Mean error with its sign: above 0 says too grave."""
    recall_at_6: float | None = None
    fpr_at_6: float | None = None
    intervals: dict[str, tuple[float, float]] = {}
    """By figure, with 95 % confidence."""
    by_language: dict[str, Part] = {}
    by_length: dict[str, Part] = {}


class Checked(msgspec.Struct, frozen=True, omit_defaults=True):
    version: str
    sets: dict[str, dict[str, Measure]] = {}
    not_measured: str = ""
    """Why, where nothing could be measured."""


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the texts of a set come from."""

    texts: int
    kinds: dict[str, int] = {}
    source: str = ""
    licence: str = ""


class Card(msgspec.Struct, frozen=True):
    made_at: str
    seed: int
    checks: dict[str, Checked]
    sets: dict[str, Origin]
    latency: dict[str, float]
    """CPU milliseconds for a kilobyte of text, by check; `total` is all of them."""


def find_card(path: Path = SHIPPED) -> Card | None:
    """Return a card; None where nothing was measured."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Card)
    except FileNotFoundError:
        return None
