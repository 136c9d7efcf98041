"""The Files API on a running gateway: fake hosts, and the real records over PostgreSQL."""

import asyncio
import json

import pytest
from files_parts import FilesWorld, form_of
from gateway_parts import MODEL, soon, until
from scripted_upstream import ScriptedUpstream
from sqlalchemy import text

from tradewind.control.backstage.app import BackstageServices, create_backstage
from tradewind.core.clock import SystemClock
from tradewind.plugins.providers.fakes.host import FakeHost, Fault
from tradewind.plugins.providers.fakes.registry import fakes
from tradewind.serve.backstage import backstage_served
from tradewind.snapshot.contents import Conditions, Limits, Terms
from tradewind.usage.event import Outcome, Refused, UsageSource
from tradewind.wire.stored_files import MOST_FILES_A_PROJECT

pytestmark = pytest.mark.postgres

RESPONSE = {
    "id": "resp_x",
    "object": "response",
    "status": "completed",
    "model": "upstream-model",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "content": [
                {
                    "type": "output_text",
                    "text": "Hi",
                    "annotations": [{"type": "file_citation", "file_id": "file-n", "index": 0}],
                }
            ],
        }
    ],
    "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
}
CONNECTION, OTHER_CONNECTION = "conn_1", "conn_2"


@pytest.fixture
def store(database, tmp_path):
    """The control plane's part, on its socket."""
    path = tmp_path / "b.sock"
    app = create_backstage(BackstageServices(database, SystemClock()))
    with backstage_served(app, path):
        yield str(path)


@pytest.fixture
def rows(database):
    def read(what="*"):
        with database.transaction() as tx:
            return tx.execute(text(f"SELECT {what} FROM stored_file ORDER BY id")).all()

    return read


@pytest.fixture
async def host(request):
    async with FakeHost(fakes()[getattr(request, "param", "openai")]) as host:
        yield host


@pytest.fixture
async def world(tmp_path, host, store):
    world = FilesWorld(tmp_path, backstage=store)
    world.publish_all(world.endpoint(world.at(host, CONNECTION)))
    await world.start()
    yield world
    await world.stop()


@pytest.mark.parametrize("host", ["openai", "openai_compatible", "azure_openai"], indirect=True)
@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1", "/openai"])
async def test_a_file_is_uploaded_listed_read_and_deleted(world, host, rows, prefix):
    made = await world.upload(b"\x00Hello\r\n--x" * 3000, prefix=prefix)
    assert made.status == 200, made.body
    file = made.json
    assert file == {
        "id": file["id"],
        "object": "file",
        "bytes": 33000,
        "created_at": file["created_at"],
        "filename": "notes.txt",
        "purpose": "assistants",
        "status": "processed",
        "expires_at": None,
    }
    [(theirs, kept)] = host.vendor.files.kept.items()
    assert (kept.content, kept.purpose) == (b"\x00Hello\r\n--x" * 3000, "assistants")
    assert theirs not in made.body.decode(), "the host's own id stays here"
    [row] = rows()
    assert (row.connection_id, row.provider_file_id, row.id) == (CONNECTION, theirs, file["id"])

    async def ask(method, path):
        return await world.files(method, path, prefix=prefix)

    assert (await ask("GET", f"/{file['id']}")).json == file
    page = (await ask("GET", "")).json
    ends = {"first_id": file["id"], "last_id": file["id"], "has_more": False}
    assert page == {"object": "list", "data": [file], **ends}
    content = await ask("GET", f"/{file['id']}/content")
    assert (content.status, content.body) == (200, kept.content)
    assert content.header("content-disposition") == "attachment; filename*=UTF-8''notes.txt"
    assert content.header("x-content-type-options") == "nosniff"
    gone = await ask("DELETE", f"/{file['id']}")
    assert gone.json == {"id": file["id"], "object": "file", "deleted": True}
    assert (host.vendor.files.kept, rows()) == ({}, [])
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        missing = await ask(method, f"/{file['id']}{path}")
        assert (missing.status, missing.error["code"]) == (404, "file_not_found")


