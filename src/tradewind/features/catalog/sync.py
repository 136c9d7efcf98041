"""Bringing what sources say into the catalog: planned, applied at once, and what was held decided.

One sync is one transaction: either all that a source said is in the catalog or nothing, and a sync
that was killed is simply done again. Two never run at the same time. What was read before is known
by its *edition* (a digest of the list and of what reads it) and not imported again.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import Forbidden, InvalidInput, NotFound
from tradewind.core.ids import CatalogChangeId, ModelId, OrganizationId, SyncId
from tradewind.core.permissions import Permission, require
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.db.notify import announce
from tradewind.features.accounts.schemas import Actor, is_platform_administrator
from tradewind.features.catalog import rows
from tradewind.features.catalog.errors import ChangeDecided
from tradewind.features.catalog.folding.precedence import INFERRED
from tradewind.features.catalog.repository import facts, models, offers, publishers, syncs
from tradewind.features.catalog.rules import sync_plan
from tradewind.features.catalog.rules.said import OfferKey, Said, Stored
from tradewind.features.catalog.rules.sync_plan import SyncPlan, plan_sync, prices_of_json
from tradewind.features.catalog.schemas import ChangeRow, SyncRow
from tradewind.plugins.sources.registry import sources

CATALOG_CHANNEL = "tradewind_catalog"
"""Where it is announced that a sync was asked for."""
CHANGES_MAX = 1_000
SYNCS_MAX = 100
_ERROR_MAX = 500


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a reading would change."""

    said: Said
    plan: SyncPlan
    new_models: int
    skipped: Mapping[str, int]


