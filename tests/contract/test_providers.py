"""What every provider keeps, whatever host it speaks to, through the real gateway and its fake.

A new member needs a fake in `fakes/registry.py` and nothing here.
"""

import asyncio
import json
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.gateway_parts import MODEL, World, assembled, soon, until
from tradewind.gateway.http.limits import UpstreamTimeouts
from tradewind.plugins.providers.base import ProviderRequest
from tradewind.plugins.providers.fakes.base import (
    CALL_ID,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    TOOL_ARGUMENTS,
    WORDS,
    FakeRequest,
    Told,
)
from tradewind.plugins.providers.fakes.host import FakeHost, Fault
from tradewind.plugins.providers.fakes.registry import fakes
from tradewind.plugins.providers.registry import providers
from tradewind.snapshot.contents import Endpoint, Operation, Price, Target
from tradewind.usage.event import Opened, Outcome, UsageEvent, UsageSource
from tradewind.usage.journal import Journal
from tradewind.wire import chat
from tradewind.wire.errors import ApiError
from tradewind.wire.sse import DONE

NAMES = sorted(providers())
every_provider = pytest.mark.parametrize("name", NAMES)
TEXT = "".join(WORDS)
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
CACHED_TOKENS = 4
WHOLE, STREAM = {}, {"stream": True, "stream_options": {"include_usage": True}}
both = pytest.mark.parametrize("members", [WHOLE, STREAM], ids=["whole", "stream"])


def test_every_provider_has_a_fake():
    assert set(fakes()) == set(NAMES)


class Answer(NamedTuple):
    """An answer of chat, whole or put together from its events."""

    status: int
    text: str
    calls: list
    reason: str | None
    usage: dict | None
    error: dict | None


class Case:
    """One provider behind a gateway, its fake host going wrong in one way."""

    def __init__(self, world, host, state):
        self.world, self.host, self.state = world, host, state

    async def ask(self, **members):
        client = await self.world.client()
        answer = await client.chat(**members)
        await until(lambda: self.state.router.in_flight == 0)
        if answer.status == 200 and members.get("stream"):
            return of_events(answer.body)
        body = answer.json
        if answer.status != 200:
            return Answer(answer.status, "", [], None, None, body["error"])
        [choice] = body["choices"]
        message = choice["message"]
        calls = [call["function"] for call in message.get("tool_calls") or ()]
        return Answer(
            200, message["content"] or "", calls, choice["finish_reason"], body.get("usage"), None
        )

    async def ask_for_a_stream_that_goes_wrong(self):
        """Read its first word, let the host go wrong, and read the rest."""
        client = await self.world.client()
        assert (await client.stream()).status == 200
        raw, pieces = b"", client.pieces()
        while WORDS[0].encode() not in raw:
            raw += await anext(pieces)
        self.host.may_go_wrong.set()
        return of_events(raw + b"".join([piece async for piece in pieces]))

    async def event(self):
        """Return the one FINAL record there is, after the one OPEN."""
        await until(self.world.events)
        opened, final = self.world.records()
        assert isinstance(opened, Opened)
        assert isinstance(final, UsageEvent)
        assert final.event_id == opened.event_id
        return final


def of_events(raw):
    """Put a stream together as OpenAI's clients do: every call by its index."""
    assert raw.endswith(DONE)
    assert raw.count(b"[DONE]") == 1
    text, calls, reason, usage, error = "", {}, None, None, None
    for line in raw[: -len(DONE)].decode().split("\n\n"):
        if not line.startswith("data: "):
            continue
        event = json.loads(line[6:])
        if event.get("error"):
            error = event["error"]
            continue
        assert error is None, "nothing comes after an error"
        assert event["object"] == "chat.completion.chunk"
        assert event["model"] == MODEL
        usage = event.get("usage") or usage
        for choice in event["choices"]:
            delta = choice["delta"]
            assert reason is None or not delta, "nothing comes after the end of a choice"
            text += delta.get("content") or ""
            for piece in delta.get("tool_calls") or ():
                call = calls.setdefault(piece["index"], {"name": "", "arguments": ""})
                call["name"] += piece["function"].get("name") or ""
                call["arguments"] += piece["function"].get("arguments") or ""
            reason = choice.get("finish_reason") or reason
    return Answer(200, text, list(calls.values()), reason, usage, error)


