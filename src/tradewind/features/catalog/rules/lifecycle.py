"""The life of a model: preview, general availability, legacy, deprecated, retired.

    preview ──► ga ──► legacy ──► deprecated ──► retired
       └────────────────────────────┘

Who builds on a model is promised time, so no state can be left before its time is over, however
much somebody wants to. The least times are those of the large clouds (learn.microsoft.com, "Model
deprecation and retirement for Azure AI Foundry Models"). Days are UTC's. Pure.
"""

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from tradewind.core.errors import Conflict

LEAST_GA = timedelta(days=365)
"""From general availability to retirement."""
LEAST_LEGACY = timedelta(days=30)
LEAST_DEPRECATED = timedelta(days=90)
LEAST_NOTICE = timedelta(days=60)
"""Between telling the day of retirement and that day."""
LEAST_NOTICE_OF_PREVIEW = timedelta(days=30)


class Lifecycle(StrEnum):
    PREVIEW = "preview"
    """May change and may end soon."""
    GA = "ga"
    LEGACY = "legacy"
    """A better one is there; nothing changes for anybody yet."""
    DEPRECATED = "deprecated"
    """Runs on for those who have it; nobody deploys it anew. Its last day is known."""
    RETIRED = "retired"
    """Calls are answered 410 with the replacement."""


NEXT: dict[Lifecycle, tuple[Lifecycle, ...]] = {
    Lifecycle.PREVIEW: (Lifecycle.GA, Lifecycle.DEPRECATED),
    Lifecycle.GA: (Lifecycle.LEGACY,),
    Lifecycle.LEGACY: (Lifecycle.DEPRECATED,),
    Lifecycle.DEPRECATED: (Lifecycle.RETIRED,),
    Lifecycle.RETIRED: (),
}


class LifecycleMove(Conflict):
    """A model cannot go into this state, or not yet."""

    code = "lifecycle_move"


class Life(NamedTuple):
    """Where a model is in its life."""

    state: Lifecycle
    since: datetime
    ga_since: datetime | None = None
    """None for one that never was generally available."""
    retires_on: date | None = None
    """The day it stops to answer, as it was told; set from `deprecated` on."""


class Schedule(NamedTuple):
    """The earliest days on which a model that is left from today on can go on."""

    legacy_on: date | None
    """None where that is behind it, or it never comes."""
    deprecated_on: date | None
    retires_on: date


def moved(life: Life, to: Lifecycle, now: datetime, retires_on: date | None = None) -> Life:
    """Return the life after going into state `to` now.

    `retires_on` is told when it becomes deprecated; without one the earliest day is taken. Raises
    LifecycleMove, which names the earliest day where it is only too early.
    """
    if to not in NEXT[life.state]:
        ways = ", ".join(NEXT[life.state]) or "nothing: it is over"
        raise LifecycleMove(
            f"a model that is {life.state} cannot become {to}", hint=f"what can follow is {ways}"
        )
    today = _day(now)
    earliest = _earliest(life, to)
    if today < earliest:
        raise LifecycleMove(
            f"the model is {life.state} since {_day(life.since)} and can become {to} on"
            f" {earliest} at the earliest",
            hint="who builds on it was promised that time",
        )
    if to is not Lifecycle.DEPRECATED:
        if retires_on is not None:
            raise LifecycleMove(
                "the day of retirement is told when a model becomes deprecated", hint="leave it out"
            )
        ga_since = now if to is Lifecycle.GA else life.ga_since
        return Life(to, now, ga_since, life.retires_on)
    soonest = _soonest_retirement(life, today)
    if retires_on is not None and retires_on < soonest:
        raise LifecycleMove(
            f"a model deprecated on {today} can retire on {soonest} at the earliest",
            hint=f"say {soonest} or later",
        )
    return Life(to, now, life.ga_since, retires_on or soonest)


def postponed(life: Life, retires_on: date) -> Life:
    """Return the life with a later last day. Raises LifecycleMove for an earlier one."""
    if life.state is not Lifecycle.DEPRECATED or life.retires_on is None:
        raise LifecycleMove(f"a model that is {life.state} has no day of retirement to move")
    if retires_on < life.retires_on:
        raise LifecycleMove(
            f"its retirement on {life.retires_on} was told and cannot come earlier",
            hint="a later day can be said",
        )
    return life._replace(retires_on=retires_on)


def schedule(life: Life, today: date) -> Schedule | None:
    """Return when what is left of its life could end, if that began today; None when it is over."""
    if life.state is Lifecycle.RETIRED:
        return None
    if life.state is Lifecycle.DEPRECATED:
        assert life.retires_on is not None, "told when it became deprecated"
        return Schedule(None, None, max(life.retires_on, today))
    if life.state is Lifecycle.PREVIEW:
        return Schedule(None, today, _soonest_retirement(life, today))
    legacy_on = today if life.state is Lifecycle.GA else None
    deprecated_on = max(today, (legacy_on or _day(life.since)) + LEAST_LEGACY)
    return Schedule(legacy_on, deprecated_on, _soonest_retirement(life, deprecated_on))


def may_be_deployed(state: Lifecycle) -> bool:
    """Tell whether a deployment of it may be made anew."""
    return state not in (Lifecycle.DEPRECATED, Lifecycle.RETIRED)


def _earliest(life: Life, to: Lifecycle) -> date:
    since = _day(life.since)
    match to:
        case Lifecycle.DEPRECATED if life.state is Lifecycle.LEGACY:
            return since + LEAST_LEGACY
        case Lifecycle.RETIRED:
            assert life.retires_on is not None, "told when it became deprecated"
            return life.retires_on
        case _:
            return since


def _soonest_retirement(life: Life, deprecated_on: date) -> date:
    """Return the earliest last day of a model that becomes deprecated then, and is told so."""
    if life.ga_since is None:
        return deprecated_on + LEAST_NOTICE_OF_PREVIEW
    return max(deprecated_on + max(LEAST_DEPRECATED, LEAST_NOTICE), _day(life.ga_since) + LEAST_GA)


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
