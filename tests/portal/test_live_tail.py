"""A tail tells what is new, once, for a while, and gives its place back however it ends."""

import json
from dataclasses import dataclass

import pytest
from starlette.testclient import TestClient
from starlette.types import Message

from tradewind.core.clock import SystemClock
from tradewind.core.errors import LimitExceeded, Unavailable
from tradewind.core.permissions import Role
from tradewind.portal.live_tail import Follower, LiveTails, Pace, TailResponse, follow
from tradewind.testing.logged_calls import ended_call, log_calls, refused_call
from tradewind.testing.portal_world import PortalWorld

AT_ONCE = 0.0


@dataclass(frozen=True)
class Entry:
    event_id: int


class TurningClock(SystemClock):
    """Each look at it is a second later."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        self.seconds += 1
        return self.seconds


class Log:
    """A list whose newest five entries are looked at."""

    def __init__(self, *ids: int) -> None:
        self.ids = list(ids)

    def look(self) -> list[Entry]:
        return [Entry(one) for one in self.ids[:5]]

    def follower(self, *, most_shown: int = 5) -> Follower:
        return Follower(self.look, lambda entry: entry.event_id, most_shown=most_shown)


def contents(events: list[bytes]) -> list[dict]:
    return [
        json.loads(event.removeprefix(b"data: ")) for event in events if event.startswith(b"data: ")
    ]


# --- what is new ----------------------------------------------------------------------------


def test_an_entry_is_told_once():
    log = Log(2, 1)
    follower = log.follower()
    assert follower.news().entries == [2, 1]
    assert follower.news().entries == []
    log.ids.insert(0, 3)
    assert follower.news().entries == [3]


def test_an_entry_that_appears_below_others_is_told_too():
    log = Log(9, 5)
    follower = log.follower()
    follower.news()
    log.ids = [9, 7, 5]
    assert follower.news().entries == [7]


def test_what_falls_out_of_the_newest_does_not_come_back_as_new():
    log = Log(5, 4, 3, 2, 1)
    follower = log.follower()
    follower.news()
    log.ids = [7, 6, 5, 4, 3, 2, 1]
    assert follower.news().entries == [7, 6]
    assert follower.news().entries == []


def test_more_than_is_shown_is_admitted_but_for_the_first_look():
    log = Log(3, 2, 1)
    follower = log.follower(most_shown=2)
    assert follower.news() == ([3, 2], False)
    log.ids = [6, 5, 4, 3, 2]
    assert follower.news() == ([6, 5], True)


# --- for how long ---------------------------------------------------------------------------


async def test_a_tail_ends_after_its_lifetime_and_says_so():
    pace = Pace(AT_ONCE, longest_silence_s=1000, lifetime_s=120)
    events = [event async for event in follow(Log(1).follower(), pace, TurningClock())]
    assert contents(events) == [
        {"is_open": True},
        {"entries": [1], "is_cut": False},
        {"end": "The list was live for 2 minutes. Resume it to go on."},
    ]


async def test_a_silent_tail_makes_itself_heard_for_whatever_stands_between():
    pace = Pace(AT_ONCE, longest_silence_s=15, lifetime_s=100)
    events = [event async for event in follow(Log().follower(), pace, TurningClock())]
    assert events.count(b": still here\n\n") == 6


async def test_a_tail_ends_when_a_look_fails():
    def look() -> list[Entry]:
        raise Unavailable("the database does not answer", hint="retry")

    follower = Follower(look, str, most_shown=1)
    events = [event async for event in follow(follower, Pace(AT_ONCE), TurningClock())]
    assert contents(events)[-1] == {"end": "The database does not answer. Retry."}


# --- how many -------------------------------------------------------------------------------


def test_there_are_so_many_places_and_each_is_given_back():
    tails = LiveTails(most=2)
    with tails.one_more():
        with tails.one_more(), pytest.raises(LimitExceeded), tails.one_more():
            pass
        with tails.one_more():
            assert tails.open == 2
    assert tails.open == 0


async def test_a_client_that_is_gone_before_the_first_byte_keeps_no_place():
    tails = LiveTails()
    response = TailResponse(tails, Log().follower(), TurningClock())

    async def receive() -> Message:
        assert tails.open == 1
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        pass

    await response({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send)
    assert tails.open == 0


# --- over HTTP ------------------------------------------------------------------------------


@pytest.fixture
def short(world: PortalWorld) -> None:
    """Tails that end after their first look."""
    world.live_tails.pace = Pace(AT_ONCE, lifetime_s=0)


def events_of(answer) -> list[dict]:
    assert answer.status_code == 200
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


@pytest.mark.usefixtures("short")
def test_a_tail_sends_rows_as_the_page_has_them(browser: TestClient, world, signed_in):
    [one] = world.add_calls(signed_in.viewer, ended_call())

    answer = browser.get("/requests/live?state=answered")

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    _, news, end = events_of(answer)
    [entry] = news["entries"]
    assert entry["id"] == one
    assert "".join(entry["html"].split()) in "".join(browser.get("/requests").text.split())
    assert "end" in end
    assert world.live_tails.open == 0
    assert "entries" not in events_of(browser.get("/requests/live?state=refused"))[1]


@pytest.mark.usefixtures("short")
def test_a_tail_shows_nothing_of_another_organization(browser: TestClient, world):
    log_calls(world.database, ended_call())
    assert [list(event) for event in events_of(browser.get("/requests/live"))] == [
        ["is_open"],
        ["end"],
    ]


@pytest.mark.usefixtures("short")
def test_names_from_outside_are_escaped_in_a_tail(browser: TestClient, world, signed_in):
    world.add_calls(signed_in.viewer, refused_call(requested_model="<b>", error_code="<i>"))
    html = events_of(browser.get("/requests/live"))[1]["entries"][0]["html"]
    assert "&lt;b&gt;" in html
    assert "&lt;i&gt;" in html
    assert "<b>" not in html
    assert "<i>" not in html


def test_when_all_places_are_taken_a_program_is_told_so(browser: TestClient, world):
    world.live_tails.most = 0
    answer = browser.get("/requests/live", headers={"accept": "application/json, */*"})
    assert answer.status_code == 429
    assert "live lists are open already" in answer.json()["message"]


def test_a_tail_is_for_who_is_signed_in(anonymous: TestClient):
    answer = anonymous.get("/requests/live", headers={"accept": "application/json, */*"})
    assert (answer.status_code, answer.json()["code"]) == (401, "sign_in_required")


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("role", list(Role))
def test_every_role_may_follow_the_log(browser_of, role: Role):
    assert browser_of(role).get("/requests/live").status_code == 200
