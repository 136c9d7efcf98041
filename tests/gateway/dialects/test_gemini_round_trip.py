"""From Gemini to the common form and back: what both can say means the same afterwards."""

import json

from gemini_parts import ENDPOINT, GOOGLE, NAME, NO_DIALECT, content_of, inbound, legal
from hypothesis import given
from hypothesis import strategies as st

from tradewind.gateway.dialects.base import TranslatedAnswer
from tradewind.gateway.dialects.gemini_writer import GeminiWriter
from tradewind.plugins.providers.dialects.gemini_chat import (
    GeminiAnswerAsChat,
    GeminiStreamAsChat,
)
from tradewind.plugins.providers.dialects.gemini_request import to_gemini

_text = st.text(min_size=1, max_size=8)
_args = st.dictionaries(st.text(max_size=4), st.integers() | _text, max_size=3)
_text_part = _text.map(lambda text: {"text": text})
_media = st.sampled_from(
    [
        {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
        {"inlineData": {"mimeType": "audio/wav", "data": "UklG"}},
        {"inlineData": {"mimeType": "application/pdf", "data": "JVBE"}},
        {"fileData": {"mimeType": "image/png", "fileUri": "https://x.test/a.png"}},
    ]
)
_responses = _text.map(lambda text: {"output": text}) | _args.filter(
    lambda args: args.keys() not in ({"output"}, {"error"})
)


@st.composite
def conversations(draw):
    """Return contents in the form that both ways lead to: turns that alternate, results in front,
    one text of a model in front of its calls, ids on all of them.
    """
    contents, calls = [], []
    for number in range(draw(st.integers(1, 4))):
        parts = [
            {"functionResponse": {"id": call, "name": "look", "response": draw(_responses)}}
            for call in calls
        ]
        parts += draw(st.lists(_text_part | _media, min_size=not parts, max_size=3))
        contents.append({"role": "user", "parts": parts})
        given_args = draw(st.lists(_args, max_size=2))
        calls = [f"call_{number}_{place}" for place in range(len(given_args))]
        said = draw(st.lists(_text_part, min_size=not calls, max_size=1))
        said += [
            {"functionCall": {"id": call, "name": "look", "args": args}}
            for call, args in zip(calls, given_args, strict=True)
        ]
        contents.append({"role": "model", "parts": said})
    return contents


_config = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.sampled_from([0, 0.5, 2]),
        "topP": st.sampled_from([0.1, 1]),
        "candidateCount": st.just(2),
        "maxOutputTokens": st.integers(1, 1000),
        "stopSequences": st.lists(_text, min_size=1, max_size=3),
        "seed": st.integers(0, 1000),
        "presencePenalty": st.just(0.5),
        "frequencyPenalty": st.just(0.5),
        "thinkingConfig": st.sampled_from([1024, 8192, 24576]).map(
            lambda budget: {"thinkingBudget": budget, "includeThoughts": True}
        ),
    },
)
_formats = st.sampled_from(
    [
        {},
        {"responseMimeType": "application/json"},
        {"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}},
        {"responseLogprobs": True, "logprobs": 2},
    ]
)
_SCHEMA = {"type": "object", "properties": {"at": {"type": "integer"}}}
_tools = st.just({}) | st.fixed_dictionaries(
    {
        "tools": st.just(
            [
                {
                    "functionDeclarations": [
                        {"name": "look", "description": "Looks.", "parametersJsonSchema": _SCHEMA}
                    ]
                }
            ]
        )
    },
    optional={
        "toolConfig": st.sampled_from(
            [
                {"mode": "ANY"},
                {"mode": "NONE"},
                {"mode": "ANY", "allowedFunctionNames": ["look"]},
            ]
        ).map(lambda calling: {"functionCallingConfig": calling})
    },
)
_others = st.fixed_dictionaries(
    {},
    optional={
        "systemInstruction": _text.map(lambda text: {"parts": [{"text": text}]}),
        "serviceTier": st.sampled_from(["standard", "flex", "priority"]),
    },
)


@given(conversations(), _config, _formats, _tools, _others)
def test_a_request_means_the_same_after_both_ways(contents, config, form, tools, others):
    said = {"contents": contents} | tools | others
    if config | form:
        said["generationConfig"] = config | form
    request = inbound(**said).request_for(ENDPOINT, NO_DIALECT, b"")
    back = {name: json.loads(bytes(value)) for name, value in to_gemini(request, GOOGLE).items()}
    assert back == said


_answer_parts = st.lists(
    st.one_of(
        _text_part,
        _text.map(lambda text: {"text": text, "thought": True}),
        _args.map(lambda args: {"functionCall": {"name": "look", "args": args}}),
    ),
    max_size=5,
)


@given(
    _answer_parts,
    st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY"]),
    st.tuples(*[st.integers(1, 1000)] * 3),
)
def test_an_answer_means_the_same_after_both_ways(parts, reason, counts):
    for number, part in enumerate(parts):
        if "functionCall" in part:
            part["functionCall"]["id"] = f"call_{number}"
    read, written, thought = counts
    usage = {
        "promptTokenCount": read,
        "candidatesTokenCount": written,
        "thoughtsTokenCount": thought,
        "totalTokenCount": read + written + thought,
    }
    whole = _chunk(parts, reason) | {"usageMetadata": usage}
    events = [_chunk([part]) for part in parts] + [
        _chunk([{"text": ""}], reason) | {"usageMetadata": usage}
    ]
    stream = b"".join(b"data: %b\r\n\r\n" % json.dumps(each).encode() for each in events)
    for reader, raw, is_stream in (
        (GeminiAnswerAsChat(NAME), json.dumps(whole).encode(), False),
        (GeminiStreamAsChat(NAME, shows_usage=False), stream, True),
    ):
        writer = GeminiWriter(NAME, reader, input_estimate=1, shows_thoughts=True)
        translated = TranslatedAnswer(reader, writer, is_stream=is_stream)
        out = translated.feed(raw) + translated.finish()
        answer = legal(out) if is_stream else json.loads(out)
        assert content_of(answer) == content_of(whole)
        assert answer["candidates"][0]["finishReason"] == reason
        assert answer["usageMetadata"] == usage


def test_a_signature_goes_to_an_openai_client_and_back():
    part = {"functionCall": {"name": "look", "args": {}, "id": "a"}, "thoughtSignature": "c2ln"}
    reader = GeminiAnswerAsChat(NAME)
    reader.feed(json.dumps(_chunk([part], "STOP")).encode())
    message = json.loads(reader.finish())["choices"][0]["message"]
    assert message["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "c2ln"}}


def _chunk(parts, reason=None):
    candidate = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if reason is not None:
        candidate["finishReason"] = reason
    return {"candidates": [candidate], "modelVersion": "gemini-2.5-flash", "responseId": "r"}
