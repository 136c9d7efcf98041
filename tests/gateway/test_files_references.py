"""Files in requests: whose they are, what the host calls them, and which host gets the call."""

import json

import pytest
from files_parts import FilesWorld
from gateway_parts import MODEL, whole_answer
from scripted_upstream import ScriptedUpstream

from tests.features.files.file_parts import id_of, kept_file
from tradewind.gateway.files_references import may_name_files
from tradewind.wire.stored_files import FoundFiles, decode_names, encode

MINE, ALSO_MINE, ELSEWHERE, NOBODYS = (id_of(number) for number in (1, 2, 3, 4))
KEPT = {
    file.id: file
    for file in (
        kept_file(1, provider_file_id="file-theirs1"),
        kept_file(2, provider_file_id="file-theirs2"),
        kept_file(3, provider_file_id="file-elsewhere", connection_id="conn_2"),
    )
}


@pytest.fixture
async def store(tmp_path):
    """A control plane that knows three files of one project."""

    async def find(call):
        path = call.head.split(b" ")[1]
        if path != b"/files/find":
            await call.answer(b"", status=204)
            return
        named = decode_names(call.body)
        is_owner = (named.owner.organization_id, named.owner.project_id) == ("org_a", "proj_a")
        found = [KEPT[id_] for id_ in named.ids if id_ in KEPT and is_owner]
        await call.answer(encode(FoundFiles(found)))

    async with ScriptedUpstream(find, path=tmp_path / "s.sock") as store:
        yield store


@pytest.fixture
async def elsewhere():
    async with ScriptedUpstream(say_hi) as running:
        yield running


async def say_hi(call):
    await call.answer(whole_answer())


@pytest.fixture
async def world(tmp_path, upstream, elsewhere, store):
    """One model at two hosts; the files are at the accounts of either."""
    world = FilesWorld(tmp_path, backstage=store.address)
    upstream.script = say_hi
    targets = (
        world.target(elsewhere.address, "rep_2", deployment_id="conn_2", host="two", tier=0),
        world.target(upstream.address, "rep_1", deployment_id="conn_1", host="one", tier=1),
    )
    world.publish(world.endpoint(*targets))
    await world.start()
    yield world
    await world.stop()


async def send(world, path, body, **options):
    client = await world.client()
    raw = body if isinstance(body, bytes) else json.dumps({"model": MODEL, **body}).encode()
    return await client.call("POST", path, raw, **options)


def asking(*parts):
    return {"messages": [{"role": "user", "content": list(parts)}]}


def naming(id_):
    return {"type": "file", "file": {"file_id": id_}}


async def test_files_are_called_as_their_host_calls_them(world, upstream, elsewhere):
    for _ in range(3):
        answer = await world.ask_about(MINE, ALSO_MINE)
        assert answer.status == 200, answer.body
        assert answer.header("x-tradewind-deployment") == "conn_1"
        assert answer.header("x-tradewind-route") == "only allowed target"
    [message] = upstream.calls[0].json["messages"]
    assert [part["file"]["file_id"] for part in message["content"]] == [
        "file-theirs1",
        "file-theirs2",
    ]
    assert not elsewhere.calls, "the lower tier has not the files"


async def test_the_call_goes_where_the_file_is(world, upstream, elsewhere):
    answer = await world.ask_about(ELSEWHERE)
    assert answer.header("x-tradewind-deployment") == "conn_2"
    assert (len(upstream.calls), len(elsewhere.calls)) == (0, 1)


async def test_files_at_two_hosts_are_at_none(world, upstream, elsewhere):
    answer = await world.ask_about(MINE, ELSEWHERE)
    assert (answer.status, answer.error["code"]) == (400, "file_at_other_host")
    assert not upstream.calls
    assert not elsewhere.calls


async def test_a_model_that_is_not_where_the_file_is_is_refused(world, upstream):
    target = world.target(upstream.address, "rep_1", deployment_id="conn_1")
    world.publish(world.endpoint(target))
    await world.in_force()
    answer = await world.ask_about(ELSEWHERE)
    assert (answer.status, answer.error["code"]) == (400, "file_at_other_host")
    assert (await world.ask_about(MINE)).status == 200


@pytest.mark.parametrize("id_", [NOBODYS, "file-theirs1", "", "x" * 5000, "file-é"])
async def test_an_unknown_file_is_named(world, upstream, id_):
    answer = await world.ask_about(MINE, id_)
    assert (answer.status, answer.error["code"]) == (404, "file_not_found")
    assert id_[:128] in answer.error["message"]
    assert len(answer.body) < 1000
    assert not upstream.calls


async def test_another_projects_file_is_unknown(world, upstream):
    key, grant = world.other_key(project="proj_b")
    world.publish(
        world.endpoint(world.target(upstream.address, deployment_id="conn_1")),
        grants=[world.grant, grant],
    )
    await world.in_force()
    answer = await world.ask_about(MINE, key=key)
    assert (answer.status, answer.error["code"]) == (404, "file_not_found")


async def test_more_files_than_may_be_named_are_refused(world, store):
    answer = await world.ask_about(*(id_of(number) for number in range(65)))
    assert (answer.status, answer.error["code"]) == (400, "invalid_value")
    assert not store.calls