def target_of(vendor, address):
    return Target(
        "dep_fake",
        "rep_fake",
        vendor.name,
        address,
        # Our own engines are started under the name that clients call.
        MODEL if vendor.name == "llama_server" else vendor.model,
        vendor.credential,
        base_path=vendor.base_path,
        options=vendor.options,
        host=f"{vendor.name}-fake",
    )


@pytest.fixture
def run(tmp_path):
    """Run a test's body against one provider and one fault."""

    async def run(name, body, fault=Fault.NONE, timeouts=None):
        world = World(tmp_path)
        async with FakeHost(fakes()[name], fault) as host:
            world.publish(world.endpoint(target_of(host.vendor, host.address)))
            journal = Journal.open(world.journal, node="gateway")
            async with assembled(world, journal) as state:
                if timeouts is not None:
                    state.timeouts = timeouts
                await asyncio.wait_for(body(Case(world, host, state)), 60)

    return run


# All is well.


@every_provider
@both
async def test_a_question_is_answered_and_billed_as_the_host_counted_it(run, name, members):
    async def body(case):
        answer = await case.ask(**members)
        assert answer == Answer(200, TEXT, [], "stop", answer.usage, None)
        assert (answer.usage["prompt_tokens"], answer.usage["completion_tokens"]) == (
            INPUT_TOKENS,
            OUTPUT_TOKENS,
        )
        assert answer.usage["prompt_tokens_details"]["cached_tokens"] == CACHED_TOKENS
        event = await case.event()
        assert (event.outcome, event.http_status) == (Outcome.COMPLETED, 200)
        usage = event.usage
        assert usage.source is UsageSource.UPSTREAM
        assert (usage.input_tokens, usage.cached_input_tokens, usage.output_tokens) == (
            INPUT_TOKENS,
            CACHED_TOKENS,
            OUTPUT_TOKENS,
        )
        assert event.cost_nanos > 0

    await run(name, body)


@every_provider
@both
async def test_a_tool_is_called_with_its_arguments_whole(run, name, members):
    async def body(case):
        answer = await case.ask(**members, tools=[TOOL])
        assert answer.calls == [{"name": "weather", "arguments": answer.calls[0]["arguments"]}]
        assert json.loads(answer.calls[0]["arguments"]) == {"city": "Oslo"}
        assert answer.reason == "tool_calls"

    await run(name, body)


@every_provider
async def test_a_conversation_with_a_tools_result_is_carried(run, name):
    arguments = "".join(TOOL_ARGUMENTS)
    call = {
        "id": CALL_ID,
        "type": "function",
        "function": {"name": "weather", "arguments": arguments},
    }
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Weather in Oslo?"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": CALL_ID, "content": "rain"},
        {"role": "user", "content": "And tomorrow?"},
    ]

    async def body(case):
        answer = await case.ask(messages=messages, max_completion_tokens=50, temperature=0.5)
        assert (answer.status, answer.text) == (200, TEXT), answer.error
        sent = case.host.requests[0].body
        for said in (b"Be brief.", b"Weather in Oslo?", b"rain", b"And tomorrow?"):
            assert said in sent

    await run(name, body)


# The fault list.


@every_provider
@both
async def test_a_host_that_is_not_there_is_unreachable_and_costs_nothing(run, name, members):
    async def body(case):
        answer = await case.ask(**members)
        assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")
        await told_failed(case, failure="refused")

    await run(name, body, Fault.REFUSE)


@every_provider
@both
async def test_a_host_that_never_answers_is_given_up(run, name, members):
    async def body(case):
        answer = await soon(case.ask(**members))
        assert (answer.status, answer.error["code"]) == (504, "upstream_timeout")
        await told_failed(case, failure="first_byte_timeout")

    await run(name, body, Fault.SILENT, UpstreamTimeouts(first_byte_s=0.1))


