"""Feedback: what callers thought of an answer. Comments are the organization's own; of a model only
sums are told to others.
"""

from collections.abc import Iterable

from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import InvalidInput, MalformedId, NotFound
from tradewind.core.ids import event_id_of_request
from tradewind.core.permissions import Permission, require
from tradewind.features.abuse import rows
from tradewind.features.abuse.ports import AbuseReaders
from tradewind.features.abuse.repository import feedback as repository
from tradewind.features.abuse.rules.words import clean_comment
from tradewind.features.abuse.schemas import FeedbackFlag, FeedbackRow, FeedbackSum, Rating
from tradewind.features.accounts.schemas import Actor

SHOWN_MAX = 200
MODELS_MAX = 1_000
SHOWN_FROM = 5
"""Ratings of a model from which on its sums are told: fewer may show who gave them."""


class Feedback:
    def __init__(self, clock: Clock, readers: AbuseReaders) -> None:
        self._clock = clock
        self._readers = readers

    def give(
        self,
        tx: Connection,
        actor: Actor,
        giver: str,
        request_id: str,
        rating: Rating,
        *,
        flags: Iterable[FeedbackFlag] = (),
        comment: str = "",
    ) -> FeedbackRow:
        """Rate a call of the actor's organization. Idempotent by call and `giver`, the id of the
        key or the person: what is said later takes the place of it.

        Raises NotFound for a call that is not the organization's, or not in the log yet.
        """
        require(actor, Permission.FEEDBACK_WRITE)
        comment = clean_comment(comment)
        try:
            event_id = event_id_of_request(request_id)
        except MalformedId:
            raise _not_found(request_id) from None
        call = self._readers.find_rated(tx, actor.organization_id, event_id)
        if call is None:
            raise _not_found(request_id)
        values = {
            "event_id": event_id,
            "key_id": giver,
            "organization_id": actor.organization_id,
            "project_id": call.project_id,
            "model": call.model,
            "rating": rating.value,
            "flags": sorted({flag.value for flag in flags}),
            "comment": comment,
            "at": self._clock.now(),
        }
        repository.put_feedback(tx, values)
        for row in self._find(tx, actor, event_id=request_id):
            if row.key_id == giver:
                return row
        raise AssertionError("it was just written")

    def listed(
        self,
        tx: Connection,
        actor: Actor,
        *,
        request_id: str | None = None,
        model: str | None = None,
    ) -> list[FeedbackRow]:
        """Return what was said of calls of the actor's organization, the newest first."""
        require(actor, Permission.REQUESTS_READ)
        return self._find(tx, actor, event_id=request_id, model=model)

    def sums(self, tx: Connection, model: str | None = None) -> list[FeedbackSum]:
        """Return what all callers together thought of each model, or of one."""
        counts: dict[str, dict[str, int]] = {}
        for row in repository.sum_ratings(tx, model, MODELS_MAX * len(Rating)):
            counts.setdefault(row.model, {})[row.rating] = row.calls
        flags: dict[str, dict[str, int]] = {}
        for row in repository.sum_flags(tx, model, MODELS_MAX * len(FeedbackFlag)):
            flags.setdefault(row.model, {})[row.flag] = row.calls
        return [
            FeedbackSum(name, said.get("up", 0), said.get("down", 0), flags.get(name, {}))
            for name, said in counts.items()
            if sum(said.values()) >= SHOWN_FROM
        ]

    @staticmethod
    def _find(
        tx: Connection, actor: Actor, *, event_id: str | None = None, model: str | None = None
    ) -> list[FeedbackRow]:
        try:
            named = None if event_id is None else event_id_of_request(event_id)
        except MalformedId:
            raise InvalidInput("this is no id of a request") from None
        found = repository.list_feedback(
            tx, actor.organization_id, event_id=named, model=model, limit=SHOWN_MAX
        )
        return [rows.feedback_row(row) for row in found]


def _not_found(request_id: str) -> NotFound:
    return NotFound(
        f"there is no request {request_id[:64]!r} in the log",
        hint="a call is listed some seconds after it has ended",
    )
