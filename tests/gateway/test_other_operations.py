"""Completions, rerank, moderations, images and audio through the gateway, against a fake host."""

import json

import pytest
from gateway_parts import MODEL, PRICE, World
from msgspec import Raw

from tradewind.gateway.dialects.output_cap import capped
from tradewind.plugins.providers.base import ProviderRequest
from tradewind.plugins.providers.fakes.base import INPUT_TOKENS, OUTPUT_TOKENS, WORDS
from tradewind.plugins.providers.fakes.host import FakeHost, Fault
from tradewind.plugins.providers.fakes.registry import fakes
from tradewind.snapshot.contents import OPERATIONS_OF, Operation, Price
from tradewind.usage.event import Outcome, UsageSource
from tradewind.wire.sse import DONE

TEXT = "".join(WORDS)
# Nanos for a million units: primes, so that a swapped meter shows.
METERS = {
    "requests": 2_000_000_000,
    "images": 3_000_000_000,
    "characters": 5_000_000_000,
    "audio_ms": 7_000_000_000,
}
METERED = Price("price_2", "USD", 0, 0, 0, meters=METERS)
FORM = "xYzZY"


class Asking:
    def __init__(self, world, host=None, endpoint=None):
        self.world, self.host, self.endpoint = world, host, endpoint

    async def post(self, path, body=None, *, form=None):
        client = await self.world.client()
        if form is not None:
            headers = [("content-type", f"multipart/form-data; boundary={FORM}")]
            return await client.call("POST", path, form_of(**form), headers=headers)
        headers = [("content-type", "application/json")]
        return await client.call("POST", path, json.dumps(body).encode(), headers=headers)

    async def event(self):
        return await self.world.event()

    @property
    def sent(self):
        assert self.host is not None
        return self.host.requests[-1]


def form_of(**parts):
    """A form; bytes are files."""
    written = b""
    for name, value in parts.items():
        file = '; filename="f.bin"\r\ncontent-type: audio/wav' if isinstance(value, bytes) else ""
        head = f'--{FORM}\r\ncontent-disposition: form-data; name="{name}"{file}\r\n\r\n'
        content = value if isinstance(value, bytes) else value.encode()
        written += head.encode() + content + b"\r\n"
    return written + f"--{FORM}--\r\n".encode()


@pytest.fixture
async def asking(request, tmp_path):
    """A gateway whose one model does the operation that a test `serves`."""
    operation, price, *more = request.param
    fault = more[0] if more else Fault.NONE
    provider = more[1] if len(more) > 1 else "openai_compatible"
    kind = next(kind for kind, served in OPERATIONS_OF.items() if operation in served)
    world = World(tmp_path)
    async with FakeHost(fakes()[provider], fault) as host:
        model = MODEL if provider == "llama_server" else host.vendor.model
        target = world.target(
            host.address,
            provider=provider,
            credential=host.vendor.credential,
            upstream_model=model,
            base_path=host.vendor.base_path,
        )
        endpoint = world.endpoint(target, operation=kind, price=price)
        world.publish(endpoint)
        await world.start()
        yield Asking(world, host, endpoint)
        await world.stop()


def serves(operation, price=METERED, *more):
    return pytest.mark.parametrize("asking", [(operation, price, *more)], indirect=True)


completes = pytest.mark.parametrize(
    "asking",
    [
        (Operation.COMPLETIONS, PRICE, Fault.NONE, "openai_compatible"),
        (Operation.COMPLETIONS, PRICE, Fault.NONE, "llama_server"),
    ],
    ids=["openai_compatible", "llama_server"],
    indirect=True,
)
ASK_TO_COMPLETE = {"model": MODEL, "prompt": "Once upon", "max_tokens": 9}