@every_provider
@both
async def test_a_busy_host_is_busy_and_says_when_to_come_back(run, name, members):
    async def body(case):
        answer = await case.ask(**members)
        assert answer.status in (429, 503)
        assert answer.error["code"] == "model_busy"
        await told_failed(case, failure="busy", status=429)

    await run(name, body, Fault.BUSY)


@every_provider
@both
async def test_a_host_that_fails_is_a_bad_gateway_that_tells_nothing_of_it(run, name, members):
    async def body(case):
        answer = await case.ask(**members)
        assert (answer.status, answer.error["code"]) == (502, "upstream_error")
        assert "/srv/host.py" not in json.dumps(answer.error)
        await told_failed(case, failure="failed", status=500)

    await run(name, body, Fault.FAIL)


@every_provider
async def test_a_stream_that_is_cut_is_told_and_billed_for_what_was_sent(run, name):
    async def body(case):
        answer = await case.ask_for_a_stream_that_goes_wrong()
        assert answer.text == WORDS[0]
        assert answer.error["code"] == "upstream_unreachable"
        await told_broken(case, failure="cut")

    await run(name, body, Fault.CUT)


@every_provider
async def test_garbage_in_a_stream_is_told_and_billed_for_what_was_sent(run, name):
    async def body(case):
        answer = await case.ask_for_a_stream_that_goes_wrong()
        assert answer.text == WORDS[0]
        assert answer.error["code"] == "upstream_error"
        await told_broken(case)

    await run(name, body, Fault.GARBAGE)


@every_provider
@pytest.mark.parametrize("fault", [Fault.CUT, Fault.GARBAGE])
async def test_a_whole_answer_that_is_cut_or_garbage_costs_nothing(run, name, fault):
    async def body(case):
        case.host.may_go_wrong.set()
        answer = await case.ask()
        assert answer.status == 502
        event = await case.event()
        assert (event.outcome, event.http_status) == (Outcome.FAILED, 502)
        assert (event.usage.source, event.cost_nanos) == (UsageSource.NONE, 0)
        assert event.trail.attempts[-1].failure

    await run(name, body, fault)


@every_provider
async def test_usage_behind_the_end_of_a_stream_still_counts(run, name):
    async def body(case):
        answer = await case.ask(stream=True)
        assert (answer.text, answer.reason, answer.error) == (TEXT, "stop", None)
        event = await case.event()
        assert event.usage.source is UsageSource.UPSTREAM
        assert (event.usage.input_tokens, event.usage.output_tokens) == (
            INPUT_TOKENS,
            OUTPUT_TOKENS,
        )

    await run(name, body, Fault.LATE_USAGE)


@every_provider
@both
async def test_an_answer_without_usage_is_estimated_and_never_free(run, name, members):
    """D1: streamed calls recorded at zero."""

    async def body(case):
        answer = await case.ask(**members)
        assert (answer.text, answer.reason, answer.error) == (TEXT, "stop", None)
        event = await case.event()
        assert (event.outcome, event.usage.source) == (Outcome.COMPLETED, UsageSource.ESTIMATED)
        assert event.usage.output_tokens >= OUTPUT_TOKENS
        assert event.usage.input_tokens > 0
        assert event.cost_nanos > 0

    await run(name, body, Fault.NO_USAGE)


@every_provider
@both
async def test_a_host_that_sends_byte_by_byte_is_heard_out(run, name, members):
    async def body(case):
        answer = await case.ask(**members)
        assert answer == Answer(200, TEXT, [], "stop", answer.usage, None)
        assert (await case.event()).usage.source is UsageSource.UPSTREAM

    await run(name, body, Fault.SLOW)


@every_provider
async def test_a_wrong_key_of_ours_is_not_the_callers_fault(run, name):
    async def body(case):
        case.host.vendor.reply = lambda request, told: case.host.vendor.failure(401, "bad key")
        answer = await case.ask()
        assert (answer.status, answer.error["code"]) == (502, "upstream_error")
        assert "key" not in answer.error["message"]
        await told_failed(case, failure="misconfigured", status=401)

    await run(name, body)


