"""Builds what gates releases, and hands the gates to those who release."""

from collections.abc import Callable

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.features.trust.schemas import Release, Subject, SubjectKind
from tradewind.features.trust.services import TrustServices
from tradewind.plugins.checks.quality_card import Measure, find_card
from tradewind.readmodels.trust_evidence import find_evidence
from tradewind.readmodels.trust_notes import TrustNotes
from tradewind.readmodels.trust_subjects import find_subject


def build_trust(clock: Clock, *, allows_self_review: bool = False) -> TrustServices:
    return TrustServices.build(
        clock,
        find_subject,
        find_evidence,
        TrustNotes(quality_in_words()).find,
        allows_self_review=allows_self_review,
    )


def quality_in_words() -> list[tuple[str, str, str]]:
    """Return check, category and what was measured, of the sets that people graded and of benign
    texts; nothing where no card was made.
    """
    card = find_card()
    if card is None:
        return []
    return [
        (name, category, f"{words} ({measure.n:,} texts, {origin.replace('_', ' ')})")
        for name, checked in card.checks.items()
        for origin, categories in checked.sets.items()
        for category, measure in categories.items()
        if (measure.positives or category == "any") and (words := _words(measure))
    ]


def _words(measure: Measure) -> str:
    """Return the figures there are, each with its interval."""
    parts: list[str] = []
    for figure, label in (("recall", "finds"), ("fpr", "false alarms"), ("mae", "mean error")):
        value = getattr(measure, figure)
        if value is None:
            continue
        low, high = measure.intervals.get(figure, (None, None))
        interval = "" if low is None or high is None else f" ({low:.2f} to {high:.2f})"
        parts.append(f"{label} {value:.2f}{interval}")
    return ", ".join(parts)


def gate_of(
    trust: TrustServices, kind: SubjectKind, release: Release
) -> Callable[[Connection, str], None]:
    """Return what raises ReleaseBlocked (409) for a name of this kind that may not be released."""

    def require(tx: Connection, name: str) -> None:
        trust.releases.require(tx, Subject(kind, name), release)

    return require