class Syncs:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    # --- importing -------------------------------------------------------------------------

    def compare(
        self, tx: Connection, said: Said, skipped: Mapping[str, int] | None = None
    ) -> Comparison:
        """Return what would change, and change nothing."""
        known = models.ids_of(tx)
        new = sum(model.name not in known for model in said.models)
        return Comparison(said, plan_sync(self._stored(tx, said), said), new, skipped or {})

    def is_known(self, tx: Connection, source: str, edition: str) -> bool:
        """Tell whether this edition was the last of the source that was imported."""
        last = syncs.last_reading(tx, source)
        return last is not None and last.edition == edition

    def apply(
        self,
        tx: Connection,
        said: Said,
        *,
        edition: str = "",
        skipped: Mapping[str, int] | None = None,
        sync_id: SyncId | None = None,
    ) -> SyncRow:
        """Bring what a source said into the catalog, all of it or nothing.

        Idempotent: the same once more changes nothing but the record. `sync_id` is the one that was
        asked for; one is made without it. A list that is older than the last one of its source is
        not applied, as it would bring back what has changed since: its record says so.
        """
        syncs.lock_catalog(tx)
        if sync_id is None:
            sync_id = syncs.begin_sync(tx, said.source, self._clock.now())
        last = syncs.last_reading(tx, said.source)
        if last is not None and last.observed_on and said.observed_on < last.observed_on:
            reason = f"the list is of {said.observed_on}, the last one of {last.observed_on}"
            return self._end(tx, sync_id, {"error": reason, "seen": said.seen})
        now = self._clock.now()
        plan = plan_sync(self._stored(tx, said), said)
        added = self._write(tx, plan, said, sync_id, now)
        return self._end(
            tx,
            sync_id,
            {
                "edition": edition,
                "observed_on": said.observed_on,
                "seen": said.seen,
                "added": added + len(plan.added),
                "changed": len(plan.changed) + plan.facts_changed,
                "held": len(plan.held),
                "vanished": len(plan.vanished),
                "unfolded": len(said.unfolded),
                "skipped": dict(skipped or {}),
            },
        )

    def names(self, tx: Connection) -> Collection[str]:
        """Return the names of all models, under which a source's are looked for."""
        return models.ids_of(tx).keys()

    def note_failure(
        self, tx: Connection, source: str, reason: str, sync_id: SyncId | None = None
    ) -> SyncRow:
        """Record why a sync came to nothing; of one that was asked for, in its own record."""
        if sync_id is None:
            sync_id = syncs.begin_sync(tx, source, self._clock.now())
        return self._end(tx, sync_id, {"error": " ".join(reason.split())[:_ERROR_MAX]})

    # --- asking for one --------------------------------------------------------------------

    def ask(self, tx: Connection, source: str) -> SyncId:
        """Have the worker read a source. One of each source waits at most."""
        waiting = syncs.waiting_sync(tx, source)
        if waiting is not None:
            return SyncId(waiting.id)
        sync_id = syncs.begin_sync(tx, source, self._clock.now(), is_requested=True)
        announce(tx, CATALOG_CHANNEL)
        return sync_id

    def request(self, tx: Connection, actor: Actor, source: str) -> SyncRow:
        """As `ask`, for somebody. Raises Forbidden but for administrators of the platform,
        InvalidInput for a source that is not there.
        """
        _require_operator(actor)
        known = sources(self._clock.now().date())
        if source not in known:
            raise InvalidInput(
                f"there is no source {source[:64]!r}", hint=f"there are {', '.join(sorted(known))}"
            )
        return self._get(tx, self.ask(tx, source))

    def next_waiting(self, tx: Connection) -> tuple[SyncId, str] | None:
        """Return the oldest sync that was asked for, with its source."""
        row = syncs.waiting_sync(tx)
        return None if row is None else (SyncId(row.id), row.source)

    def list_syncs(self, tx: Connection, actor: Actor, limit: int = SYNCS_MAX) -> list[SyncRow]:
        """Return the newest first."""
        require(actor, Permission.CATALOG_READ)
        return [rows.sync_row(row) for row in syncs.list_syncs(tx, min(limit, SYNCS_MAX))]

    def last_tried_at(self, tx: Connection, source: str) -> datetime | None:
        """Return when a source was last read, whatever came of it."""
        last = syncs.last_sync(tx, source)
        return None if last is None else last.started_at

    def last_day(self, tx: Connection, source: str) -> date | None:
        """Return the day of the last list of a source that was applied."""
        last = syncs.last_reading(tx, source)
        return None if last is None else last.observed_on

    # --- held changes ----------------------------------------------------------------------

    def list_changes(
        self,
        tx: Connection,
        actor: Actor,
        *,
        state: str | None = "held",
        after: str = "",
        limit: int = CHANGES_MAX,
    ) -> list[ChangeRow]:
        """Return held changes, or those of another state (None: all), the oldest first."""
        require(actor, Permission.CATALOG_READ)
        found = syncs.list_changes(tx, state=state, after=after, limit=min(limit, CHANGES_MAX + 1))
        return [rows.change_row(row) for row in found]

    def apply_change(self, tx: Connection, actor: Actor, change_id: str) -> ChangeRow:
        """Let a held change take effect. Raises NotFound, ChangeDecided (409)."""
        row = self._undecided(tx, actor, change_id)
        now = self._clock.now()
        match row.kind:
            case sync_plan.PRICE:
                self._apply_price(tx, row, now)
            case sync_plan.CONTEXT:
                self._apply_context(tx, row, now)
            case kind:
                assert kind == sync_plan.VANISHED, kind
                offers.note_vanished(tx, row.after["vanished"], now)
        return self._decide(tx, row, "applied", actor)

    def dismiss_change(self, tx: Connection, actor: Actor, change_id: str) -> ChangeRow:
        """Leave things as they are; the same is not asked again. Raises NotFound,
        ChangeDecided (409).
        """
        return self._decide(tx, self._undecided(tx, actor, change_id), "dismissed", actor)

    # --- inside ----------------------------------------------------------------------------

    def _stored(self, tx: Connection, said: Said) -> Stored:
        hosts = {offer.key.host for offer in said.offers}
        return Stored(
            offers.stored_offers(tx, said.source, hosts),
            facts.facts_of_source(tx, said.source),
            syncs.dismissed(tx, said.source),
        )

    def _write(
        self, tx: Connection, plan: SyncPlan, said: Said, sync_id: SyncId, now: datetime
    ) -> int:
        """Write what was planned; return how many models are new."""
        added = _add_models(tx, said, now)
        ids = models.ids_of(tx)
        day = said.observed_on
        offers.add_offers(tx, plan.added, ids, observed_on=day, now=now)
        offers.change_offers(tx, plan.changed, ids, observed_on=day, now=now)
        offers.note_seen(tx, plan.unchanged, day)
        offers.note_vanished(tx, plan.vanished, now)
        told = [
            {"model_id": ids[fact.model], "name": fact.name, "value": fact.value}
            for fact in plan.facts
        ]
        facts.put_facts(tx, told, said.source, day)
        facts.replace_facts(
            tx, [ids[model.name] for model in said.models], _inferred(said, ids), INFERRED, day
        )
        aliases = sorted(
            (alias.lower(), ids[model.name]) for model in said.models for alias in model.aliases
        )
        models.add_aliases(
            tx,
            [{"alias": alias, "model_id": model_id} for alias, model_id in dict(aliases).items()],
        )
        touched = sorted(ids[model.name] for model in said.models)
        if facts.settle(tx, touched, now):
            # Lengths of what is served are pinned, but a name or a licence is told to clients too.
            record_change(tx, ChangeKind.ENDPOINTS)
        syncs.put_unfolded(tx, said.unfolded, said.source, day)
        syncs.hold(tx, plan.held, sync_id=sync_id, source=said.source, hosts=said.hosts, now=now)
        if added or plan.added:
            syncs.analyze(tx)
        return added

    def _end(self, tx: Connection, sync_id: SyncId, values: Mapping[str, Any]) -> SyncRow:
        syncs.end_sync(tx, sync_id, {"ended_at": self._clock.now(), **values})
        return self._get(tx, sync_id)

    def _get(self, tx: Connection, sync_id: SyncId) -> SyncRow:
        row = syncs.get_sync(tx, sync_id)
        assert row is not None, "it was begun in this transaction or before"
        return rows.sync_row(row)

    def _undecided(self, tx: Connection, actor: Actor, change_id: str) -> Row[Any]:
        _require_operator(actor)
        row = syncs.find_change(tx, CatalogChangeId.parse(change_id))
        if row is None:
            raise NotFound(f"there is no change '{change_id}'")
        if row.state != "held":
            raise ChangeDecided(
                f"the change {change_id} is {row.state} already", hint="list the held changes"
            )
        return row

    def _decide(self, tx: Connection, row: Row[Any], state: str, actor: Actor) -> ChangeRow:
        change_id = CatalogChangeId(row.id)
        by: OrganizationId = actor.organization_id
        syncs.decide_change(tx, change_id, state, by, self._clock.now())
        decided = syncs.find_change(tx, change_id)
        assert decided is not None, "it was locked"
        return rows.change_row(decided)

    def _apply_price(self, tx: Connection, row: Row[Any], now: datetime) -> None:
        there = offers.find_offer(tx, _key(row))
        if there is None:
            raise NotFound(f"the offer {row.upstream_model!r} of {row.host} is not there any more")
        prices = offers.price_columns(prices_of_json(row.after))
        offers.change_offer(
            tx, there.offer_id, {**prices, "price_source": row.source, "changed_at": now}
        )

    def _apply_context(self, tx: Connection, row: Row[Any], now: datetime) -> None:
        tokens = row.after["context_tokens"]
        if row.host:
            there = offers.find_offer(tx, _key(row))
            if there is None:
                raise NotFound(
                    f"the offer {row.upstream_model!r} of {row.host} is not there any more"
                )
            values = {"context_tokens": tokens, "changed_at": now}
            offers.change_offer(tx, there.offer_id, values)
            return
        model_id = models.ids_of(tx, [row.upstream_model])[row.upstream_model]
        told = [{"model_id": model_id, "name": "context_tokens", "value": tokens}]
        facts.put_facts(tx, told, row.source, now.date())
        if facts.settle(tx, [ModelId(model_id)], now):
            record_change(tx, ChangeKind.ENDPOINTS)