@every_provider
async def test_a_prompt_that_is_too_long_has_one_code_whatever_the_words(run, name):
    async def body(case):
        case.host.vendor.reply = lambda request, told: case.host.vendor.failure(
            400, "prompt is too long: 210266 tokens > 200000 maximum"
        )
        answer = await case.ask()
        assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")

    await run(name, body)


async def told_failed(case, *, failure, status=0):
    """Nothing reached the client, so nothing is billed, and the target's health is told."""
    event = await case.event()
    assert event.outcome is Outcome.FAILED
    assert (event.usage.source, event.cost_nanos) == (UsageSource.NONE, 0)
    [attempt] = event.trail.attempts
    assert (attempt.failure, attempt.status) == (failure, status)
    assert case.state.router.in_flight == 0


async def told_broken(case, failure=None):
    """Part of the answer reached the client and is billed."""
    event = await case.event()
    assert (event.outcome, event.http_status) == (Outcome.FAILED, 200)
    assert event.usage.output_tokens >= 1
    assert event.cost_nanos > 0
    [attempt] = event.trail.attempts
    assert attempt.failure
    assert failure is None or attempt.failure == failure
    assert case.state.router.in_flight == 0


# However the bytes come.

ENDPOINT = Endpoint(
    name=MODEL,
    operation=Operation.CHAT,
    publisher="tw",
    created_at_ms=1,
    context_tokens=2048,
    max_output_tokens=2048,
    price=Price("price_1", "USD", 1, 2, 3),
    targets=(),
)
VARYING = {"id", "created"}


def prepared(name, **members):
    """Return what is sent for a question, and the vendor it goes to."""
    vendor = fakes()[name]
    body = json.dumps(
        {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], **members}
    ).encode()
    request = ProviderRequest(ENDPOINT, chat.decode_fields(body), chat.decode_request(body))
    return providers()[name].prepare(request, target_of(vendor, "127.0.0.1:1")), vendor


def answered(name, **members):
    """Return the bytes that the fake answers a question with."""
    question, vendor = prepared(name, **members)
    head, *lines = question.head.decode().split("\r\n")[:-2]
    method, path, _ = head.split(" ")
    headers = dict(line.split(": ", 1) for line in lines)
    reply = vendor.reply(FakeRequest(method, path, headers, question.body), Told.IN_PLACE)
    assert reply.status == 200, reply
    return b"".join(reply.pieces)


def read(name, pieces, **members):
    reader = prepared(name, **members)[0].reader
    text = b"".join([*map(reader.feed, pieces), reader.finish()])
    return text, reader.counts, reader.output_events


def without_chance(raw):
    """Leave out what is made anew for each answer."""
    events = [raw] if raw.startswith(b"{") else raw.split(b"\n\n")
    found = []
    for event in events:
        if event.startswith((b"data: {", b"{")):
            members = json.loads(event.removeprefix(b"data: "))
            found.append({k: v for k, v in members.items() if k not in VARYING})
        else:
            found.append(event)
    return found


@every_provider
@pytest.mark.parametrize(
    "members",
    [WHOLE, STREAM, STREAM | {"tools": [TOOL]}, {"tools": [TOOL]}],
    ids=["whole", "stream", "tools-stream", "tools-whole"],
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_split_of_the_bytes_reads_the_same(name, members, data):
    raw = answered(name, **members)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=12)))
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    expected, counts, written = read(name, [raw], **members)
    found, found_counts, found_written = read(name, pieces, **members)
    assert without_chance(found) == without_chance(expected)
    assert (found_counts, found_written) == (counts, written)


@every_provider
def test_a_stream_cut_anywhere_is_refused_or_whole(name):
    raw = answered(name, **STREAM)
    for place in range(len(raw)):
        reader = prepared(name, **STREAM)[0].reader
        try:
            reader.feed(raw[:place])
            reader.finish()
        except ApiError as error:
            assert error.status == 502, place
