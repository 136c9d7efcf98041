"""The Responses API on a running gateway, with the real store over PostgreSQL."""

import asyncio
import json

import pytest
from gateway_parts import ORGANIZATION, PATIENCE_S, PEPPER, PROJECT, soon, text_event, until
from responses_parts import ResponsesWorld, streamed, text_of, whole_answer
from sqlalchemy import text

from tests.gateway.dialects.responses_checker import Checker
from tradewind.control.backstage.app import BackstageServices, create_backstage
from tradewind.core.clock import SystemClock
from tradewind.serve.backstage import backstage_served
from tradewind.usage.event import Outcome

pytestmark = pytest.mark.postgres


@pytest.fixture
def store(database, tmp_path):
    """The control plane's part, on its socket."""
    path = tmp_path / "b.sock"
    app = create_backstage(BackstageServices(database, SystemClock()))
    with backstage_served(app, path):
        yield str(path)


@pytest.fixture
async def world(tmp_path, upstream, store):
    world = ResponsesWorld(tmp_path, backstage=store)
    world.publish_for(world.target(upstream.address))
    upstream.script = answer_hello
    await world.start()
    yield world
    await world.stop()


@pytest.fixture
def rows(database):
    def read():
        with database.transaction() as tx:
            return tx.execute(text("SELECT * FROM stored_response ORDER BY created_at, id")).all()

    return read


async def answer_hello(call):
    if call.json.get("stream"):
        await streamed(call, "Hel", "lo")
    else:
        await call.answer(whole_answer("Hello"))


async def test_a_response_is_answered_and_stored(world, upstream, rows):
    answer = await world.create("Hi there", instructions="Be brief.")
    assert answer.status == 200
    assert answer.header("x-tradewind-cost") is not None
    response = answer.json
    assert (response["status"], text_of(response)) == ("completed", "Hello")
    assert (response["model"], response["store"]) == ("tw/small", True)
    assert response["usage"]["input_tokens_details"]["cached_tokens"] == 4
    assert upstream.calls[0].json["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi there"},
    ]
    [row] = rows()
    assert (row.organization_id, row.project_id, row.id) == (ORGANIZATION, PROJECT, response["id"])
    assert 29 < (row.expires_at - row.created_at).days <= 30
    assert (await world.event()).outcome is Outcome.COMPLETED
    found = await world.ask("GET", "/" + response["id"])
    assert (found.status, found.json) == (200, response)


async def test_a_stream_ends_when_it_is_stored(world, rows):
    client = await world.client()
    body = json.dumps({"model": "small", "input": "Hi", "stream": True}).encode()
    head = await client.ask("POST", "/v1/responses", body)
    assert head.header("content-type").startswith("text/event-stream")
    out = b""
    async for piece in client.pieces():
        out += piece
        if b"response.completed" in out:
            assert len(rows()) == 1, "the end is sent when the store has it"
    response = Checker(out).check()
    assert b"[DONE]" not in out
    assert json.loads(bytes(rows()[0].response)) == response
    assert text_of(response) == "Hello"


async def test_a_chain_sends_what_came_before(world, upstream):
    first = (await world.create("One", instructions="Be brief.")).json
    second = (await world.create("Two", previous_response_id=first["id"])).json
    third = await world.create("Three", previous_response_id=second["id"], store=False)
    assert third.json["previous_response_id"] == second["id"]
    assert [message["content"] for message in upstream.calls[-1].json["messages"]] == [
        "One",
        "Hello",
        "Two",
        "Hello",
        "Three",
    ]
    gone = await world.create("Four", previous_response_id=third.json["id"])
    assert (gone.status, gone.error["code"]) == (400, "previous_response_not_found")


