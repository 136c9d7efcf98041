"""Which usage is looked at and by what it is grouped: the rows that pages and the API sum up.

Most of it is read from the hourly sums, which hold for any length of time. Regions and tags are
only told call by call: they are read from the events, of no more calls than MOST_EVENTS.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Subquery,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    select,
)

from tradewind.features.accounts.tables import api_key, project
from tradewind.features.billing.tables import project_label
from tradewind.features.metering.tables import request_log, usage_event, usage_hour

MOST_EVENTS = 500_000
"""Calls of one question that has to look at each of them: about a second."""
MOST_TAG_NAMES = 50
_RECENT_LOGGED = 2_000


class Grouping(StrEnum):
    MODEL = "model"
    KEY = "key"
    PROJECT = "project"
    REGION = "region"
    TAG = "tag"
    COST_CENTRE = "cost_centre"

    @property
    def needs_events(self) -> bool:
        return self in _OF_EVENTS


_OF_EVENTS = frozenset({Grouping.REGION, Grouping.TAG})


class Measure(StrEnum):
    """What a chart draws, and what decides which groups are the largest."""

    SPEND = "spend"
    REQUESTS = "requests"
    TOKENS = "tokens"


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose usage: always one organization, perhaps only a part of it. None is all."""

    organization_id: str
    model: str | None = None
    key: str | None = None
    """Id of a key; or what all keys are called that the platform makes for one purpose."""
    project: str | None = None
    cost_centre: str | None = None
    region: str | None = None
    tag: str | None = None
    """Name of a tag: by which values calls are grouped, and of which `value` is one."""
    value: str | None = None

    @property
    def needs_events(self) -> bool:
        return self.region is not None or self.value is not None


SUMMED = (
    "requests",
    "failed",
    "cancelled",
    "orphaned",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "cost_nanos",
    "first_token_count",
    "first_token_us_total",
)
_PLATFORM_KEYS = {"playground": "Playground", "start_up": "Start-up check"}
# Only short-lived keys of the platform are ever deleted, some time after they ended.
_DELETED_KEYS = ("deleted", "Earlier short-lived keys")


class Slices:
    """The rows of a scope and a time, ready to be grouped."""

    def __init__(
        self, scope: Scope, since: datetime, until: datetime, grouping: Grouping | None = None
    ) -> None:
        needs_events = scope.needs_events or (grouping is not None and grouping.needs_events)
        self.needs_events = needs_events
        self._rows: FromClause = _events(scope, since, until) if needs_events else usage_hour
        self._grouping = grouping
        self._since, self._until = since, until
        self._scope = scope

    @property
    def columns(self) -> Any:
        return self._rows.c

    @property
    def sums(self) -> list[ColumnElement[Any]]:
        return [func.sum(self._rows.c[name]).label(name) for name in SUMMED]

    @property
    def source(self) -> Any:
        """What to select from: with the names of what is grouped by."""
        rows: Any = self._rows
        if self._grouping is Grouping.KEY or self._scope.key in _KEY_GROUPS:
            rows = rows.outerjoin(
                api_key,
                (api_key.c.id == self._rows.c.key_id)
                & (api_key.c.organization_id == self._rows.c.organization_id),
            )
        if self._grouping is Grouping.PROJECT:
            rows = rows.outerjoin(
                project,
                (project.c.id == self._rows.c.project_id)
                & (project.c.organization_id == self._rows.c.organization_id),
            )
        if self._grouping is Grouping.COST_CENTRE or self._scope.cost_centre is not None:
            rows = rows.outerjoin(
                project_label,
                (project_label.c.project_id == self._rows.c.project_id)
                & (project_label.c.organization_id == self._rows.c.organization_id),
            )
        return rows

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        columns, scope = self._rows.c, self._scope
        found: list[ColumnElement[bool]] = [
            columns.organization_id == scope.organization_id,
            columns.hour >= self._since,
            columns.hour < self._until,
        ]
        if scope.model is not None:
            found.append(columns.model == scope.model)
        if scope.key in _KEY_GROUPS:
            found.append(_key_group(columns.key_id) == scope.key)
        elif scope.key is not None:
            found.append(columns.key_id == scope.key)
        if scope.project is not None:
            found.append(columns.project_id == scope.project)
        if scope.cost_centre is not None:
            found.append(_cost_centre() == scope.cost_centre)
        if scope.region is not None:
            found.append(columns.region == scope.region)
        if scope.value is not None:
            found.append(columns.tag_value == scope.value)
        return found

    def measured(self, measure: Measure) -> ColumnElement[int]:
        columns = self._rows.c
        match measure:
            case Measure.SPEND:
                return columns.cost_nanos
            case Measure.REQUESTS:
                return columns.requests
            case Measure.TOKENS:
                return columns.input_tokens + columns.output_tokens

    def group(self) -> tuple[ColumnElement[str], ColumnElement[str]]:
        """Return what to group by and how to call it.

        The portal mints a key for every browser and hour; those are one row, or they would drown
        the keys that people made.
        """
        columns = self._rows.c
        match self._grouping:
            case Grouping.MODEL | None:
                return columns.model, columns.model
            case Grouping.KEY:
                return _key_group(columns.key_id), _key_label()
            case Grouping.PROJECT:
                return columns.project_id, func.coalesce(project.c.name, columns.project_id)
            case Grouping.COST_CENTRE:
                return _named(_cost_centre(), "No cost centre")
            case Grouping.REGION:
                return _named(columns.region, "Not told")
            case Grouping.TAG:
                return _named(columns.tag_value, "Without this tag")