async def test_calls_that_reach_the_host_are_admitted_and_recorded(world, host):
    host_calls = len(host.requests)
    file = (await world.upload(headers=[("x-tradewind-tags", "team=search")])).json
    read = await world.files("GET", f"/{file['id']}/content")
    await world.files("DELETE", f"/{file['id']}")
    await until(lambda: len(world.events()) == 3)
    assert len(host.requests) - host_calls == 3
    for event in world.events():
        assert (event.operation, event.model, event.http_status) == ("files", MODEL, 200)
        assert (event.outcome, event.cost_nanos) == (Outcome.COMPLETED, 0)
        assert event.usage.source is UsageSource.NONE
        assert event.deployment_id == CONNECTION
        assert event.trail.attempts[0].host == "openai"
    assert world.events()[0].trail.tags == {"team": "search"}
    assert read.header("x-request-id") == "req_" + world.events()[1].event_id.hex()
    assert read.header("x-tradewind-deployment") == CONNECTION


async def test_what_the_limit_forbids_is_not_done(world, host):
    file = (await world.upload()).json
    world.publish_all(
        world.endpoint(world.at(host, CONNECTION)), terms=(Terms("org_a", limits=Limits(0)),)
    )
    await world.in_force()
    reached = len(host.requests)
    for answer in (
        await world.upload(),
        await world.files("GET", f"/{file['id']}/content"),
        await world.files("DELETE", f"/{file['id']}"),
    ):
        assert (answer.status, answer.error["code"]) == (429, "rate_limit_exceeded")
    assert len(host.requests) == reached
    refused = [record for record in world.records() if isinstance(record, Refused)]
    assert [record.operation for record in refused] == ["files"] * 3


async def test_concurrent_calls_are_given_back(world, host):
    terms = (Terms("org_a", limits=Limits(concurrent_requests=1)),)
    world.publish_all(world.endpoint(world.at(host, CONNECTION)), terms=terms)
    await world.in_force()
    for _ in range(3):
        file = (await world.upload()).json
        assert (await world.files("GET", f"/{file['id']}/content")).status == 200
        assert (await world.files("DELETE", f"/{file['id']}")).status == 200


@pytest.mark.parametrize("owner", [{"organization": "org_b"}, {"project": "proj_b"}])
async def test_another_projects_file_looks_as_if_it_were_not_there(world, host, owner):
    key, grant = world.other_key(**owner)
    world.publish_all(world.endpoint(world.at(host, CONNECTION)), grants=[grant])
    await world.in_force()
    file = (await world.upload(b"secret")).json
    [theirs] = host.vendor.files.kept
    nowhere = "file-" + "0" * 26
    reached = len(host.requests)
    for method, part in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        unknown = await world.files(method, f"/{nowhere}{part}", key=key)
        assert unknown.status == 404
        for id_ in (file["id"], theirs):
            answer = await world.files(method, f"/{id_}{part}", key=key)
            assert answer.status == 404
            assert answer.error == unknown.error | {
                "message": unknown.error["message"].replace(nowhere, id_)
            }
    assert (await world.files("GET", key=key)).json["data"] == []
    after = await world.files("GET", f"?after={file['id']}", key=key)
    assert (after.status, after.error["param"]) == (400, "after")
    for id_ in (file["id"], theirs, nowhere):
        answer = await world.ask_about(id_, key=key)
        assert (answer.status, answer.error["code"]) == (404, "file_not_found")
        assert id_ in answer.error["message"]
    assert len(host.requests) == reached, "nothing of it reached the host"
    assert (await world.files("GET", f"/{file['id']}/content")).body == b"secret"


async def test_a_providers_id_means_nothing_even_to_the_owner(world, host):
    await world.upload()
    [theirs] = host.vendor.files.kept
    assert (await world.files("GET", f"/{theirs}")).status == 404
    assert (await world.ask_about(theirs)).status == 404


async def test_the_other_fields_of_a_form_are_carried(world, host):
    fields = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    made = await world.upload(purpose="batch", **fields)
    assert (made.json["purpose"], made.json["expires_at"]) == ("batch", 4_000_003_600)
    [kept] = host.vendor.files.kept.values()
    assert kept.expires_after_s == 3600


