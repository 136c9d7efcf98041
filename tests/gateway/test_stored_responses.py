"""Bringing responses to a store that is slow, away or full, and reading what waits here."""

import asyncio
import json

import pytest
from gateway_parts import until
from msgspec import Raw

from tradewind.gateway.backstage import BackstageAnswer
from tradewind.gateway.stored_responses import StoredResponses
from tradewind.wire.errors import ApiError
from tradewind.wire.stored_responses import (
    MOST_CHAIN_LINKS,
    Chain,
    Place,
    StoredResponse,
    decode_stored,
    encode,
)

PLACE = Place("org_a", "proj_a", "resp_1", 30)


class ScriptedStore:
    """Takes the place of `Backstage`: keeps every question until the test answers it, or answers
    all of them with one status.
    """

    def __init__(self):
        self.questions = []
        self.status = None
        self.body = b""

    def ask(self, method, path, body, answered):
        question = Question(method, path, body, answered)
        self.questions.append(question)
        if self.status is not None:
            question.answer(self.status, self.body)

    @property
    def open(self):
        return [question for question in self.questions if not question.is_answered]

    def asked(self):
        return [(question.method, question.path) for question in self.questions]


class Question:
    def __init__(self, method, path, body, answered):
        self.method, self.path, self.body = method, path, body
        self.is_answered = False
        self._answered = answered

    def answer(self, status, body=b""):
        assert not self.is_answered
        self.is_answered = True
        self._answered(BackstageAnswer(status, body))


def stored(id_="resp_1", previous=None, text="x", org="org_a"):
    return StoredResponse(
        org, "proj_a", id_, previous, 1, 10**15, Raw(b"[]"), Raw(json.dumps({"text": text}))
    )


class Told(list):
    """What a callback was called with."""

    def __call__(self, value):
        self.append(value)


@pytest.fixture
def store():
    return ScriptedStore()


def desk(store, **options):
    return StoredResponses(store, **{"retry_s": 0.001, "patience_s": 60.0, **options})


async def test_the_end_waits_for_the_stores_yes(store):
    responses, told = desk(store), Told()
    responses.keep(stored(), told)
    assert (store.asked(), told) == ([("PUT", "/responses")], [])
    assert decode_stored(store.questions[0].body) == stored()
    store.questions[0].answer(204)
    assert (told, responses.waiting, responses.waiting_bytes) == ([True], 0, 0)


async def test_a_slow_store_is_not_waited_for_and_gets_nothing_twice(store):
    responses, told = desk(store, patience_s=0.001), Told()
    responses.keep(stored(), told)
    await until(lambda: told)
    assert (told, responses.waiting) == ([True], 1)
    store.questions[0].answer(204)
    assert (told, responses.waiting, len(store.questions)) == ([True], 0, 1)


@pytest.mark.parametrize("status", [0, 503, 500, 400])
async def test_what_was_not_taken_is_brought_again_until_it_is(store, status):
    responses, told = desk(store), Told()
    responses.keep(stored(), told)
    store.questions[0].answer(status)
    assert (told, responses.waiting) == ([True], 1)
    for number in (1, 2):
        await until(lambda number=number: len(store.questions) > number)
        store.questions[number].answer(status)
    await until(store_is_asked(store))
    store.open[0].answer(204)
    assert (responses.waiting, responses.waiting_bytes) == (0, 0)


def store_is_asked(store):
    return lambda: store.open


async def test_after_one_was_taken_the_others_follow_few_at_once(store):
    responses = desk(store)
    store.status = 0
    for number in range(20):
        responses.keep(stored(f"resp_{number}"), Told())
    assert responses.waiting == 20
    store.status = None
    await until(store_is_asked(store))
    assert len(store.open) == 1, "one tries; twenty would be a flood"
    most = 0
    while store.open:
        most = max(most, len(store.open))
        store.open[0].answer(204)
    assert (responses.waiting, most) == (0, 8)


async def test_one_that_is_refused_for_good_does_not_stand_before_the_others(store):
    responses = desk(store)
    store.status = 0
    for number in (1, 2):
        responses.keep(stored(f"resp_{number}"), Told())
    store.status = None
    taken = set()

    def answer():
        for question in store.open:
            id_ = decode_stored(question.body).id
            if id_ == "resp_1":
                question.answer(500)
            else:
                taken.add(id_)
                question.answer(204)
        return responses.waiting == 0

    await until(answer)
    assert taken == {"resp_2"}
    assert len(store.questions) <= 70, "it is given up after a while"


@pytest.mark.parametrize("options", [{"most_waiting": 1}, {"most_waiting_bytes": 300}])
async def test_a_full_memory_is_told_at_once(store, options):
    responses, first, second = desk(store, **options), Told(), Told()
    responses.keep(stored("resp_1"), first)
    responses.keep(stored("resp_2"), second)
    assert (first, second, len(store.questions)) == ([], [False], 1)
    store.questions[0].answer(204)
    responses.keep(stored("resp_3"), second)
    assert responses.waiting == 1