NOBODY = "-"
"""The group of calls that have none: an address must be able to say it, and no region, cost centre
or tag of ours is a dash."""
_KEY_GROUPS = frozenset({*_PLATFORM_KEYS, _DELETED_KEYS[0]})


def read_tag_names(tx: Connection, organization_id: str) -> list[str]:
    """Return the names of tags that the newest calls of an organization had."""
    recent = (
        select(request_log.c.tags)
        .where(request_log.c.organization_id == organization_id)
        .order_by(request_log.c.at.desc())
        .limit(_RECENT_LOGGED)
        .subquery()
    )
    names = func.jsonb_object_keys(recent.c.tags).label("name")
    statement: Any = select(names).distinct().order_by("name").limit(MOST_TAG_NAMES)
    return list(tx.execute(statement).scalars())


def count_calls(tx: Connection, scope: Scope, since: datetime, until: datetime) -> int:
    """Return how many calls a question may have to look at, by the hourly sums."""
    columns = usage_hour.c
    conditions = [
        columns.organization_id == scope.organization_id,
        columns.hour >= since,
        columns.hour < until,
    ]
    for column, wanted in ((columns.model, scope.model), (columns.project_id, scope.project)):
        if wanted is not None:
            conditions.append(column == wanted)
    if scope.key is not None and scope.key not in _KEY_GROUPS:
        conditions.append(columns.key_id == scope.key)
    total = tx.execute(
        select(func.coalesce(func.sum(columns.requests), 0)).where(*conditions)
    ).scalar_one()
    return int(total)


def _events(scope: Scope, since: datetime, until: datetime) -> Subquery:
    """Return events in the shape of the hourly sums, one row for each."""
    event = usage_event.c
    wanted: list[ColumnElement[bool]] = [
        event.organization_id == scope.organization_id,
        event.at >= since,
        event.at < until,
    ]
    log = request_log.alias("tagged")
    rows: Any = usage_event
    value: ColumnElement[Any] = literal(NOBODY)
    if scope.tag is not None:
        rows = usage_event.outerjoin(
            log,
            and_(
                log.c.at == event.at,
                log.c.event_id == event.event_id,
                log.c.at >= since,
                log.c.at < until,
            ),
        )
        value = func.coalesce(func.nullif(log.c.tags[scope.tag].astext, ""), NOBODY)
    statement: Any = (
        select(
            event.organization_id,
            func.date_trunc("hour", event.at, "UTC").label("hour"),
            event.project_id,
            event.key_id,
            event.model,
            event.currency,
            func.coalesce(func.nullif(event.region, ""), NOBODY).label("region"),
            cast(value, Text).label("tag_value"),
            case((event.corrects.is_(None), 1), else_=0).label("requests"),
            _is("failed").label("failed"),
            _is("cancelled").label("cancelled"),
            _is("orphaned").label("orphaned"),
            event.input_tokens,
            event.cached_input_tokens,
            event.output_tokens,
            event.cost_nanos,
            case((event.first_token_us.is_not(None), 1), else_=0).label("first_token_count"),
            func.coalesce(event.first_token_us, 0).label("first_token_us_total"),
        )
        .select_from(rows)
        .where(*wanted)
    )
    return statement.subquery("events")


def _is(outcome: str) -> ColumnElement[int]:
    return case((usage_event.c.outcome == outcome, 1), else_=0)


def _cost_centre() -> ColumnElement[Any]:
    return func.coalesce(func.nullif(project_label.c.cost_centre, ""), NOBODY)


def _named(
    column: ColumnElement[Any], without: str
) -> tuple[ColumnElement[str], ColumnElement[str]]:
    return column, case((column == NOBODY, literal(without)), else_=column)


def _key_group(key_id: ColumnElement[str]) -> ColumnElement[str]:
    return case(
        (api_key.c.id.is_(None), literal(_DELETED_KEYS[0])),
        (api_key.c.purpose.in_(_PLATFORM_KEYS), api_key.c.purpose),
        else_=key_id,
    )


def _key_label() -> ColumnElement[str]:
    return case(
        (api_key.c.id.is_(None), literal(_DELETED_KEYS[1])),
        *((api_key.c.purpose == name, literal(label)) for name, label in _PLATFORM_KEYS.items()),
        else_=api_key.c.name,
    )