async def test_a_tool_is_called_and_answered_over_a_chain(world, upstream):
    async def call_tool(call):
        function = {"name": "find", "arguments": '{"q":1}'}
        tool_call = {"id": "call_1", "type": "function", "function": function}
        message = {"role": "assistant", "content": None, "tool_calls": [tool_call]}
        choice = {"index": 0, "finish_reason": "tool_calls", "message": message}
        await call.answer(whole_answer(choices=[choice]))

    upstream.script = call_tool
    tool = {"type": "function", "name": "find", "parameters": {"type": "object"}}
    first = (await world.create("A berth?", tools=[tool])).json
    [called] = first["output"]
    assert (called["type"], called["call_id"], called["name"]) == (
        "function_call",
        "call_1",
        "find",
    )
    upstream.script = answer_hello
    output = {"type": "function_call_output", "call_id": "call_1", "output": "None."}
    second = await world.create([output], previous_response_id=first["id"])
    assert second.status == 200
    roles = [message["role"] for message in upstream.calls[-1].json["messages"]]
    assert roles == ["user", "assistant", "tool"]


async def test_store_false_leaves_nothing(world, rows):
    response = (await world.create(store=False)).json
    assert response["store"] is False
    assert rows() == []
    missing = await world.ask("GET", "/" + response["id"])
    assert (missing.status, missing.error["code"]) == (404, "response_not_found")


async def test_an_organization_of_zero_days_stores_nothing_at_all(world, upstream, rows):
    world.publish_for(world.target(upstream.address), days=0)
    await world.in_force()
    answer = await world.create(store=True)
    assert (answer.status, answer.json["store"]) == (200, False)
    stream = await world.create(stream=True)
    assert Checker(stream.body).check()["store"] is False
    assert rows() == []
    chained = await world.create(previous_response_id=answer.json["id"])
    assert (chained.status, chained.error["code"]) == (400, "previous_response_not_found")
    assert "response_days" in chained.error["message"]
    background = await world.create(background=True)
    assert (background.status, background.error["param"]) == (400, "background")
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")):
        found = await world.ask(method, "/" + answer.json["id"] + path)
        assert (found.status, found.error["code"]) == (404, "response_not_found")
        assert "response_days" in found.error["message"]


async def test_zero_days_hide_what_was_stored_before(world, upstream):
    stored = (await world.create()).json
    world.publish_for(world.target(upstream.address), days=0)
    await world.in_force()
    assert (await world.ask("GET", "/" + stored["id"])).status == 404


async def test_a_deleted_response_is_gone_and_chains_go_on_with_what_is_left(world, upstream, rows):
    first = (await world.create("One")).json
    second = (await world.create("Two", previous_response_id=first["id"])).json
    deleted = await world.ask("DELETE", "/" + first["id"])
    assert (deleted.status, deleted.json) == (
        200,
        {"id": first["id"], "object": "response", "deleted": True},
    )
    assert [row.id for row in rows()] == [second["id"]]
    assert not any(b"One" in bytes(row.input) for row in rows())
    assert (await world.ask("DELETE", "/" + first["id"])).status == 404
    assert (await world.ask("GET", "/" + first["id"])).status == 404
    await world.create("Three", previous_response_id=second["id"])
    assert [message["content"] for message in upstream.calls[-1].json["messages"]] == [
        "Two",
        "Hello",
        "Three",
    ]


async def test_a_response_of_another_owner_is_not_there_on_any_route(world, upstream, rows):
    strangers = [
        world.other_key(PEPPER, organization="org_b"),
        world.other_key(PEPPER, project="proj_b"),
    ]
    world.publish_for(world.target(upstream.address), grants=[grant for _, grant in strangers])
    await world.in_force()
    mine = (await world.create("Mine")).json
    for key, _ in strangers:
        for method, path in (
            ("GET", ""),
            ("DELETE", ""),
            ("POST", "/cancel"),
            ("GET", "/input_items"),
        ):
            answer = await world.ask(method, f"/{mine['id']}{path}", key=key)
            assert (answer.status, answer.error["code"]) == (404, "response_not_found")
        chained = await world.create(key=key, previous_response_id=mine["id"])
        assert (chained.status, chained.error["code"]) == (400, "previous_response_not_found")
    assert len(rows()) == 1
    assert len(upstream.calls) == 1


