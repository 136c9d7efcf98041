"""The Responses API while the store is away, full of others' work, or not there at all."""

import pytest
from gateway_parts import assembled, until
from responses_parts import ResponsesWorld, streamed, text_of, whole_answer
from sqlalchemy import text

from tests.gateway.dialects.responses_checker import Checker
from tradewind.control.backstage.app import BackstageServices, create_backstage
from tradewind.core.clock import SystemClock
from tradewind.gateway.stored_responses import StoredResponses
from tradewind.serve.backstage import backstage_served
from tradewind.usage.journal import Journal


async def answer_hello(call):
    if call.json.get("stream"):
        await streamed(call, "Hel", "lo")
    else:
        await call.answer(whole_answer("Hello"))


@pytest.fixture
async def world(tmp_path, upstream):
    """A gateway whose store is not there yet."""
    world = ResponsesWorld(tmp_path, backstage=str(tmp_path / "b.sock"))
    world.publish_for(world.target(upstream.address))
    upstream.script = answer_hello
    await world.start()
    yield world
    await world.stop()


async def test_calls_are_answered_and_found_and_chained_while_the_store_is_away(world, upstream):
    first = await world.create("One")
    assert (first.status, first.json["store"]) == (200, True)
    second = (await world.create("Two", previous_response_id=first.json["id"])).json
    assert len(upstream.calls[-1].json["messages"]) == 3
    assert (await world.ask("GET", "/" + second["id"])).json == second
    stranger = await world.ask("GET", "/resp_" + "0" * 32)
    assert (stranger.status, stranger.error["code"]) == (503, "responses_unavailable")
    assert stranger.header("retry-after") is not None
    chained = await world.create(previous_response_id="resp_" + "0" * 32)
    assert (chained.status, chained.error["code"]) == (503, "responses_unavailable")
    deleted = await world.ask("DELETE", "/" + second["id"])
    assert deleted.status == 503
    background = await world.create(background=True)
    assert (background.status, background.error["code"]) == (503, "responses_unavailable")


@pytest.mark.postgres
async def test_what_was_answered_without_the_store_arrives_there_later(world, database, tmp_path):
    ids = {(await world.create()).json["id"] for _ in range(3)}

    def rows():
        with database.transaction() as tx:
            return set(tx.execute(text("SELECT id FROM stored_response")).scalars())

    app = create_backstage(BackstageServices(database, SystemClock()))
    with backstage_served(app, tmp_path / "b.sock"):
        await until(lambda: rows() == ids)
        await world.stop()


async def test_a_gateway_that_stands_alone_says_that_it_stores_nothing(tmp_path, upstream):
    world = ResponsesWorld(tmp_path)
    world.publish_for(world.target(upstream.address))
    upstream.script = answer_hello
    await world.start()
    answer = await world.create(store=True)
    assert (answer.status, answer.json["store"]) == (200, False)
    await world.stop()


async def test_without_room_an_answer_says_that_it_is_not_stored(tmp_path, upstream):
    world = ResponsesWorld(tmp_path, backstage=str(tmp_path / "b.sock"))
    world.publish_for(world.target(upstream.address))
    upstream.script = answer_hello
    journal = Journal.open(world.journal, node="gateway", durability="disk")
    async with assembled(world, journal) as state:
        state.responses = StoredResponses(state.backstage, most_waiting=0)
        whole = (await world.create()).json
        assert (whole["store"], text_of(whole)) == (False, "Hello")
        streamed_ = Checker((await world.create(stream=True)).body).check()
        assert (streamed_["store"], text_of(streamed_)) == (False, "Hello")
        assert state.responses.waiting == 0