async def test_lists_have_pages_and_purposes(world):
    ids = [
        (await world.upload(purpose="batch" if number == 2 else "assistants")).json["id"]
        for number in range(4)
    ]

    async def listed(query):
        page = (await world.files("GET", query)).json
        return [file["id"] for file in page["data"]], page["has_more"]

    assert await listed("?limit=3") == (ids[:0:-1], True)
    assert await listed(f"?limit=3&order=asc&after={ids[1]}") == (ids[2:], False)
    assert await listed("?purpose=batch") == ([ids[2]], False)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("limit=x", "limit"),
        ("limit=" + "9" * 400, "limit"),
        ("order=up", "order"),
        ("after=file-1", "after"),
        ("after=file-" + "0" * 26, "after"),
    ],
)
async def test_queries_that_mean_nothing_are_refused(world, query, param):
    answer = await world.files("GET", f"?{query}")
    assert (answer.status, answer.error["param"]) == (400, param)


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"content": None}, "file"),
        ({"purpose": None}, "purpose"),
        ({"purpose": "x" * 65}, "purpose"),
    ],
)
async def test_a_form_without_what_it_needs_is_refused(world, host, form, param):
    answer = await world.upload(**form)
    assert (answer.status, answer.error["param"]) == (400, param), answer.body
    assert host.requests == []


async def test_what_is_no_form_is_refused(world):
    answer = await world.files("POST", body=b"{}", headers=[("content-type", "application/json")])
    assert (answer.status, answer.error["code"]) == (400, "invalid_form")


# Which host.


@pytest.fixture
async def other_host():
    async with FakeHost(fakes()["openai_compatible"]) as host:
        yield host


@pytest.fixture
async def two_hosts(world, host, other_host):
    world.publish_all(
        world.endpoint(world.at(host, CONNECTION)),
        world.endpoint(world.at(other_host, OTHER_CONNECTION), name="tw/other", aliases=()),
    )
    await world.in_force()
    return world


async def test_with_two_hosts_a_model_has_to_be_named(two_hosts, host, other_host):
    answer = await two_hosts.upload()
    assert (answer.status, answer.error["code"]) == (400, "missing_model")
    assert "'tw/small'" in answer.error["message"]
    assert "'tw/other'" in answer.error["message"]
    ways = [
        {"query": "?model=tw/other"},
        {"headers": [("x-tradewind-model", "tw/other")]},
        {"model": "tw/other"},
    ]
    for number, way in enumerate(ways, 1):
        made = await two_hosts.upload(**way)
        assert made.header("x-tradewind-model") == "tw/other", made.body
        assert len(other_host.vendor.files.kept) == number
    assert host.vendor.files.kept == {}
    both = await two_hosts.upload(model="tw/small", query="?model=tw/other")
    assert (both.status, both.error["code"]) == (400, "invalid_value")


async def test_a_key_of_one_model_has_its_host_alone(two_hosts, host, other_host):
    key, grant = two_hosts.other_key(models=frozenset({"tw/other"}))
    two_hosts.publish_all(
        two_hosts.endpoint(two_hosts.at(host, CONNECTION)),
        two_hosts.endpoint(two_hosts.at(other_host, OTHER_CONNECTION), name="tw/other", aliases=()),
        grants=[grant],
    )
    await two_hosts.in_force()
    assert (await two_hosts.upload(key=key)).status == 200
    assert len(other_host.vendor.files.kept) == 1
    refused = await two_hosts.upload(key=key, query="?model=tw/small")
    assert (refused.status, refused.error["code"]) == (403, "model_not_allowed")
    # The same project's file at the other host is on its list and out of this key's reach.
    file = (await two_hosts.upload(query="?model=tw/small")).json
    assert (await two_hosts.files("GET", f"/{file['id']}", key=key)).status == 200
    for method, part in (("GET", "/content"), ("DELETE", "")):
        answer = await two_hosts.files(method, f"/{file['id']}{part}", key=key)
        assert (answer.status, answer.error["code"]) == (409, "file_out_of_reach")


async def test_a_file_is_read_through_another_model_at_its_host(world, host):
    file = (await world.upload(b"Hello")).json
    world.publish_all(
        world.endpoint(world.at(host, CONNECTION), name="tw/successor", aliases=()),
    )
    await world.in_force()
    assert (await world.files("GET", f"/{file['id']}/content")).body == b"Hello"


