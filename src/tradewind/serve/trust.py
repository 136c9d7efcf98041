"""Builds what gates releases, and hands the gates to those who release."""

from collections.abc import Callable

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.features.trust.schemas import Release, Subject, SubjectKind
from tradewind.features.trust.services import TrustServices
from tradewind.readmodels.trust_evidence import find_evidence
from tradewind.readmodels.trust_notes import TrustNotes
from tradewind.readmodels.trust_subjects import find_subject


def build_trust(clock: Clock, *, allows_self_review: bool = False) -> TrustServices:
    return TrustServices.build(
        clock,
        find_subject,
        find_evidence,
        TrustNotes().find,
        allows_self_review=allows_self_review,
    )


def gate_of(
    trust: TrustServices, kind: SubjectKind, release: Release
) -> Callable[[Connection, str], None]:
    """Return what raises ReleaseBlocked (409) for a name of this kind that may not be released."""

    def require(tx: Connection, name: str) -> None:
        trust.releases.require(tx, Subject(kind, name), release)

    return require