THEIRS = "file-theirs2"
# Ways to write the provider's own id so that a search does not see it.
TRICKS = [
    rb'{"type":"file","file":{"file\u005fid":"%s"}}',
    rb'{"type":"file","file":{"\u0066\u0069le_id":"%s"}}',
    rb'{"type":"file","file":{"file_id":"\u0066ile-theirs2"}}',
    rb'{"type":"input_file","file_id":"%s"}',
    rb'{"type":"input_image","file_id":"%s"}',
    rb'{"type":"code_interpreter","container":{"type":"auto","file_ids":["%s"]}}',
    rb'{"type":"image","source":{"type":"file","file_id":"%s"}}',
]


@pytest.mark.parametrize("part", TRICKS)
@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/messages",
        "/openai/v1/responses",
        f"/openai/deployments/{MODEL}/chat/completions",
    ],
)
async def test_a_providers_id_gets_nowhere_however_it_is_written(
    world, upstream, elsewhere, path, part
):
    part = part.replace(b"%s", THEIRS.encode())
    name = b"input" if path.endswith("responses") else b"messages"
    body = b'{"model":"%b","max_tokens":9,"%b":[{"role":"user","content":[%b]}]}'
    if name == b"input":
        body = body.replace(b'"max_tokens":9,', b'"store":false,')
    answer = await send(world, path, body % (MODEL.encode(), name, part))
    assert answer.status == 404, answer.body
    assert not upstream.calls
    assert not elsewhere.calls


async def test_a_member_that_comes_twice_is_sent_once(world, upstream):
    body = (
        b'{"model":"%b","messages":[{"role":"user","content":[{"type":"file","file":'
        b'{"file_id":"%b","file_id":"%b"}}]}]}'
    )
    answer = await send(
        world,
        "/v1/chat/completions",
        body % (MODEL.encode(), THEIRS.encode(), MINE.encode()),
    )
    assert answer.status == 200
    assert THEIRS.encode() not in upstream.calls[0].body
    assert upstream.calls[0].body.count(b"file_id") == 1


async def test_what_a_models_functions_are_told_is_no_reference(world, upstream, elsewhere, store):
    function = {
        "name": "open",
        "parameters": {"type": "object", "properties": {"file_id": {"default": "x"}}},
    }
    call = {
        "id": "c",
        "type": "function",
        "function": {"name": "open", "arguments": '{"file_id":1}'},
    }
    body = {
        "messages": [
            {"role": "user", "content": 'what is "file_id"?'},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": '{"file_id": "file-1"}'},
        ],
        "tools": [{"type": "function", "function": function}],
        "metadata": {"file_id": "our own"},
    }
    answer = await send(world, "/v1/chat/completions", body)
    assert answer.status == 200, answer.body
    assert not store.calls
    [sent] = elsewhere.calls
    assert sent.json["messages"] == body["messages"]
    assert sent.json["tools"] == body["tools"]
    assert sent.json["metadata"] == body["metadata"]


async def test_an_anthropic_tools_input_is_no_reference(world, elsewhere):
    use = {"type": "tool_use", "id": "t", "name": "open", "input": {"file_id": "x"}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "done"}
    body = {
        "max_tokens": 9,
        "messages": [
            {"role": "user", "content": "open it"},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [result]},
        ],
    }
    answer = await send(world, "/v1/messages", body)
    assert answer.status == 200, answer.body
    assert len(elsewhere.calls) == 1


async def test_requests_without_files_ask_nobody(world, store):
    body = asking({"type": "text", "text": "h\u00e9llo \\u0066 file-id"})
    assert (await send(world, "/v1/chat/completions", body)).status == 200
    assert not store.calls


@pytest.fixture
async def native(world, upstream):
    """The model at a host that speaks Responses itself."""
    upstream.script = respond
    target = world.target(upstream.address, "rep_1", "openai", deployment_id="conn_1")
    world.publish(world.endpoint(target, context_tokens=100_000))
    await world.in_force()
    return world


async def respond(call):
    cited = {"type": "file_citation", "file_id": "file-noted-by-host", "index": 0}
    content = [{"type": "output_text", "text": "Hi", "annotations": [cited]}]
    message = {"type": "message", "id": "msg_1", "role": "assistant", "content": content}
    body = {
        "id": "resp_x",
        "object": "response",
        "status": "completed",
        "model": "upstream-model",
        "output": [message],
        "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
    }
    await call.answer(json.dumps(body).encode())


def of_responses(*parts, **members):
    return {"input": [{"role": "user", "content": list(parts)}], **members}


async def test_files_of_responses_are_translated(native, upstream):
    body = of_responses(
        {"type": "input_file", "file_id": MINE},
        {"type": "input_image", "file_id": ALSO_MINE},
        {"type": "input_text", "text": f'"{MINE}"'},
        store=False,
        tools=[{"type": "code_interpreter", "container": {"type": "auto", "file_ids": [MINE]}}],
    )
    answer = await send(native, "/v1/responses", body)
    assert answer.status == 200, answer.body
    sent = upstream.calls[0].json
    file, image, said = sent["input"][0]["content"]
    assert (file["file_id"], image["file_id"]) == ("file-theirs1", "file-theirs2")
    assert said["text"] == f'"{MINE}"', "what is only said is left as it is"
    assert sent["tools"][0]["container"]["file_ids"] == ["file-theirs1"]


def test_a_form_with_a_files_name_in_it_is_no_reference():
    assert not may_name_files(b'--b\r\ncontent-disposition: form-data; name="file_id"\r\n')
    assert may_name_files(b'{"file_id"')
    assert may_name_files(rb'{"file\u005fid"')
    assert not may_name_files(rb'{"text": "\u00e9 \u003cb\u003e"}')
