"""Whether an account at a provider works, and who is told."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.db.sealing import Secret
from tradewind.features.providers.health import Minute, failure_of, judge
from tradewind.features.providers.health_watch import FAILING, RECOVERED, HealthWatch
from tradewind.features.providers.schemas import ConnectionChanges, NewConnection

NOW = datetime(2030, 1, 31, 12, 30, tzinfo=UTC)


class StandingClock:
    def __init__(self, at):
        self.at = at

    def now(self):
        return self.at

    def monotonic(self):
        return 0.0


BAD, GOOD, MIXED, NONE = "b", "g", "m", "."
_CALLS = {BAD: (10, 9), GOOD: (10, 5), MIXED: (10, 7), NONE: (0, 0)}


def minutes(told, *, until=NOW, calls=None):
    """Return a minute for each letter, the last of them the one before `until`."""
    begin = until - timedelta(minutes=len(told))
    found = []
    for number, letter in enumerate(told):
        of, failed = _CALLS[letter]
        if calls is not None and of:
            of, failed = calls, calls if letter == BAD else 0
        reason = "status 500" if failed else ""
        found.append(Minute(begin + timedelta(minutes=number), of, failed, reason))
    return found


@pytest.mark.parametrize(
    "told", ["", "g", "b", "bb", "gbb", "bbg", "bbm", "mmmmm", "gggg", "b.g.b"]
)
def test_some_bad_minutes_are_no_failure_yet(told):
    assert judge(minutes(told), is_failing=False, now=NOW) is None


@pytest.mark.parametrize("told", ["bbb", "gbbb", "mbbb", "b.b", "b....b", "gggbb..b..."])
def test_bad_minutes_alone_over_three_minutes_are_a_failure(told):
    found = judge(minutes(told), is_failing=False, now=NOW)
    assert found is not None
    assert (found.is_failing, found.reason) == (True, "status 500")
    assert found.since == next(
        each.begins_at for each in minutes(told) if each.is_bad and each.calls
    )


def test_one_call_that_failed_and_another_are_too_few():
    assert judge(minutes("b....b", calls=1), is_failing=False, now=NOW) is None
    assert judge(minutes("b.b..b", calls=1), is_failing=False, now=NOW) is not None


def test_what_was_long_ago_does_not_count():
    long_ago = minutes("bbbb", until=NOW - timedelta(minutes=30))
    assert judge(long_ago, is_failing=False, now=NOW) is None


@pytest.mark.parametrize("told", ["bbb", "bbbg", "bbbgm", "bbbggb", "bbbmmm", "g..."])
def test_a_failing_one_stays_so_until_good_minutes_alone(told):
    assert judge(minutes(told), is_failing=True, now=NOW) is None


@pytest.mark.parametrize("told", ["bbbgg", "gg", "bbmg..g", "bbbggg"])
def test_a_failing_one_is_well_after_two_good_minutes(told):
    found = judge(minutes(told), is_failing=True, now=NOW)
    assert found is not None
    assert not found.is_failing


@given(st.text(alphabet="bgm.", max_size=120))
def test_its_state_never_changes_twice_within_two_minutes(told):
    is_failing, changed_at = False, None
    whole = minutes(told)
    for number in range(1, len(whole) + 1):
        now = whole[number - 1].begins_at + timedelta(minutes=1)
        found = judge(whole[:number], is_failing=is_failing, now=now)
        if found is None:
            continue
        assert found.is_failing is not is_failing
        assert changed_at is None or now - changed_at >= timedelta(minutes=2)
        is_failing, changed_at = found.is_failing, now


@pytest.mark.parametrize(
    ("failure", "status", "reason"),
    [
        ("", 200, ""),
        ("busy", 429, ""),
        ("busy", 503, "status 503"),
        ("misconfigured", 401, "status 401"),
        ("misconfigured", 404, None),
        ("failed", 500, "status 500"),
        ("refused", 0, "refused"),
        ("caller", 400, None),
        ("cancelled", 0, None),
    ],
)
def test_what_is_the_accounts_fault(failure, status, reason):
    assert failure_of(failure, status) == reason


# --- the watch ------------------------------------------------------------------------------


@pytest.fixture
def clock():
    return StandingClock(NOW)


@pytest.fixture
def connection(do, services, operator):
    new = NewConnection(credential=Secret("sk-0123456789-abcdef"), host="groq", is_shared=False)
    return do(services.providers.add_connection, operator, new)


@pytest.fixture
def messages(database):
    """Return what was told so far: kind, organization and payload."""

    def messages():
        with database.transaction() as tx:
            rows = tx.exec_driver_sql(
                "SELECT kind, organization_id, payload FROM outbox_message ORDER BY id"
            )
            return [tuple(row) for row in rows]

    return messages


@pytest.mark.postgres
def test_a_failing_account_and_its_recovery_are_told_once_each(
    do, clock, connection, operator, messages
):
    watch = HealthWatch(clock)
    for part in (minutes("bbb")[:2], minutes("bbb")[2:]):
        do(watch.note, {connection.id: part, "conn_gone": part})
    assert list(do(watch.judge, operator.organization_id)) == [connection.id]
    assert do(watch.judge, operator.organization_id) == {}
    clock.at += timedelta(minutes=2)
    do(watch.note, {connection.id: minutes("gg", until=clock.at)})
    assert not do(watch.judge, operator.organization_id)[connection.id].is_failing
    assert do(watch.judge, operator.organization_id) == {}
    failing, recovered = messages()
    assert (failing[0], recovered[0]) == (FAILING, RECOVERED)
    assert failing[1] == recovered[1] == operator.organization_id
    assert failing[2] == {
        "connection": connection.id,
        "name": "Groq",
        "host": "groq",
        "is_shared": False,
        "since": (NOW - timedelta(minutes=3)).isoformat(),
        "calls": 30,
        "reason": "status 500",
    }
    assert "sk-0123" not in str(messages())


@pytest.mark.postgres
def test_of_the_platforms_own_the_platforms_organization_is_told(
    *, do, services, clock, operator, person, messages
):
    new = NewConnection(credential=Secret("sk-0123456789-abcdef"), host="groq")
    shared = do(services.providers.add_connection, operator, new)
    watch, platform = HealthWatch(clock), person()
    do(watch.note, {shared.id: minutes("bbb")})
    do(watch.judge, platform.organization_id)
    [(kind, owner, payload)] = messages()
    assert (kind, owner, payload["is_shared"]) == (FAILING, platform.organization_id, True)


@pytest.mark.postgres
def test_calls_that_two_hosts_note_are_added_and_what_others_reach_is_no_failure(
    do, clock, connection, operator
):
    watch = HealthWatch(clock)
    do(watch.note, {connection.id: minutes("bbb")})
    do(watch.note, {connection.id: minutes("ggg", calls=10)})
    assert do(watch.judge, operator.organization_id) == {}


@pytest.mark.postgres
def test_one_that_is_switched_off_is_not_judged(do, services, clock, connection, operator):
    watch = HealthWatch(clock)
    do(watch.note, {connection.id: minutes("bbb")})
    changes = ConnectionChanges(is_enabled=False)
    do(services.providers.update_connection, operator, connection.id, changes)
    assert do(watch.judge, operator.organization_id) == {}