@completes
async def test_a_text_is_completed_and_billed_like_chat(asking):
    answer = await asking.post("/v1/completions", ASK_TO_COMPLETE)
    body = answer.json
    assert (body["object"], body["model"]) == ("text_completion", MODEL)
    assert [choice["text"] for choice in body["choices"]] == [TEXT]
    event = await asking.event()
    assert (event.operation, event.usage.source) == ("completions", UsageSource.UPSTREAM)
    assert (event.usage.input_tokens, event.usage.output_tokens) == (INPUT_TOKENS, OUTPUT_TOKENS)
    assert event.cost_nanos > 0


@completes
@pytest.mark.parametrize("asks_usage", [True, False])
async def test_a_completion_is_streamed_and_billed_like_chat(asking, asks_usage):
    options = {"stream_options": {"include_usage": True}} if asks_usage else {}
    answer = await asking.post("/v1/completions", {**ASK_TO_COMPLETE, "stream": True, **options})
    assert answer.body.endswith(DONE)
    events = [json.loads(line[6:]) for line in answer.body.decode().split("\n\n")[:-2]]
    assert {event["model"] for event in events} == {MODEL}
    text = "".join(choice["text"] for event in events for choice in event["choices"])
    assert text == TEXT
    assert ("usage" in events[-1]) is asks_usage
    event = await asking.event()
    assert (event.usage.output_tokens, event.usage.source) == (OUTPUT_TOKENS, UsageSource.UPSTREAM)
    assert event.is_stream


@serves(Operation.COMPLETIONS, PRICE, Fault.NO_USAGE)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_completion_without_usage_is_estimated_and_never_free(asking, stream):
    await asking.post("/v1/completions", {**ASK_TO_COMPLETE, "stream": stream})
    event = await asking.event()
    assert event.usage.source is UsageSource.ESTIMATED
    assert event.usage.output_tokens >= OUTPUT_TOKENS
    assert event.cost_nanos > 0


@serves(Operation.RERANK)
async def test_documents_are_ranked_and_a_request_is_billed(asking):
    body = {"model": MODEL, "query": "q", "documents": ["a", {"text": "b"}], "top_n": 1}
    answer = await asking.post("/v1/rerank", body)
    assert answer.json["results"] == [{"index": 0, "relevance_score": 0.9}]
    assert answer.json["model"] == MODEL
    event = await asking.event()
    assert event.usage.meters == {"requests": 1}
    assert event.usage.input_tokens == INPUT_TOKENS
    assert event.cost_nanos == METERS["requests"] // 1_000_000
    assert answer.cost_nanos == event.cost_nanos


@serves(Operation.MODERATIONS)
async def test_a_text_is_moderated_and_a_request_is_billed(asking):
    answer = await asking.post("/v1/moderations", {"model": MODEL, "input": ["a", "b"]})
    assert answer.json["results"][0]["flagged"] is False
    event = await asking.event()
    assert event.usage.meters == {"requests": 1}
    assert event.cost_nanos == METERS["requests"] // 1_000_000


@serves(Operation.MODERATIONS)
async def test_moderations_of_a_model_that_is_not_there_are_refused(asking):
    answer = await asking.post("/v1/moderations", {"input": "a", "model": "omni-moderation"})
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert "omni-moderation" in answer.error["message"]


@serves(Operation.IMAGES)
async def test_images_are_made_and_counted(asking):
    body = {"model": MODEL, "prompt": "a boat", "n": 3, "size": "1024x1024"}
    answer = await asking.post("/v1/images/generations", body)
    assert len(answer.json["data"]) == 3
    assert json.loads(asking.sent.body) == body | {"model": "fake-model"}
    event = await asking.event()
    assert event.usage.meters == {"images": 3}
    assert (event.usage.input_tokens, event.usage.output_tokens) == (INPUT_TOKENS, 300)
    assert event.cost_nanos == (3 * METERS["images"] + METERS["requests"]) // 1_000_000


@serves(Operation.IMAGE_EDITS)
async def test_an_image_is_edited_with_its_bytes_untouched(asking):
    image = bytes(range(256)) * 40 + b"\r\n--xYz"
    form = {"model": MODEL, "prompt": "a hat", "n": "2", "image": image}
    answer = await asking.post("/v1/images/edits", form=form)
    assert answer.status == 200, answer.body
    assert image in asking.sent.body
    assert b"fake-model" in asking.sent.body
    assert MODEL.encode() not in asking.sent.body
    assert (await asking.event()).usage.meters == {"images": 2}