@pytest.mark.parametrize("provider", ["anthropic", "llama_server"])
async def test_hosts_without_files_are_told(world, provider):
    async with FakeHost(fakes()[provider]) as host:
        world.publish_all(world.endpoint(world.at(host, CONNECTION)))
        await world.in_force()
        for way in ({}, {"query": "?model=small"}):
            answer = await world.upload(**way)
            assert (answer.status, answer.error["code"]) == (400, "files_not_supported")
        assert host.requests == []
    unknown = await world.upload(query="?model=nobody")
    assert (unknown.status, unknown.error["code"]) == (404, "model_not_found")


async def test_a_policy_keeps_files_from_hosts_that_keep_data(world, host):
    world.publish_all(
        world.endpoint(world.at(host, CONNECTION, retains_data=True)),
        terms=(Terms("org_a", conditions=Conditions(no_retention=True)),),
    )
    await world.in_force()
    named = await world.upload(query="?model=small")
    assert (named.status, named.error["code"]) == (403, "not_allowed_by_policy")
    assert (await world.upload()).error["code"] == "files_not_supported"
    assert host.requests == []


# What goes wrong.


async def test_a_project_with_too_many_files_is_told_what_to_do(world, host, database, rows):
    with database.transaction() as tx:
        tx.execute(
            text(
                "INSERT INTO stored_file SELECT 'org_a', 'proj_a', 'file-' || lpad(n::text, 26,"
                " '0'), 'conn_9', n::text, 'm', 'n', 'batch', 1, 'processed', now(), NULL"
                " FROM generate_series(1, :most) n"
            ),
            {"most": MOST_FILES_A_PROJECT},
        )
    answer = await world.upload()
    assert (answer.status, answer.error["code"]) == (409, "too_many_files")
    assert "Delete some" in answer.error["message"]
    assert host.requests == [], "nothing travelled in vain"
    assert len((await world.files("GET")).json["data"]) == MOST_FILES_A_PROJECT
    with database.transaction() as tx:
        tx.execute(text("DELETE FROM stored_file WHERE provider_file_id = '7'"))
    assert (await world.upload()).status == 200


@pytest.fixture
async def scripted_store(tmp_path):
    """A control plane that does what a test says."""
    async with ScriptedUpstream(path=tmp_path / "s.sock") as store:
        yield store


@pytest.fixture
async def alone(tmp_path, host, scripted_store):
    """A gateway over the scripted control plane."""
    world = FilesWorld(tmp_path, backstage=scripted_store.address)
    world.publish_all(world.endpoint(world.at(host, CONNECTION)))
    await world.start()
    yield world
    await world.stop()


def has_room_but(status, body=b""):
    """The control plane has room for a file and then does not record it."""

    async def script(call):
        if b"/files/room" in call.head.partition(b"\r\n")[0]:
            await call.answer(b"", status=204)
        else:
            await call.answer(body, status=status)

    return script


async def test_what_cannot_be_recorded_is_deleted_at_its_host(alone, host, scripted_store):
    scripted_store.script = has_room_but(503)
    answer = await alone.upload()
    assert (answer.status, answer.error["code"]) == (503, "files_unavailable")
    await until(lambda: host.vendor.files.kept == {})
    assert [request.method for request in host.requests] == ["POST", "DELETE"]
    asked = [call.head.split(b" ")[1] for call in scripted_store.calls]
    assert asked == [b"/files/room", b"/files", b"/files/delete"]
    event = await alone.event()
    assert (event.outcome, event.http_status) == (Outcome.FAILED, 503)


async def test_what_was_filled_up_meanwhile_is_deleted_at_its_host(alone, host, scripted_store):
    scripted_store.script = has_room_but(409, b'{"why":"full"}')
    answer = await alone.upload()
    assert (answer.status, answer.error["code"]) == (409, "too_many_files")
    await until(lambda: host.vendor.files.kept == {})
    assert len(host.requests) == 2


async def test_another_files_bytes_are_not_deleted_with_a_refused_one(alone, host, scripted_store):
    scripted_store.script = has_room_but(409, b'{"why":"taken"}')
    answer = await alone.upload()
    assert (answer.status, answer.error["code"]) == (502, "upstream_error")
    assert [request.method for request in host.requests] == ["POST"]
    assert len(host.vendor.files.kept) == 1


