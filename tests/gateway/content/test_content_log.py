"""What a running gateway keeps of calls, and what it never does."""

import base64
import json
import stat
import threading

import pytest
from gateway_parts import ORGANIZATION, World, until

from tradewind.gateway.content.log import ContentLog
from tradewind.gateway.http.request import Request
from tradewind.snapshot import file
from tradewind.snapshot.contents import Snapshot, Terms
from tradewind.testing.usage_records import opened_call
from tradewind.usage.content_segments import list_segments, read_segment

CANARY = "canary-5f3a91"
SECRET = "ada.lovelace@example.org"
ANSWER = "finch-77c2e0"


class Keeping(World):
    """A gateway whose organization has terms."""

    def __init__(self, folder, **config):
        super().__init__(folder, content_folder=folder / "content", **config)

    def say(self, upstream, **terms):
        self.version += 1
        endpoint = self.endpoint(self.target(upstream.address))
        snapshot = Snapshot(
            self.version, 1, (self.grant,), (endpoint,), (Terms(ORGANIZATION, **terms),)
        )
        file.write(self.snapshot_path, snapshot)

    def kept(self):
        return [
            record
            for segment in list_segments(self.folder / "content")
            for record in read_segment(segment.path)
        ]

    async def one(self):
        await until(self.kept)
        [record] = self.kept()
        return record

    def files_with(self, text):
        """Return the files below the data folder that hold a text, in whatever form."""
        forms = [text.encode(), base64.b64encode(text.encode()).rstrip(b"=")[:-2]]
        return [
            path.relative_to(self.folder).parts[0]
            for path in self.folder.rglob("*")
            if path.is_file() and any(form in path.read_bytes() for form in forms)
        ]


@pytest.fixture
async def keeping(tmp_path, upstream):
    world = Keeping(tmp_path)
    world.say(upstream, content_days=7)
    await world.start()
    yield world
    await world.stop()


def asked(text):
    return {"messages": [{"role": "user", "content": text}]}


async def answering(call):
    """Answer with words that hold a secret; a stream splits it."""
    if call.json.get("stream"):
        await call.begin()
        for piece in (ANSWER, " to ada.lovelace@exa", "mple.org!"):
            event = {"choices": [{"index": 0, "delta": {"content": piece}}]}
            await call.send(b"data: %b\n\n" % json.dumps(event).encode())
        usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
        await call.send(b"data: %b\n\ndata: [DONE]\n\n" % json.dumps(usage).encode())
        await call.end()
    else:
        message = {"role": "assistant", "content": f"{ANSWER} to {SECRET}!"}
        usage = {"prompt_tokens": 3, "completion_tokens": 2}
        body = {"choices": [{"index": 0, "message": message}], "usage": usage}
        await call.answer(json.dumps(body).encode())


def begun(log, body):
    call = log.begin(request_of(body))
    assert call is not None
    return call


async def test_prompt_and_answer_are_kept_redacted_under_the_id_of_the_call(keeping, upstream):
    upstream.script = answering
    answer = await keeping.chat(**asked(f"{CANARY} {SECRET}"))
    record = await keeping.one()
    assert answer.header("x-request-id") == "req_" + record.event_id.hex()
    assert json.loads(record.prompt)["messages"] == [
        {"role": "user", "content": f"{CANARY} [e-mail address]"}
    ]
    [choice] = json.loads(record.answer)["choices"]
    assert choice["message"]["content"] == f"{ANSWER} to [e-mail address]!"
    assert (record.organization_id, record.is_prompt_truncated, record.is_answer_truncated) == (
        ORGANIZATION,
        False,
        False,
    )
    assert SECRET in answer.json["choices"][0]["message"]["content"], "the client gets all of it"


async def test_a_secret_that_is_split_over_events_goes_too(keeping, upstream):
    upstream.script = answering
    await keeping.chat(stream=True, **asked("Hi"))
    record = await keeping.one()
    assert json.loads(record.answer) == {
        "streamed": True,
        "choices": [{"index": 0, "text": f"{ANSWER} to [e-mail address]!"}],
    }