def _add_models(tx: Connection, said: Said, now: datetime) -> int:
    """Add the publishers and models that are not there, by their names; return how many models."""
    makers = {
        model.name.partition("/")[0]: (model.publisher_name, model.website) for model in said.models
    }
    publishers.add_publishers(
        tx,
        [
            {"slug": slug, "name": name, "website": website}
            for slug, (name, website) in sorted(makers.items())
        ],
        now,
    )
    return models.add_names(tx, _names(said), now)


def _names(said: Said) -> Sequence[Mapping[str, str]]:
    named = {model.name for model in said.models} | {offer.terms.model for offer in said.offers}
    found: list[Mapping[str, str]] = []
    for name in sorted(named):
        publisher, _, slug = name.partition("/")
        found.append({"id": ModelId.new(), "publisher": publisher, "slug": slug})
    return found


def _inferred(said: Said, ids: Mapping[str, str]) -> list[Mapping[str, Any]]:
    return [
        {"model_id": ids[model.name], "name": name, "value": value}
        for model in said.models
        for name, value in sorted(model.inferred.items())
    ]


def _key(row: Row[Any]) -> OfferKey:
    return OfferKey(row.host, row.upstream_model, row.region)


def _require_operator(actor: Actor) -> None:
    require(actor, Permission.CATALOG_READ)
    if not is_platform_administrator(actor):
        raise Forbidden("this is for administrators of the platform")
