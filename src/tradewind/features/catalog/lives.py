"""Moving models through their lives, and telling those who build on them.

The rules are `rules.lifecycle`'s; here is who may, what is stored, and who hears of it. A message
is written in the transaction of the move, so nothing is announced that did not happen.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, Forbidden, InvalidInput
from tradewind.core.ids import ModelId, OrganizationId
from tradewind.core.permissions import Permission, require
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.db.outbox import enqueue
from tradewind.features.accounts.schemas import Actor, is_platform_administrator
from tradewind.features.catalog import rows
from tradewind.features.catalog.errors import ModelNotFound
from tradewind.features.catalog.repository import lives, models, publishers
from tradewind.features.catalog.rules import notices
from tradewind.features.catalog.rules.announcements import Announced, calendar
from tradewind.features.catalog.rules.lifecycle import (
    Life,
    Lifecycle,
    Schedule,
    moved,
    postponed,
    schedule,
)
from tradewind.features.catalog.rules.notices import EndingModel

FindUsers = Callable[[Connection, ModelId, datetime], Sequence[OrganizationId]]
"""Returns the organizations that use a model: that have called it since then, or have an endpoint
of it. It looks across features, so it is handed in."""

USED_WITHIN = timedelta(days=90)
AT_ONCE = 200
CALENDAR_MAX = 2_000
_CALENDAR_BACK = timedelta(days=90)


class Lives:
    def __init__(self, clock: Clock, find_users: FindUsers) -> None:
        self._clock = clock
        self._find_users = find_users

    def show(self, tx: Connection, name: str) -> tuple[Life, Schedule | None]:
        """Return where a model is in its life and how it could go on. Raises ModelNotFound."""
        life = rows.life_of(self._find(tx, name))
        return life, schedule(life, self._today())

    def move(
        self,
        tx: Connection,
        actor: Actor,
        name: str,
        to: Lifecycle,
        *,
        retires_on: date | None = None,
        replacement: str | None = None,
    ) -> Life:
        """Bring a model into a state, and tell those who use it when that ends it.

        Raises LifecycleMove (409), which names the earliest day where it is only too early,
        InvalidInput for a replacement that is not there, Forbidden, ModelNotFound.
        """
        row = self._for_change(tx, actor, name)
        now = self._clock.now()
        life = moved(rows.life_of(row), to, now, retires_on)
        values: dict[str, Any] = {
            "lifecycle": life.state.value,
            "lifecycle_since": life.since,
            "ga_since": life.ga_since,
            "retires_on": life.retires_on,
            "updated_at": now,
        }
        if replacement is not None:
            values["replacement"] = self._replacement(tx, rows.name_of(row), replacement)
        if to is Lifecycle.DEPRECATED:
            assert life.retires_on is not None, "told when it becomes deprecated"
            values["told_days"] = notices.told_at_deprecation(life.retires_on, self._today())
        models.update_model(tx, ModelId(row.id), values)
        record_change(tx, ChangeKind.ENDPOINTS)
        kinds = {
            Lifecycle.DEPRECATED: notices.DEPRECATED,
            Lifecycle.RETIRED: notices.RETIRED,
        }
        if to in kinds:
            self._tell(tx, self._find(tx, name), kinds[to])
        return life

    def postpone(self, tx: Connection, actor: Actor, name: str, retires_on: date) -> Life:
        """Give a deprecated model a later last day. Raises LifecycleMove (409) for an earlier one,
        Forbidden, ModelNotFound.
        """
        row = self._for_change(tx, actor, name)
        life = postponed(rows.life_of(row), retires_on)
        values = {
            "retires_on": life.retires_on,
            "told_days": notices.told_at_deprecation(retires_on, self._today()),
            "updated_at": self._clock.now(),
        }
        models.update_model(tx, ModelId(row.id), values)
        record_change(tx, ChangeKind.ENDPOINTS)
        return life

    def advance(self, tx: Connection) -> int:
        """Retire the models whose last day is over, and tell of those whose is near.

        For the worker; idempotent, and what was missed is made up for. Returns how many changed.
        """
        today, changed = self._today(), 0
        for row in lives.ending(tx, AT_ONCE):
            if row.retires_on < today:
                self._retire(tx, row)
            else:
                due = notices.soon_notice(row.retires_on, today, row.told_days)
                if due is None:
                    continue
                models.update_model(tx, ModelId(row.id), {"told_days": due})
                self._tell(tx, row, notices.RETIRES_SOON, days=(row.retires_on - today).days)
            changed += 1
        return changed

    def calendar(self, tx: Connection, organization_id: OrganizationId, page_url: str) -> str:
        """Return the last days of the models an organization may see, as an iCalendar feed."""
        now = self._clock.now()
        since = now.date() - _CALENDAR_BACK
        days = [
            Announced(
                uid=f"{row.id}-retires@tradewind",
                on=row.retires_on,
                title=f"{row.display_name} retires",
                text=_text(row),
                url=f"{page_url}/models/{rows.name_of(row)}" if page_url else "",
            )
            for row in lives.announced(tx, organization_id, since, CALENDAR_MAX)
        ]
        return calendar("Models that end", days, now)

    # --- inside ----------------------------------------------------------------------------

    def _retire(self, tx: Connection, row: Row[Any]) -> None:
        life = moved(rows.life_of(row), Lifecycle.RETIRED, self._clock.now())
        values = {
            "lifecycle": life.state.value,
            "lifecycle_since": life.since,
            "updated_at": life.since,
        }
        models.update_model(tx, ModelId(row.id), values)
        record_change(tx, ChangeKind.ENDPOINTS)
        self._tell(tx, row, notices.RETIRED)

    def _tell(self, tx: Connection, row: Row[Any], kind: str, **more: Any) -> None:
        """Write a message to each organization that uses the model; the same is told once."""
        model = EndingModel(rows.name_of(row), row.display_name, row.retires_on, row.replacement)
        data = notices.payload(model, **more)
        key = f"{kind} {row.id} {row.retires_on} {more.get('days', '')}".rstrip()
        since = self._clock.now() - USED_WITHIN
        for organization_id in self._find_users(tx, ModelId(row.id), since):
            enqueue(tx, kind, organization_id, data, key=key)

    def _find(self, tx: Connection, name: str, *, locks: bool = False) -> Row[Any]:
        publisher, _, slug = name.partition("/")
        row = models.find_model(tx, publisher, slug, locks=locks)
        if row is None:
            raise ModelNotFound(name)
        return row

    def _for_change(self, tx: Connection, actor: Actor, name: str) -> Row[Any]:
        require(actor, Permission.CATALOG_WRITE)
        row = self._find(tx, name, locks=True)
        if is_platform_administrator(actor):
            return row
        publisher = publishers.find_publisher(tx, row.publisher_slug)
        assert publisher is not None, "a foreign key of the model"
        if publisher.verified_at is None or publisher.organization_id != actor.organization_id:
            if row.visibility == "private" and row.organization_id != actor.organization_id:
                raise ModelNotFound(name)
            raise Forbidden("this is for the publisher, and for administrators of the platform")
        return row

    def _replacement(self, tx: Connection, name: str, replacement: str) -> str:
        if not replacement:
            return ""
        if replacement == name:
            raise InvalidInput("a model cannot replace itself")
        publisher, _, slug = replacement.partition("/")
        found = models.find_model(tx, publisher, slug)
        if found is None:
            raise InvalidInput(f"there is no model {replacement[:200]!r} to take instead")
        if found.lifecycle == Lifecycle.RETIRED.value:
            raise Conflict(f"{replacement} is retired itself", hint="name one that answers")
        return replacement

    def _today(self) -> date:
        return self._clock.now().astimezone(UTC).date()


def _text(row: Row[Any]) -> str:
    name = rows.name_of(row)
    if row.replacement:
        return f"{name} answers until the end of this day (UTC). Take {row.replacement} instead."
    return f"{name} answers until the end of this day (UTC)."
