"""What trust asks of others: it is read across features, so the composition root hands it in."""

from typing import Protocol

from sqlalchemy import Connection

from tradewind.features.accounts.schemas import Actor
from tradewind.features.trust.schemas import Evidence, NoteFacts, OwnedSubject, Subject


class FindSubject(Protocol):
    def __call__(self, tx: Connection, subject: Subject) -> OwnedSubject | None:
        """Return whose it is and what it is about; None for what is not there."""
        ...


class FindEvidence(Protocol):
    def __call__(self, tx: Connection, about: Subject) -> Evidence:
        """Return what is known of it: runs, scans, campaigns, what its card says."""
        ...


class FindNoteFacts(Protocol):
    def __call__(self, tx: Connection, actor: Actor | None, about: Subject) -> NoteFacts | None:
        """Return what a note says of a subject, without its assessment; None for one that the actor
        may not see. Without an actor it is for the platform itself.
        """
        ...