@serves(Operation.SPEECH)
async def test_speech_is_passed_through_byte_for_byte_and_its_text_is_counted(asking):
    body = {"model": MODEL, "input": "Grüße!", "voice": "alloy"}
    answer = await asking.post("/v1/audio/speech", body)
    assert answer.header("content-type") == "audio/mpeg"
    assert answer.body == b"ID3\x04\x00" + b"\x00\xff" * 64 + b"\r\n\r\ndata: [DONE]\n\n"
    event = await asking.event()
    assert event.usage.meters == {"characters": 6}
    assert event.usage.output_tokens == 0
    assert event.cost_nanos == (6 * METERS["characters"] + METERS["requests"]) // 1_000_000


@serves(Operation.SPEECH)
async def test_speech_as_events_tells_tokens_too(asking):
    body = {"model": MODEL, "input": "Hi", "voice": "alloy", "stream_format": "sse"}
    answer = await asking.post("/v1/audio/speech", body)
    assert answer.header("content-type") == "text/event-stream; charset=utf-8"
    assert b'"speech.audio.done"' in answer.body
    event = await asking.event()
    assert event.usage.meters == {"characters": 2}
    assert (event.usage.input_tokens, event.usage.output_tokens) == (INPUT_TOKENS, 40)


@serves(Operation.SPEECH, METERED, Fault.CUT)
async def test_speech_that_is_cut_ends_the_connection_and_is_billed(asking):
    client = await asking.world.client()
    body = json.dumps({"model": MODEL, "input": "Hello", "voice": "alloy"}).encode()
    assert (await client.ask("POST", "/v1/audio/speech", body)).status == 200
    pieces = client.pieces()
    assert (await anext(pieces)).startswith(b"ID3")
    asking.host.may_go_wrong.set()
    with pytest.raises(EOFError):
        [piece async for piece in pieces]
    event = await asking.event()
    assert event.outcome is Outcome.FAILED
    assert event.usage.meters == {"characters": 5}
    assert event.cost_nanos > 0


RECORDING = b"RIFF\x24\x00\x00\x00WAVE\r\n--xYz\xff"


@pytest.mark.parametrize("asking", [(Operation.TRANSCRIPTION, METERED)], indirect=True)
@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/audio/translations"])
@pytest.mark.parametrize(
    ("response_format", "shown"),
    [
        (None, {"text": TEXT}),
        ("json", {"text": TEXT}),
        ("verbose_json", {"text": TEXT, "language": "en", "duration": 7.5}),
        ("text", f"{TEXT}\n"),
        ("srt", f"1\n00:00:00,000 --> 00:00:07,500\n{TEXT}\n"),
    ],
)
async def test_a_recording_is_written_down_and_its_time_is_billed(
    asking, path, response_format, shown
):
    form = {"model": MODEL, "file": RECORDING}
    if response_format is not None:
        form["response_format"] = response_format
    answer = await asking.post(path, form=form)
    assert answer.status == 200, answer.body
    if isinstance(shown, str):
        assert answer.body.decode() == shown
        assert answer.header("content-type") == "text/plain; charset=utf-8"
    else:
        assert answer.json.items() >= shown.items()
        assert answer.header("content-type") == "application/json"
    assert asking.sent.path == path
    assert RECORDING in asking.sent.body
    event = await asking.event()
    assert event.usage.meters == {"audio_ms": 7500}
    assert event.cost_nanos == (7500 * METERS["audio_ms"] + METERS["requests"]) // 1_000_000
    assert (event.usage.input_tokens, event.usage.output_tokens) == (0, 0)