@pytest.mark.parametrize(
    "id_", ["resp_none", "x", "resp_" + "a" * 400, "resp_%00", "resp_%27--", "%FF"]
)
async def test_an_id_that_is_none_is_not_found(world, id_):
    answer = await world.ask("GET", "/" + id_)
    assert (answer.status, answer.error["code"]) == (404, "response_not_found")
    chained = await world.create(previous_response_id=id_[:200])
    assert (chained.status, chained.error["code"]) == (400, "previous_response_not_found")


async def test_input_items_are_listed_in_pages(world):
    items = [{"role": "user", "content": f"Item {number}"} for number in range(5)]
    response = (await world.create(items)).json
    path = f"/{response['id']}/input_items"
    page = (await world.ask("GET", path + "?limit=2&order=asc")).json
    assert (page["object"], page["has_more"]) == ("list", True)
    assert [item["content"][0]["text"] for item in page["data"]] == ["Item 0", "Item 1"]
    assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][1]["id"])
    rest = (await world.ask("GET", f"{path}?order=asc&after={page['last_id']}")).json
    assert [item["content"][0]["text"] for item in rest["data"]] == ["Item 2", "Item 3", "Item 4"]
    assert rest["has_more"] is False
    newest_first = (await world.ask("GET", path + "?limit=1&include[]=x")).json
    assert newest_first["data"][0]["content"][0]["text"] == "Item 4"
    for query in ("limit=0", "limit=101", "limit=x", "order=up", "after=nobody"):
        refused = await world.ask("GET", f"{path}?{query}")
        assert (refused.status, refused.error["code"]) == (400, "invalid_value")


async def test_only_what_runs_in_the_background_can_be_cancelled(world):
    response = (await world.create()).json
    answer = await world.ask("POST", f"/{response['id']}/cancel")
    assert (answer.status, answer.error["code"]) == (400, "not_cancellable")


async def test_a_stored_response_is_not_streamed(world):
    response = (await world.create()).json
    answer = await world.ask("GET", f"/{response['id']}?stream=true")
    assert (answer.status, answer.error["param"]) == (400, "stream")


async def test_a_failed_answer_is_not_stored(world, upstream, rows):
    async def fail(call):
        await call.answer(b'{"error":{"message":"no"}}', status=500)

    upstream.script = fail
    answer = await world.create()
    assert answer.status >= 500
    assert rows() == []


async def test_a_stream_that_breaks_off_ends_with_its_failure_and_is_not_stored(
    world, upstream, rows
):
    async def break_off(call):
        await call.begin()
        await call.send(text_event("Hel"))
        call.cut()

    upstream.script = break_off
    answer = await world.create(stream=True)
    response = Checker(answer.body).check()
    assert (response["status"], response["store"]) == ("failed", False)
    assert response["error"]["message"]
    assert rows() == []
    assert (await world.event()).outcome is Outcome.FAILED


async def test_what_a_client_left_is_not_stored(world, upstream, rows):
    async def wait(call):
        await call.begin()
        await call.gone()

    upstream.script = wait
    client = await world.client()
    await client._writer.drain()
    client._writer.write(
        b"POST /v1/responses HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n"
        b"content-length: 32\r\n\r\n"
        % world.key.text.encode()
        + b'{"model": "small", "input":"Hi"}'
    )
    await soon(upstream.came.wait())
    client.reset()
    assert (await world.event()).outcome is Outcome.CANCELLED
    assert rows() == []


async def test_the_path_without_a_version_of_azure_leads_here(world):
    client = await world.client()
    body = json.dumps({"model": "small", "input": "Hi"}).encode()
    answer = await client.call("POST", "/openai/responses?api-version=preview", body)
    assert (answer.status, text_of(answer.json)) == (200, "Hello")
    found = await client.call("GET", f"/openai/v1/responses/{answer.json['id']}")
    assert found.json == answer.json


