"""The official client on the Responses API: a running gateway, the real store over PostgreSQL."""

import openai
import pytest
from gateway_parts import text_event
from pydantic import BaseModel
from responses_parts import ResponsesWorld, streamed, whole_answer
from sqlalchemy import text

from tradewind.control.backstage.app import BackstageServices, create_backstage
from tradewind.core.clock import SystemClock
from tradewind.serve.backstage import backstage_served

pytestmark = [pytest.mark.postgres, pytest.mark.enable_socket]

TOOL = {
    "type": "function",
    "name": "find_berth",
    "parameters": {"type": "object", "properties": {"harbour": {"type": "string"}}},
    "strict": False,
}


@pytest.fixture
async def world(tmp_path, upstream, database):
    path = tmp_path / "b.sock"
    with backstage_served(create_backstage(BackstageServices(database, SystemClock())), path):
        world = ResponsesWorld(tmp_path, backstage=str(path))
        world.publish_for(world.target(upstream.address))
        await world.start()
        yield world
        await world.stop()


@pytest.fixture
async def client(world):
    async with openai.AsyncOpenAI(
        base_url=f"{world.url}/v1", api_key=world.key.text, max_retries=0, timeout=60
    ) as client:
        yield client


async def echo(call):
    """Answer with the texts of the conversation."""
    said = " | ".join(str(message["content"]) for message in call.json["messages"])
    if call.json.get("stream"):
        await streamed(call, *said.split(" "))
    else:
        await call.answer(whole_answer(said))


async def test_create_retrieve_list_chain_and_delete(client, upstream):
    upstream.script = echo
    first = await client.responses.create(model="small", input="One", metadata={"run": "7"})
    assert (first.output_text, first.status, first.metadata) == ("One", "completed", {"run": "7"})
    assert first.usage.total_tokens == 13
    again = await client.responses.retrieve(first.id)
    assert again == first
    second = await client.responses.create(
        model="small", input="Two", previous_response_id=first.id, instructions="Brief."
    )
    assert second.output_text == "Brief. | One | One | Two"
    items = await client.responses.input_items.list(second.id)
    assert [item.content[0].text async for item in items] == ["Two"]
    await client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(first.id)
    with pytest.raises(openai.BadRequestError) as refused:
        await client.responses.create(model="small", input="x", previous_response_id=first.id)
    assert refused.value.code == "previous_response_not_found"


async def test_input_items_are_paged_by_the_client(client, upstream):
    upstream.script = echo
    said = [{"role": "user", "content": f"{number}"} for number in range(7)]
    response = await client.responses.create(model="small", input=said)
    found = [
        item.content[0].text
        async for item in client.responses.input_items.list(response.id, limit=3, order="asc")
    ]
    assert found == [str(number) for number in range(7)]


async def test_a_stream_is_read_event_by_event(client, upstream):
    upstream.script = echo
    stream = await client.responses.create(model="small", input="One two three", stream=True)
    events = [event async for event in stream]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert deltas == ["One", "two", "three"]
    assert events[-1].type == "response.completed"
    assert (await client.responses.retrieve(events[-1].response.id)).output_text == "Onetwothree"


async def test_the_clients_own_stream_helper_follows(client, upstream):
    upstream.script = echo
    async with client.responses.stream(model="small", input="One two") as stream:
        text_ = "".join(
            [event.delta async for event in stream if event.type == "response.output_text.delta"]
        )
        final = await stream.get_final_response()
    assert text_ == final.output_text == "Onetwo"


async def test_a_tool_is_called_and_its_output_sent_over_the_chain(client, upstream):
    async def call_tool(call):
        function = {"name": "find_berth", "arguments": '{"harbour":"Oslo"}'}
        message = {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
        }
        choice = {"index": 0, "finish_reason": "tool_calls", "message": message}
        await call.answer(whole_answer(choices=[choice]))

    upstream.script = call_tool
    first = await client.responses.create(model="small", input="A berth?", tools=[TOOL])
    [called] = first.output
    assert (called.type, called.name, called.arguments) == (
        "function_call",
        "find_berth",
        '{"harbour":"Oslo"}',
    )
    upstream.script = echo
    output = {"type": "function_call_output", "call_id": called.call_id, "output": "Berth 4"}
    second = await client.responses.create(
        model="small", input=[output], tools=[TOOL], previous_response_id=first.id
    )
    assert second.output_text == "A berth? | None | Berth 4"


async def test_output_can_be_sent_back_as_input(client, upstream):
    upstream.script = echo
    first = await client.responses.create(model="small", input="One", store=False)
    second = await client.responses.create(
        model="small",
        input=[{"role": "user", "content": "One"}, *first.output, {"role": "user", "content": "2"}],
        store=False,
    )
    assert second.output_text == "One | One | 2"


class Berth(BaseModel):
    harbour: str


async def test_a_schema_is_parsed_by_the_client(client, upstream):
    async def script(call):
        wanted = call.json["response_format"]
        assert (wanted["type"], wanted["json_schema"]["name"]) == ("json_schema", "Berth")
        await call.answer(whole_answer('{"harbour":"Oslo"}'))

    upstream.script = script
    answer = await client.responses.parse(model="small", input="Where?", text_format=Berth)
    assert answer.output_parsed == Berth(harbour="Oslo")


async def test_a_response_in_the_background_is_polled_and_cancelled(client, upstream):
    async def wait(call):
        await call.gone()

    upstream.script = wait
    began = await client.responses.create(model="small", input="One", background=True)
    assert began.status == "queued"
    assert (await client.responses.retrieve(began.id)).status == "in_progress"
    assert (await client.responses.cancel(began.id)).status == "cancelled"
    assert (await client.responses.cancel(began.id)).status == "cancelled"


async def test_a_stream_that_breaks_off_is_told_as_failed(client, upstream):
    async def script(call):
        await call.begin()
        await call.send(text_event("One"))
        call.cut()

    upstream.script = script
    stream = await client.responses.create(model="small", input="x", stream=True)
    last = [event async for event in stream][-1]
    assert (last.type, last.response.status) == ("response.failed", "failed")


async def test_deleting_leaves_no_byte_of_it_in_the_table(client, upstream, database):
    upstream.script = echo
    response = await client.responses.create(model="small", input="A secret word")
    with database.transaction() as tx:
        assert tx.execute(text("SELECT count(*) FROM stored_response")).scalar() == 1
    await client.responses.delete(response.id)
    with database.transaction() as tx:
        assert tx.execute(text("SELECT count(*) FROM stored_response")).scalar() == 0
