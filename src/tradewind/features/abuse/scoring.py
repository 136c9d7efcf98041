"""Makes scores anew and opens cases: once an hour for everybody, or when somebody asks."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import MalformedId, NotFound
from tradewind.core.ids import OrganizationId
from tradewind.core.permissions import Permission, require
from tradewind.features.abuse import rows
from tradewind.features.abuse.cases import Cases
from tradewind.features.abuse.ports import AbuseReaders
from tradewind.features.abuse.repository import feedback as said
from tradewind.features.abuse.repository import opt_outs
from tradewind.features.abuse.repository import scores as repository
from tradewind.features.abuse.rules.scoring import (
    by_key,
    score_key,
    score_organization,
    sums_only,
)
from tradewind.features.abuse.schemas import Found, Level, Scored, Standing
from tradewind.features.accounts.schemas import Actor, require_reviewer

AT_ONCE = 200
"""Organizations that one look for work names."""
KEYS_SHOWN = 200
_GIVEN_UP_AFTER = timedelta(minutes=30)
_PASSES_KEPT = timedelta(days=90)
_FEEDBACK_KEPT = timedelta(days=400)
_FORGOTTEN_AT_ONCE = 10_000
_TO_A_PERSON = frozenset({Level.REVIEW, Level.SEVERE})


class Scoring:
    def __init__(self, clock: Clock, readers: AbuseReaders, cases: Cases) -> None:
        self._clock = clock
        self._readers = readers
        self._cases = cases

    # --- for people --------------------------------------------------------------------------

    def own(self, tx: Connection, actor: Actor) -> list[Standing]:
        """Return the score of the actor's organization, then of its keys, the highest first."""
        require(actor, Permission.SAFETY_READ)
        return self._standing(tx, actor.organization_id)

    def of(self, tx: Connection, actor: Actor, organization_id: str) -> list[Standing]:
        """As `own`, for a reviewer. Raises NotFound."""
        require_reviewer(actor, Permission.REVIEWS_READ)
        return self._standing(tx, self._organization(tx, organization_id))

    def ask(self, tx: Connection, actor: Actor, organization_id: str) -> list[Standing]:
        """Score an organization now. Raises NotFound."""
        require_reviewer(actor, Permission.REVIEWS_WRITE)
        found = self._organization(tx, organization_id)
        self.score(tx, found)
        return self._standing(tx, found)

    # --- for the worker ----------------------------------------------------------------------

    def begin_pass(self, tx: Connection) -> bool:
        """Take the pass of this hour; False where it is done, or somebody else does it."""
        now = self._clock.now()
        return repository.begin_pass(tx, _hour(now), now, now - _GIVEN_UP_AFTER)

    def next_organizations(self, tx: Connection, after: str) -> list[str]:
        """Return who is to be scored in this pass, from behind this id; nobody: it is over."""
        now = self._clock.now()
        found = set(self._readers.organizations(tx, now, after=after, limit=AT_ONCE))
        # What was found of somebody a week ago is forgotten too.
        old = repository.scored_organizations(tx, _hour(now), after=after, limit=AT_ONCE)
        return sorted(found | set(old))[:AT_ONCE]

    def end_pass(self, tx: Connection) -> None:
        now = self._clock.now()
        repository.end_pass(tx, _hour(now), now, now - _PASSES_KEPT)
        said.forget_older(tx, now - _FEEDBACK_KEPT, _FORGOTTEN_AT_ONCE)

    def score(self, tx: Connection, organization_id: OrganizationId) -> None:
        """Score an organization and its keys, and open or update their cases. Idempotent."""
        now = self._clock.now()
        repository.lock_organization(tx, organization_id)
        found = self._readers.count_findings(tx, organization_id, now)
        keys = {key_id: score_key(of_key) for key_id, of_key in by_key(found).items()}
        flagged = sum(scored.level is not Level.OK for scored in keys.values())
        whole = score_organization(found, flagged_keys=flagged)
        if opt_outs.has_opted_out(tx, organization_id, now):
            self._put(tx, organization_id, {"": sums_only(whole)}, now)
            return
        shown = {key_id: scored for key_id, scored in keys.items() if scored.score}
        self._put(tx, organization_id, {"": whole, **shown}, now)
        for key_id, scored in keys.items():
            self._put_before_person(tx, organization_id, key_id, scored)
        rest = _rest(found, keys)
        self._put_before_person(tx, organization_id, "", rest)

    def _put_before_person(
        self, tx: Connection, organization_id: OrganizationId, key_id: str, scored: Scored
    ) -> None:
        if scored.level in _TO_A_PERSON:
            self._cases.open_by_score(tx, organization_id, key_id, scored)

    def _put(
        self,
        tx: Connection,
        organization_id: OrganizationId,
        scores: dict[str, Scored],
        now: datetime,
    ) -> None:
        repository.forget_others(tx, organization_id, scores)
        values: list[dict[str, Any]] = [
            {
                "organization_id": organization_id,
                "key_id": key_id,
                "score": scored.score,
                "level": scored.level.value,
                "evidence": msgspec.to_builtins(scored.evidence),
                "computed_at": now,
                "since": now,
            }
            for key_id, scored in scores.items()
        ]
        repository.put_scores(tx, values)

    def _standing(self, tx: Connection, organization_id: OrganizationId) -> list[Standing]:
        found = repository.scores_of(tx, organization_id, KEYS_SHOWN)
        return [rows.standing(row) for row in found]

    def _organization(self, tx: Connection, organization_id: str) -> OrganizationId:
        try:
            found = OrganizationId.parse(organization_id)
        except MalformedId:
            found = None
        if found is None or found not in self._readers.names(tx, [found]):
            raise NotFound(f"there is no organization {organization_id[:64]!r}")
        return found


def _rest(found: Iterable[Found], keys: dict[str, Scored]) -> Scored:
    """Score what keys did that no case of their own was opened for: the many small ones."""
    left = [row for row in found if keys[row.key_id].level not in _TO_A_PERSON]
    flagged = sum(scored.level is Level.WATCH for scored in keys.values())
    return score_organization(left, flagged_keys=flagged)


def _hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0)