async def test_without_a_control_plane_nothing_is_uploaded(alone, host, scripted_store):
    async def fail(call):
        await call.answer(b"", status=503)

    scripted_store.script = fail
    id_ = "file-" + "0" * 26
    for answer in (
        await alone.upload(),
        await alone.files("GET"),
        await alone.files("GET", f"/{id_}"),
        await alone.files("DELETE", f"/{id_}"),
        await alone.ask_about(id_),
    ):
        assert (answer.status, answer.error["code"]) == (503, "files_unavailable")
        assert answer.number("retry-after-ms") > 0
    assert host.requests == []


async def test_a_file_that_was_uploaded_for_nobody_is_deleted_again(
    tmp_path, upstream, scripted_store
):
    """The client leaves while the host still takes the file."""
    may_answer = asyncio.Event()

    async def take(call):
        if call.head.startswith(b"POST"):
            await may_answer.wait()
            await call.answer(b'{"id": "file-theirs", "bytes": 5}')
        else:
            await call.answer(b'{"deleted": true}')

    scripted_store.script = has_room_but(204)
    upstream.script = take
    world = FilesWorld(tmp_path, backstage=scripted_store.address)
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.start()
    try:
        client = await world.client()
        body = form_of()
        kind = ("content-type", "multipart/form-data; boundary=xYzZY")
        asking = asyncio.ensure_future(client.call("POST", "/v1/files", body, headers=[kind]))
        await soon(upstream.came.wait())
        client.reset()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asking
        await until_connections_close(world)
        may_answer.set()
        await until(lambda: len(upstream.calls) == 2)
        assert upstream.calls[1].head.startswith(b"DELETE /v1/files/file-theirs ")
        event = await world.event()
        assert (event.outcome, event.http_status) == (Outcome.CANCELLED, 499)
        asked = [call.head.split(b" ")[1] for call in scripted_store.calls]
        assert asked == [b"/files/room"], "nothing was recorded"
    finally:
        await world.stop()


async def until_connections_close(world):
    """Wait until the gateway has seen that only the asking connection is left."""
    client = await world.client()
    async with asyncio.timeout(30):
        while True:
            answer = await client.call("GET", "/metrics", key=None)
            if b"\ntradewind_open_connections 1\n" in answer.body:
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((404, b"not found"), (400, "files_not_supported")),
        ((405, b""), (400, "files_not_supported")),
        ((400, b'{"error": {"message": "bad jsonl", "code": "bad_file"}}'), (400, "bad_file")),
        ((401, b"{}"), (502, "upstream_error")),
        ((429, b"{}"), (429, "model_busy")),
        ((200, b"<html>"), (502, "upstream_error")),
        ((200, b'{"id": "a\\r\\nb"}'), (502, "upstream_error")),
        ((200, b'{"id": ""}'), (502, "upstream_error")),
        ((200, b'{"id": "' + b"x" * 300_000 + b'"}'), (502, "upstream_error")),
    ],
)
async def test_a_host_that_refuses_or_talks_nonsense(
    tmp_path, upstream, scripted_store, answer, expected
):
    status, body = answer

    async def answer_so(call):
        await call.answer(body, status=status)

    scripted_store.script = has_room_but(204)
    upstream.script = answer_so
    world = FilesWorld(tmp_path, backstage=scripted_store.address)
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.start()
    try:
        answer = await world.upload()
        assert (answer.status, answer.error["code"]) == expected
        assert (await world.event()).outcome is Outcome.FAILED
        # The chat of such a host goes on: what it says of files is no sign of its health.
        metrics = await (await world.client()).call("GET", "/metrics", key=None)
        assert b'kind="rests"} 0\n' in metrics.body
    finally:
        await world.stop()


async def test_a_host_that_is_not_there_is_502(world, host):
    async with FakeHost(fakes()["openai"], Fault.REFUSE) as nobody:
        world.publish_all(world.endpoint(world.at(nobody, CONNECTION)))
        await world.in_force()
        answer = await world.upload()
        assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")


async def test_a_file_that_its_host_has_lost_can_still_be_deleted(world, host, rows):
    file = (await world.upload()).json
    host.vendor.files.kept.clear()
    lost = await world.files("GET", f"/{file['id']}/content")
    assert (lost.status, lost.error["code"]) == (404, "file_not_found")
    assert (await world.files("DELETE", f"/{file['id']}")).status == 200
    assert rows() == []