async def test_a_refused_request_is_counted_and_not_stored(world, rows):
    tool = {"type": "web_search"}
    answer = await world.create(tools=[tool])
    assert (answer.status, answer.error["code"]) == (400, "unsupported_parameter")
    assert "web_search" in answer.error["message"]
    unknown = await world.create(frequency_penalty=1)
    assert (unknown.status, unknown.error["code"]) == (400, "unknown_parameter")
    nobody = await world.ask("POST", model="nobody", input="Hi")
    assert (nobody.status, nobody.error["code"]) == (404, "model_not_found")
    assert rows() == []


# In the background.


async def poll(world, id_, status):
    """Ask as clients do until the response has this status."""
    async with asyncio.timeout(PATIENCE_S):
        while (found := (await world.ask("GET", "/" + id_)).json)["status"] != status:
            await asyncio.sleep(0.01)
    return found


async def test_a_response_runs_on_in_the_background(world, upstream, rows):
    began = await world.create("Hi", background=True)
    assert (began.status, began.json["status"], began.json["background"]) == (200, "queued", True)
    id_ = began.json["id"]
    done = await poll(world, id_, "completed")
    assert (text_of(done), done["store"], done["background"]) == ("Hello", True, True)
    await until(lambda: rows()[0].running_until is None)
    assert (await world.event()).outcome is Outcome.COMPLETED
    again = await world.ask("POST", f"/{id_}/cancel")
    assert (again.status, again.json) == (200, done)
    chained = await world.create("More", previous_response_id=id_)
    assert chained.status == 200
    assert len(upstream.calls[-1].json["messages"]) == 3


async def test_a_response_in_the_background_is_cancelled(world, upstream, rows):
    async def wait(call):
        await call.gone()

    upstream.script = wait
    id_ = (await world.create("Hi", background=True)).json["id"]
    await soon(upstream.came.wait())
    assert (await world.ask("GET", "/" + id_)).json["status"] == "in_progress"
    chained = await world.create(previous_response_id=id_)
    assert (chained.status, chained.error["param"]) == (400, "previous_response_id")
    for _ in range(2):
        cancelled = await world.ask("POST", f"/{id_}/cancel")
        assert (cancelled.status, cancelled.json["status"]) == (200, "cancelled")
    assert (await world.event()).outcome is Outcome.CANCELLED
    assert (await world.ask("GET", "/" + id_)).json["status"] == "cancelled"
    await until(lambda: rows()[0].running_until is None)


async def test_a_failure_in_the_background_is_told_by_the_response(world, upstream):
    async def refuse(call):
        await call.answer(b'{"error":{"message":"no such tool"}}', status=400)

    upstream.script = refuse
    id_ = (await world.create("Hi", background=True)).json["id"]
    failed = await poll(world, id_, "failed")
    assert failed["error"]["message"] == "no such tool"


async def test_a_response_that_is_deleted_while_it_runs_stays_deleted(world, upstream, rows):
    async def wait(call):
        await call.gone()

    upstream.script = wait
    id_ = (await world.create("Hi", background=True)).json["id"]
    await soon(upstream.came.wait())
    assert (await world.ask("DELETE", "/" + id_)).status == 200
    assert (await world.event()).outcome is Outcome.CANCELLED
    assert rows() == []


@pytest.mark.parametrize(
    ("members", "param"), [({"stream": True}, "stream"), ({"store": False}, "background")]
)
async def test_what_cannot_run_in_the_background_is_refused(world, upstream, members, param):
    answer = await world.create(background=True, **members)
    assert (answer.status, answer.error["param"]) == (400, param)
    nobody = await world.ask("POST", model="nobody", input="Hi", background=True)
    assert (nobody.status, nobody.error["code"]) == (404, "model_not_found")
    assert upstream.calls == []