@serves(Operation.TRANSCRIPTION)
async def test_a_streamed_transcription_is_passed_on_with_its_usage(asking):
    form = {"model": MODEL, "file": RECORDING, "stream": "true"}
    answer = await asking.post("/v1/audio/transcriptions", form=form)
    assert answer.body.count(b'"transcript.text.delta"') == len(WORDS)
    event = await asking.event()
    assert event.is_stream
    assert (event.usage.input_tokens, event.usage.output_tokens) == (INPUT_TOKENS, OUTPUT_TOKENS)


@serves(Operation.TRANSCRIPTION)
async def test_a_long_recording_is_not_taken_for_a_long_text(asking):
    asking.world.limit(tokens_per_minute=1000)
    asking.world.publish(asking.endpoint)
    await asking.world.in_force()
    form = {"model": MODEL, "file": b"\0" * 1_000_000}
    assert (await asking.post("/v1/audio/transcriptions", form=form)).status == 200


@pytest.mark.parametrize(
    ("operation", "path", "body", "param"),
    [
        (Operation.COMPLETIONS, "/v1/completions", {"prompt": "a"}, "model"),
        (Operation.COMPLETIONS, "/v1/completions", {"model": MODEL, "prompt": {}}, "prompt"),
        (Operation.COMPLETIONS, "/v1/completions", {"model": MODEL, "n": 99}, "n"),
        (Operation.COMPLETIONS, "/v1/completions", {"model": MODEL, "prompt": ["a"] * 129}, None),
        (Operation.RERANK, "/v1/rerank", {"model": MODEL, "query": "q"}, "documents"),
        (Operation.RERANK, "/v1/rerank", {"model": MODEL, "documents": ["a"]}, "query"),
        (Operation.MODERATIONS, "/v1/moderations", {"model": MODEL}, "input"),
        (Operation.IMAGES, "/v1/images/generations", {"model": MODEL}, "prompt"),
        (Operation.SPEECH, "/v1/audio/speech", {"model": MODEL}, "input"),
        (Operation.TRANSCRIPTION, "/v1/audio/transcriptions", {"model": MODEL}, None),
    ],
)
async def test_a_request_that_cannot_be_read_is_refused(tmp_path, operation, path, body, param):
    world = World(tmp_path)
    kind = next(kind for kind, served in OPERATIONS_OF.items() if operation in served)
    world.publish(world.endpoint(world.target("127.0.0.1:1"), operation=kind))
    await world.start()
    client = await world.client()
    headers = [("content-type", "application/json")]
    answer = await client.call("POST", path, json.dumps(body).encode(), headers=headers)
    assert answer.status == 400, answer.body
    assert param is None or answer.error["param"] == param
    assert world.events() == []
    await world.stop()


@pytest.mark.parametrize(
    ("form", "param"),
    [({"model": MODEL}, "file"), ({"file": b"x"}, "model"), ({"file": b"x", "n": "0"}, "model")],
)
async def test_a_form_without_what_it_needs_is_refused(tmp_path, form, param):
    world = World(tmp_path)
    world.publish(world.endpoint(world.target("127.0.0.1:1"), operation=Operation.TRANSCRIPTION))
    await world.start()
    asking = Asking(world)
    answer = await asking.post("/v1/audio/transcriptions", form=form)
    assert (answer.status, answer.error["param"]) == (400, param)
    await world.stop()


@serves(Operation.RERANK)
async def test_a_model_of_another_kind_is_refused_by_its_route(asking):
    answer = await asking.post("/v1/audio/speech", {"model": MODEL, "input": "a", "voice": "v"})
    assert (answer.status, answer.error["code"]) == (400, "unsupported_operation")
    assert "/v1/rerank" in answer.error["message"]


def test_a_cap_on_what_may_be_written_is_for_what_writes_text(tmp_path):
    endpoint = World(tmp_path).endpoint()
    fields = {"model": Raw(b'"m"')}
    for operation in Operation:
        request = ProviderRequest(endpoint, fields, None, operation)
        is_capped = capped(request, 7).fields != fields
        assert is_capped is (operation in (Operation.CHAT, Operation.COMPLETIONS)), operation
