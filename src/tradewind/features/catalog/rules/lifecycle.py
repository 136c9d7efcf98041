"""The life of a model: preview, general availability, legacy, deprecated, retired.

    preview ──► ga ──► legacy ──► deprecated ──► retired
       └────────────────────────────┘

Who builds on a model is promised time, so no state can be left before its time is over, however
much somebody wants to. A deprecation can be *announced* for a day ahead: on that day it comes by
itself, and neither that day nor the last one can be brought forward once they were told. The least
times are those of the large clouds (learn.microsoft.com, "Model deprecation and retirement for
Azure AI Foundry Models"). Days are UTC's. Pure.
"""

from datetime import UTC, date, datetime, time, timedelta
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
FARTHEST = timedelta(days=3650)
"""What is told for longer ahead is a slip of the keyboard, and could not be taken back."""
_ONE_DAY = timedelta(days=1)


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


_MAY_BE_ANNOUNCED = frozenset(
    state for state, following in NEXT.items() if Lifecycle.DEPRECATED in following
)


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
    """The day it stops to answer, as it was told; set once its deprecation is announced."""
    deprecates_on: date | None = None
    """The day it becomes deprecated, where that was announced ahead, or did so."""

    @property
    def is_announced(self) -> bool:
        """Its deprecation was told and is still to come."""
        return self.deprecates_on is not None and self.state in _MAY_BE_ANNOUNCED


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
    if life.is_announced:
        raise LifecycleMove(
            f"its deprecation on {life.deprecates_on} was told, and comes by itself that day",
            hint="a later day can be said",
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
        return Life(to, now, ga_since, life.retires_on, life.deprecates_on)
    return Life(to, now, life.ga_since, _last_day(life, today, retires_on))


def announced(
    life: Life, deprecates_on: date, now: datetime, retires_on: date | None = None
) -> Life:
    """Return the life with its deprecation told for a day ahead, or put off to a later one.

    Without `retires_on` it is the earliest day, or the one told before where that is later. Raises
    LifecycleMove, which names the earliest day where it is only too early.
    """
    if life.state not in _MAY_BE_ANNOUNCED:
        hint = "make it legacy first, and announce then" if life.state is Lifecycle.GA else None
        raise LifecycleMove(
            f"the deprecation of a model that is {life.state} cannot be announced", hint=hint
        )
    today = _day(now)
    earliest = max(today + _ONE_DAY, _earliest(life, Lifecycle.DEPRECATED))
    if deprecates_on < earliest:
        raise LifecycleMove(
            f"its deprecation can be announced for {earliest} at the earliest",
            hint=f"say {earliest} or later",
        )
    if life.deprecates_on is not None and deprecates_on < life.deprecates_on:
        raise LifecycleMove(
            f"its deprecation on {life.deprecates_on} was told and cannot come earlier",
            hint="a later day can be said",
        )
    if deprecates_on > today + FARTHEST:
        raise LifecycleMove(
            f"{deprecates_on} is more than {FARTHEST.days // 365} years ahead",
            hint="announce what is certain",
        )
    told = life.retires_on
    if told is not None and retires_on is not None and retires_on < told:
        raise LifecycleMove(
            f"its retirement on {told} was told and cannot come earlier",
            hint="a later day can be said",
        )
    last = _last_day(life, deprecates_on, retires_on)
    if told is not None and retires_on is None:
        last = max(last, told)
    return life._replace(retires_on=last, deprecates_on=deprecates_on)


def arrived(life: Life) -> Life:
    """Return the life on the day for which its deprecation was announced, or after it.

    It is deprecated since that day began, however late somebody looks, and its last day is the one
    that was told.
    """
    assert life.is_announced, "nothing else arrives"
    assert life.deprecates_on is not None
    since = datetime.combine(life.deprecates_on, time(), UTC)
    return life._replace(state=Lifecycle.DEPRECATED, since=since)


def postponed(life: Life, retires_on: date) -> Life:
    """Return the life with a later last day. Raises LifecycleMove for an earlier one."""
    if life.state is not Lifecycle.DEPRECATED or life.retires_on is None:
        raise LifecycleMove(f"a model that is {life.state} has no day of retirement to move")
    if retires_on < life.retires_on:
        raise LifecycleMove(
            f"its retirement on {life.retires_on} was told and cannot come earlier",
            hint="a later day can be said",
        )
    if retires_on > life.retires_on + FARTHEST:
        raise LifecycleMove(
            f"{retires_on} is more than {FARTHEST.days // 365} years behind {life.retires_on}",
            hint="a last day can be put off again",
        )
    return life._replace(retires_on=retires_on)


def schedule(life: Life, today: date) -> Schedule | None:
    """Return when what is left of its life could end, if that began today; None when it is over."""
    if life.state is Lifecycle.RETIRED:
        return None
    if life.state is Lifecycle.DEPRECATED:
        assert life.retires_on is not None, "told when it became deprecated"
        return Schedule(None, None, max(life.retires_on, today))
    if life.is_announced:
        assert life.deprecates_on is not None
        assert life.retires_on is not None, "told with it"
        return Schedule(None, max(life.deprecates_on, today), max(life.retires_on, today))
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


def _last_day(life: Life, deprecated_on: date, retires_on: date | None) -> date:
    """Return the last day of a model that becomes deprecated then. Raises LifecycleMove."""
    soonest = _soonest_retirement(life, deprecated_on)
    if retires_on is not None and retires_on < soonest:
        raise LifecycleMove(
            f"a model deprecated on {deprecated_on} can retire on {soonest} at the earliest",
            hint=f"say {soonest} or later",
        )
    if retires_on is not None and retires_on > deprecated_on + FARTHEST:
        raise LifecycleMove(
            f"{retires_on} is more than {FARTHEST.days // 365} years behind {deprecated_on}",
            hint="a last day that is told can be put off later",
        )
    return retires_on or soonest


def _soonest_retirement(life: Life, deprecated_on: date) -> date:
    """Return the earliest last day of a model that becomes deprecated then, and is told so."""
    if life.ga_since is None:
        return deprecated_on + LEAST_NOTICE_OF_PREVIEW
    return max(deprecated_on + max(LEAST_DEPRECATED, LEAST_NOTICE), _day(life.ga_since) + LEAST_GA)


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