async def test_a_gateway_that_stops_lets_what_runs_end(world, upstream, rows):
    id_ = (await world.create("Hi", background=True)).json["id"]
    await world.drain()
    [row] = rows()
    assert (row.id, row.running_until) == (id_, None)
    assert json.loads(bytes(row.response))["status"] == "completed"


async def test_a_gateway_that_stops_fails_what_does_not_end(tmp_path, upstream, store, rows):
    async def wait(call):
        await call.gone()

    upstream.script = wait
    world = ResponsesWorld(tmp_path, backstage=store, drain_timeout_s=0.05)
    world.publish_for(world.target(upstream.address))
    await world.start()
    await world.create("Hi", background=True)
    await soon(upstream.came.wait())
    await world.stop()
    [row] = rows()
    assert row.running_until is None
    assert json.loads(bytes(row.response))["status"] == "failed"


async def test_one_whose_gateway_died_is_shown_as_failed(world, database, rows):
    id_ = (await world.create("Hi", background=True)).json["id"]
    await until(lambda: rows()[0].running_until is None)
    with database.transaction() as tx:
        tx.execute(text("UPDATE stored_response SET running_until = now() - interval '1 second'"))
    lost = (await world.ask("GET", "/" + id_)).json
    assert (lost["status"], lost["error"]["code"]) == ("failed", "server_error")
    assert (await world.ask("POST", f"/{id_}/cancel")).json["status"] == "failed"


async def test_another_gateway_can_cancel_what_runs_here(
    tmp_path_factory, world, upstream, store, rows
):
    async def wait(call):
        await call.gone()

    upstream.script = wait
    other = ResponsesWorld(tmp_path_factory.mktemp("g"), backstage=store)
    other.key, other.grant = world.key, world.grant
    other.publish_for(other.target(upstream.address))
    await other.start()
    id_ = (await world.create("Hi", background=True)).json["id"]
    await soon(upstream.came.wait())
    cancelled = await other.ask("POST", f"/{id_}/cancel")
    await other.stop()
    assert (cancelled.status, cancelled.json["status"]) == (200, "cancelled")
    # The gateway that runs it learns of that when it next says that it still does.
    await until(world.events)
    assert world.events()[0].outcome is Outcome.CANCELLED


# At a host that speaks the dialect itself.


async def test_a_native_host_gets_the_request_and_what_it_answers_is_stored_here(
    world, upstream, rows
):
    async def script(call):
        assert b"POST /v1/responses " in call.head
        asked = call.json
        assert (asked["model"], asked["store"]) == ("upstream-model", False)
        assert "previous_response_id" not in asked
        search = {"id": "ws_1", "type": "web_search_call", "status": "completed"}
        content = [{"type": "output_text", "text": "Found", "annotations": []}]
        message = {"id": "m", "type": "message", "role": "assistant", "content": content}
        response = {
            "id": "resp_host",
            "object": "response",
            "created_at": 1,
            "status": "completed",
            "model": "upstream-model",
            "store": False,
            "output": [search, message],
            "usage": {"input_tokens": 10, "output_tokens": 3, "total_tokens": 13},
        }
        await call.answer(json.dumps(response).encode())

    upstream.script = script
    world.publish_for(world.target(upstream.address, provider="openai"))
    await world.in_force()
    tools = [{"type": "web_search"}]
    first = (await world.create("One", tools=tools)).json
    assert (first["store"], first["model"], text_of(first)) == (True, "tw/small", "Found")
    assert first["id"] != "resp_host"
    second = await world.create("Two", tools=tools, previous_response_id=first["id"])
    assert second.json["previous_response_id"] == first["id"]
    assert [item["type"] for item in upstream.calls[-1].json["input"]] == [
        "message",
        "web_search_call",
        "message",
        "message",
    ]
    assert {row.id for row in rows()} == {first["id"], second.json["id"]}
    event = world.events()[0]
    assert (event.usage.input_tokens, event.usage.output_tokens) == (10, 3)