@pytest.mark.parametrize("is_stream", [False, True])
async def test_content_is_in_no_file_but_the_segments(keeping, upstream, is_stream):
    upstream.script = answering
    await keeping.chat(stream=is_stream, **asked(f"{CANARY} {SECRET}"))
    await keeping.one()
    await keeping.drain()
    assert set(keeping.files_with(CANARY)) == {"content"}
    assert set(keeping.files_with(ANSWER)) == {"content"}
    assert keeping.files_with(SECRET) == []
    [segment] = list_segments(keeping.folder / "content")
    assert stat.S_IMODE(segment.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(segment.path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("is_stream", [False, True])
async def test_switched_off_content_is_in_no_file_at_all(tmp_path, upstream, is_stream):
    upstream.script = answering
    world = Keeping(tmp_path)
    world.say(upstream, cache_ttl_s=60)
    await world.start()
    await world.chat(stream=is_stream, **asked(f"{CANARY} {SECRET}"))
    await world.event()
    await world.stop()
    assert world.files_with(CANARY) == world.files_with(ANSWER) == []
    assert not (tmp_path / "content").exists()
    assert not [each for each in threading.enumerate() if each.name == "content-log"]


async def test_an_answer_of_the_cache_is_kept_as_any(tmp_path, upstream):
    upstream.script = answering
    world = Keeping(tmp_path)
    world.say(upstream, cache_ttl_s=60, content_days=1)
    await world.start()
    for _ in range(2):
        await world.chat(**asked(CANARY))
    await until(lambda: len(world.kept()) == 2)
    first, second = world.kept()
    assert first.event_id != second.event_id
    assert (first.prompt, first.answer) == (second.prompt, second.answer)
    await world.stop()


async def test_of_a_call_that_was_not_admitted_nothing_is_kept(keeping, upstream):
    upstream.script = answering
    refused = await keeping.chat(model="no/such", **asked(CANARY))
    assert refused.status == 404
    await keeping.chat(**asked("Hi"))
    assert b"Hi" in (await keeping.one()).prompt


async def test_of_a_call_that_failed_the_error_is_kept(keeping, upstream):
    async def failing(call):
        await call.answer(b'{"error": {"message": "overloaded"}}', status=500)

    upstream.script = failing
    answer = await keeping.chat(**asked(CANARY))
    record = await keeping.one()
    assert json.loads(record.answer) == answer.json


async def test_of_a_client_that_left_what_it_got_is_kept(keeping, upstream):
    async def slow(call):
        await call.begin()
        event = {"choices": [{"index": 0, "delta": {"content": ANSWER}}]}
        await call.send(b"data: %b\n\n" % json.dumps(event).encode())
        await call.gone()

    upstream.script = slow
    client = await keeping.client()
    await client.stream(**asked("Hi"))
    await anext(client.pieces())
    client.reset()
    record = await keeping.one()
    assert json.loads(record.answer)["choices"] == [{"index": 0, "text": ANSWER}]


async def test_a_change_of_the_terms_holds_from_then_on(keeping, upstream):
    upstream.script = answering
    await keeping.chat(**asked("first"))
    await keeping.one()
    keeping.say(upstream, content_days=0)
    await keeping.in_force()
    await keeping.chat(**asked("second"))
    await until(lambda: len(keeping.events()) == 2)
    await keeping.drain()
    assert [b"first" in record.prompt for record in keeping.kept()] == [True]


async def test_a_disk_that_refuses_costs_content_and_no_call(keeping, upstream, caplog):
    upstream.script = answering
    (keeping.folder / "content").write_bytes(b"in the way")
    assert (await keeping.chat(**asked(CANARY))).status == 200
    await until(lambda: "contents of calls are not kept" in caplog.text)
    assert await keeping.metric('tradewind_contents_total{kind="dropped"}') == 1


# The log alone, where a bound must be small.


def request_of(body):
    request = Request(b"POST", b"/", b"/", b"", {}, b"", "127.0.0.1", False)
    request.body = body
    return request


def logged(log, body=b'{"a": 1}', answer=b'{"b": 2}'):
    call = log.begin(request_of(body))
    call.add(answer)
    call.end(opened_call(), b"")
    log.close(30)


def test_without_a_folder_nothing_is_gathered():
    assert ContentLog(None, "g").begin(request_of(b"")) is None


def test_a_full_folder_costs_content(tmp_path, caplog):
    log = ContentLog(tmp_path, "g", most_folder_bytes=300, gather_s=0)
    for _ in range(3):
        logged(log)
    logged(log, body=b'"%b"' % (b"word " * 100))
    logged(log, body=b'"%b"' % (b"word " * 100))
    assert (log.counters.kept, log.counters.dropped) == (
        len(kept_in(tmp_path)),
        5 - log.counters.kept,
    )
    assert log.counters.dropped >= 2
    assert log.held_bytes == 0
    assert caplog.text.count("are not kept") >= 1


def test_a_full_disk_costs_content(tmp_path):
    log = ContentLog(tmp_path, "g", least_free_bytes=2**62)
    logged(log)
    assert (log.counters.kept, log.counters.dropped) == (0, 1)
    assert kept_in(tmp_path) == []


def test_memory_is_bounded_and_given_back(tmp_path):
    log = ContentLog(tmp_path, "g", most_held_bytes=100)
    logged(log, body=b'"%b"' % (b"x" * 200))
    assert (log.counters.dropped, log.held_bytes) == (1, 0)
    logged(log, answer=b'"%b"' % (b"y" * 200))
    [record] = kept_in(tmp_path)
    assert (record.answer, record.is_answer_truncated) == (b'"[application/json, 202 bytes]"', True)
    assert log.held_bytes == 0


def test_a_stream_that_is_too_long_is_kept_from_its_start(tmp_path):
    log = ContentLog(tmp_path, "g", most_held_bytes=200)
    call = begun(log, b"{}")
    for _ in range(20):
        call.add(b'data: {"choices":[{"index":0,"delta":{"content":"ab"}}]}\n\n')
    call.end(opened_call(is_stream=True), b"")
    log.close(30)
    [record] = kept_in(tmp_path)
    assert json.loads(record.answer)["choices"] == [{"index": 0, "text": "ababab"}]
    assert record.is_answer_truncated
    assert log.held_bytes == 0


def test_what_a_former_attempt_said_is_forgotten(tmp_path):
    log = ContentLog(tmp_path, "g")
    call = begun(log, b"")
    call.add(b'"former"')
    call.replace(b'"latter"')
    call.end(opened_call(), b"")
    log.close(30)
    [record] = kept_in(tmp_path)
    assert record.answer == b'"latter"'
    assert log.held_bytes == 0


def test_what_waits_at_the_end_is_written(tmp_path):
    log = ContentLog(tmp_path, "g", gather_s=3600)
    for number in range(5):
        begun(log, b"%d" % number).end(opened_call(), b"")
    log.close(30)
    assert [record.prompt for record in kept_in(tmp_path)] == [b"0", b"1", b"2", b"3", b"4"]
    assert len(list_segments(tmp_path)) == 1


def kept_in(folder):
    return [record for segment in list_segments(folder) for record in read_segment(segment.path)]