async def test_a_download_that_is_hung_up_on_is_stopped(tmp_path, store, upstream):
    gone = asyncio.Event()

    async def serve(call):
        if call.head.startswith(b"POST"):
            await call.answer(b'{"id": "file-theirs", "bytes": 5}')
            return
        await call.begin(content_type="text/html")
        await call.send(b"x" * 1000)
        await call.gone()
        gone.set()

    upstream.script = serve
    world = FilesWorld(tmp_path, backstage=store)
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.start()
    try:
        file = (await world.upload()).json
        client = await world.client()
        head = await client.ask("GET", f"/v1/files/{file['id']}/content")
        assert head.header("content-type") == "text/html"
        client.reset()
        await soon(gone.wait())
        await until(lambda: len(world.events()) == 2)
        assert world.events()[-1].outcome is Outcome.CANCELLED
    finally:
        await world.stop()


async def test_a_cut_download_does_not_look_whole(tmp_path, store, upstream):
    async def serve(call):
        if call.head.startswith(b"POST"):
            await call.answer(b'{"id": "file-theirs", "bytes": 5}')
            return
        await call.begin(content_type="text/plain")
        await call.send(b"x" * 1000)
        call.cut()

    upstream.script = serve
    world = FilesWorld(tmp_path, backstage=store)
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.start()
    try:
        file = (await world.upload()).json
        client = await world.client()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await client.call("GET", f"/v1/files/{file['id']}/content")
        await until(lambda: len(world.events()) == 2)
        assert world.events()[-1].outcome is Outcome.FAILED
    finally:
        await world.stop()


@pytest.mark.parametrize("name", ["../x", 'a%22"', "ä %0D%0Ab.txt"])
async def test_a_files_name_ends_no_header(world, name):
    made = (await world.upload(name=name.replace('"', "%22"))).json
    content = await world.files("GET", f"/{made['id']}/content")
    [value] = [value for line, value in content.lines if line == "content-disposition"]
    assert value.startswith("attachment; filename*=UTF-8''")
    assert not set(value.removeprefix("attachment; filename*=")) & set('"\r\n;/ ')


async def test_a_chain_of_responses_keeps_our_ids_and_sends_the_hosts(
    tmp_path, store, upstream, database
):
    """What is stored is what the client sent; what is deleted meanwhile is told."""

    async def answer_all(call):
        line = call.head.partition(b"\r\n")[0]
        if b"/responses" in line:
            await call.answer(json.dumps(RESPONSE).encode())
        elif line.startswith(b"POST"):
            await call.answer(b'{"id": "file-theirs", "bytes": 5}')
        else:
            await call.answer(b'{"deleted": true}')

    async def respond(**members):
        client = await world.client()
        body = json.dumps({"model": MODEL, **members}).encode()
        return await client.call("POST", "/v1/responses", body)

    upstream.script = answer_all
    world = FilesWorld(tmp_path, backstage=store)
    target = world.target(upstream.address, provider="openai")
    world.publish(world.endpoint(target, context_tokens=100_000))
    await world.start()
    try:
        file = (await world.upload()).json["id"]
        part = {"type": "input_file", "file_id": file}
        first = await respond(input=[{"role": "user", "content": [part]}])
        assert first.status == 200, first.body
        client = await world.client()
        id_ = first.json["id"]
        items = await client.call("GET", f"/v1/responses/{id_}/input_items")
        assert items.json["data"][0]["content"][0]["file_id"] == file
        second = await respond(input="And then?", previous_response_id=id_)
        assert second.status == 200, second.body
        for call in upstream.calls[1:]:
            assert call.json["input"][0]["content"][0]["file_id"] == "file-theirs"
            assert file.encode() not in call.body
        reached = len(upstream.calls)
        assert (await world.files("DELETE", f"/{file}")).status == 200
        late = await respond(input="And now?", previous_response_id=id_)
        assert (late.status, late.error["code"]) == (404, "file_not_found")
        assert file in late.error["message"]
        assert len(upstream.calls) == reached + 1
    finally:
        await world.stop()