async def test_reads_look_here_first(store):
    responses, told = desk(store), Told()
    responses.keep(stored(), Told())
    responses.find(PLACE, told)
    responses.find(Place("org_b", "proj_a", "resp_1", 30), told)
    store.questions[-1].answer(404)
    assert told == [stored(), None]


async def test_a_read_asks_the_store(store):
    responses, told = desk(store), Told()
    for status, body in ((200, encode(stored())), (404, b""), (503, b""), (0, b""), (200, b"{")):
        responses.find(PLACE, told)
        store.questions[-1].answer(status, body)
    assert told[:2] == [stored(), None]
    assert all(isinstance(error, ApiError) and error.status == 503 for error in told[2:])


async def test_a_chain_goes_on_from_here_to_the_store(store):
    responses, told = desk(store), Told()
    responses.keep(stored("resp_3", "resp_2"), Told())
    responses.keep(stored("resp_2", "resp_1"), Told())
    place = Place("org_a", "proj_a", "resp_3", 30)
    responses.chain(place, told)
    question = store.questions[-1]
    assert question.path == "/responses/chain"
    assert json.loads(question.body)["id"] == "resp_1"
    question.answer(200, encode(Chain([stored("resp_1")])))
    assert [link.id for link in told[0].links] == ["resp_3", "resp_2", "resp_1"]
    responses.chain(place, told)
    store.questions[-1].answer(404)
    assert [link.id for link in told[1].links] == ["resp_3", "resp_2"]
    responses.chain(place, told)
    store.questions[-1].answer(0)
    assert told[2].status == 503


async def test_a_chain_that_lies_here_whole_asks_nobody(store):
    responses, told = desk(store), Told()
    responses.keep(stored("resp_1"), Told())
    responses.chain(PLACE, told)
    assert ([link.id for link in told[0].links], len(store.questions)) == (["resp_1"], 1)


async def test_a_chain_here_that_is_too_long_is_told(store):
    responses, told = desk(store), Told()
    for number in range(MOST_CHAIN_LINKS + 2):
        responses.keep(stored(f"resp_{number}", f"resp_{number - 1}"), Told())
    responses.chain(Place("org_a", "proj_a", f"resp_{MOST_CHAIN_LINKS + 1}", 30), told)
    assert told[0].is_too_long


async def test_deleting_takes_it_from_here_and_from_the_store(store):
    responses, told = desk(store, retry_s=60.0), Told()
    responses.keep(stored(), Told())
    store.questions[0].answer(0)
    responses.delete(PLACE, told)
    assert responses.waiting == 0
    store.questions[-1].answer(404)
    assert told == [True]
    responses.delete(PLACE, told)
    store.questions[-1].answer(404)
    responses.delete(PLACE, told)
    store.questions[-1].answer(204)
    responses.delete(PLACE, told)
    store.questions[-1].answer(0)
    assert told[1:3] == [False, True]
    assert told[3].status == 503


@pytest.mark.parametrize("status", [204, 0])
async def test_deleting_waits_for_what_is_on_its_way(store, status):
    responses, told = desk(store, retry_s=60.0), Told()
    responses.keep(stored(), Told())
    responses.delete(PLACE, told)
    assert len(store.questions) == 1, "the store may be taking it"
    store.questions[0].answer(status)
    assert store.questions[-1].path == "/responses/delete"
    store.questions[-1].answer(204)
    assert (told, responses.waiting) == ([True], 0)


async def test_what_ran_in_the_background_and_was_deleted_is_not_brought_again(store):
    responses, told = desk(store), Told()
    responses.end(stored(), told)
    assert store.asked() == [("PUT", "/responses/ended")]
    store.questions[0].answer(404)
    assert (told, responses.waiting) == ([False], 0)


@pytest.mark.parametrize(("status", "is_begun"), [(204, True), (503, False), (0, False)])
async def test_nothing_runs_in_the_background_that_was_not_stored(store, status, is_begun):
    responses, told = desk(store), Told()
    responses.begin(stored(), told)
    store.questions[0].answer(status)
    assert (told, responses.waiting) == ([is_begun], 0)


async def test_stopping_brings_what_waits_and_says_what_is_lost(store, caplog):
    responses = desk(store)
    for number in (1, 2):
        responses.keep(stored(f"resp_{number}"), Told())
        store.questions[-1].answer(0)
    closing = asyncio.create_task(responses.close(60.0))
    await until(store_is_asked(store))
    while store.open:
        store.open[0].answer(204)
    await asyncio.wait_for(closing, 60)
    assert not caplog.messages
    responses.keep(stored("resp_3"), Told())
    await responses.close(0.001)
    assert "1 stored responses were not delivered" in caplog.text
