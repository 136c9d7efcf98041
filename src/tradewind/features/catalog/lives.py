"""Moving models through their lives, and telling those who build on them.

The rules are `rules.lifecycle`'s; here is who may, what is stored, and who hears of it. A message
is written in the transaction of the move, so nothing is announced that did not happen.
"""

from collections.abc import Callable, Iterator, Sequence
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
    announced,
    arrived,
    moved,
    postponed,
    schedule,
)
from tradewind.features.catalog.rules.notices import EndingModel

FindUsers = Callable[[Connection, ModelId, datetime], Sequence[OrganizationId]]
"""Returns the organizations that use a model: that have called it since then, or have an endpoint
of it. It looks across features, so it is handed in."""

ReleaseGate = Callable[[Connection, str], None]
"""Raises a Conflict that names what a model still lacks to be generally available."""

USED_WITHIN = timedelta(days=90)
AT_ONCE = 200
CALENDAR_MAX = 2_000
_CALENDAR_BACK = timedelta(days=90)


class Lives:
    def __init__(
        self, clock: Clock, find_users: FindUsers, ga_gate: ReleaseGate | None = None
    ) -> None:
        """Without `ga_gate` a model is generally available when its publisher says so."""
        self._clock = clock
        self._find_users = find_users
        self._ga_gate = ga_gate

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

        Raises LifecycleMove (409), which names the earliest day where it is only too early, what
        the gate of releases raises (409),
        InvalidInput for a replacement that is not there, Forbidden, ModelNotFound.
        """
        row = self._for_change(tx, actor, name)
        now = self._clock.now()
        life = moved(rows.life_of(row), to, now, retires_on)
        if to is Lifecycle.GA and self._ga_gate is not None:
            self._ga_gate(tx, rows.name_of(row))
        values: dict[str, Any] = {**_columns_of(life), "updated_at": now}
        if replacement is not None:
            values["replacement"] = self._replacement(tx, rows.name_of(row), replacement)
        if to is Lifecycle.DEPRECATED:
            assert life.retires_on is not None, "told when it becomes deprecated"
            values["told_days"] = notices.told_already(life.retires_on, self._today())
        models.update_model(tx, ModelId(row.id), values)
        record_change(tx, ChangeKind.ENDPOINTS)
        kinds = {
            Lifecycle.DEPRECATED: notices.DEPRECATED,
            Lifecycle.RETIRED: notices.RETIRED,
        }
        if to in kinds:
            self._tell(tx, self._find(tx, name), kinds[to])
        return life

    def announce(
        self,
        tx: Connection,
        actor: Actor,
        name: str,
        deprecates_on: date,
        *,
        retires_on: date | None = None,
        replacement: str | None = None,
    ) -> Life:
        """Tell now that a model becomes deprecated on a day ahead; the worker does it that day.

        Who uses it hears of it at once, and again before the day. Announcing again puts both days
        off. Raises as `move`.
        """
        row = self._for_change(tx, actor, name)
        now = self._clock.now()
        life = announced(rows.life_of(row), deprecates_on, now, retires_on)
        values: dict[str, Any] = {
            **_columns_of(life),
            "told_days": notices.told_already(deprecates_on, self._today()),
            "updated_at": now,
        }
        if replacement is not None:
            values["replacement"] = self._replacement(tx, rows.name_of(row), replacement)
        models.update_model(tx, ModelId(row.id), values)
        record_change(tx, ChangeKind.ENDPOINTS)
        self._tell(tx, self._find(tx, name), notices.DEPRECATION_ANNOUNCED)
        return life

    def postpone(self, tx: Connection, actor: Actor, name: str, retires_on: date) -> Life:
        """Give a deprecated model a later last day. Raises LifecycleMove (409) for an earlier one,
        Forbidden, ModelNotFound.
        """
        row = self._for_change(tx, actor, name)
        life = postponed(rows.life_of(row), retires_on)
        values = {
            "retires_on": life.retires_on,
            "told_days": notices.told_already(retires_on, self._today()),
            "updated_at": self._clock.now(),
        }
        models.update_model(tx, ModelId(row.id), values)
        record_change(tx, ChangeKind.ENDPOINTS)
        return life

    def advance(self, tx: Connection) -> int:
        """Deprecate the models whose announced day has come, retire those whose last day is over,
        and tell of those whose day is near.

        For the worker; idempotent, and what was missed is made up for. Returns how many changed.
        """
        return sum(self._advance(tx, row) for row in lives.ending(tx, AT_ONCE))

    def calendar(self, tx: Connection, organization_id: OrganizationId, page_url: str) -> str:
        """Return the last days of the models an organization may see, as an iCalendar feed."""
        now = self._clock.now()
        since = now.date() - _CALENDAR_BACK
        found = lives.announced(tx, organization_id, since, CALENDAR_MAX)
        days = [day for row in found for day in _days_of(row, page_url)]
        return calendar("Models that end", days, now)

    # --- inside ----------------------------------------------------------------------------

    def _advance(self, tx: Connection, row: Row[Any]) -> bool:
        """Do what is due for a model; tell whether that was anything."""
        today, life = self._today(), rows.life_of(row)
        if life.is_announced and row.deprecates_on <= today:
            row, life = self._deprecate(tx, row, life), arrived(life)
            if row.retires_on >= today:
                return True
        if life.state is Lifecycle.DEPRECATED and row.retires_on < today:
            self._retire(tx, row)
            return True
        is_ahead = life.is_announced
        day = row.deprecates_on if is_ahead else row.retires_on
        due = notices.soon_notice(day, today, row.told_days)
        if due is None:
            return False
        models.update_model(tx, ModelId(row.id), {"told_days": due})
        kind = notices.DEPRECATES_SOON if is_ahead else notices.RETIRES_SOON
        self._tell(tx, row, kind, days=(day - today).days)
        return True

    def _deprecate(self, tx: Connection, row: Row[Any], life: Life) -> Row[Any]:
        now = arrived(life)
        values = {
            **_columns_of(now),
            "told_days": notices.told_already(row.retires_on, self._today()),
            "updated_at": self._clock.now(),
        }
        models.update_model(tx, ModelId(row.id), values)
        record_change(tx, ChangeKind.ENDPOINTS)
        row = self._find(tx, rows.name_of(row))
        self._tell(tx, row, notices.DEPRECATED)
        return row

    def _retire(self, tx: Connection, row: Row[Any]) -> None:
        life = moved(rows.life_of(row), Lifecycle.RETIRED, self._clock.now())
        values = {**_columns_of(life), "updated_at": life.since}
        models.update_model(tx, ModelId(row.id), values)
        record_change(tx, ChangeKind.ENDPOINTS)
        self._tell(tx, row, notices.RETIRED)

    def _tell(self, tx: Connection, row: Row[Any], kind: str, **more: Any) -> None:
        """Write a message to each organization that uses the model; the same is told once."""
        model = EndingModel(
            rows.name_of(row),
            row.display_name,
            row.retires_on,
            row.replacement,
            row.deprecates_on if rows.life_of(row).is_announced else None,
        )
        data = notices.payload(model, **more)
        key = f"{kind} {row.id} {row.retires_on} {more.get('days', '')}".rstrip()
        if model.deprecates_on is not None:
            # Of two announcements the second may move either day.
            key += f" after {model.deprecates_on}"
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


def _columns_of(life: Life) -> dict[str, Any]:
    return {
        "lifecycle": life.state.value,
        "lifecycle_since": life.since,
        "ga_since": life.ga_since,
        "retires_on": life.retires_on,
        "deprecates_on": life.deprecates_on,
    }


def _days_of(row: Row[Any], page_url: str) -> Iterator[Announced]:
    name = rows.name_of(row)
    url = f"{page_url}/models/{name}" if page_url else ""
    if row.deprecates_on is not None:
        yield Announced(
            uid=f"{row.id}-deprecated@tradewind",
            on=row.deprecates_on,
            title=f"{row.display_name} is deprecated",
            text=f"From this day on (UTC) nobody deploys {name} anew. {_text(row)}",
            url=url,
        )
    yield Announced(
        uid=f"{row.id}-retires@tradewind",
        on=row.retires_on,
        title=f"{row.display_name} retires",
        text=_text(row, is_the_day=True),
        url=url,
    )


def _text(row: Row[Any], *, is_the_day: bool = False) -> str:
    name = rows.name_of(row)
    until = "this day" if is_the_day else f"{row.retires_on}"
    if row.replacement:
        return f"{name} answers until the end of {until} (UTC). Take {row.replacement} instead."
    return f"{name} answers until the end of {until} (UTC)."
