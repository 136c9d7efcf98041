"""What leaves of a stream, and when, however its bytes and its verdicts come."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import chat as openai_chat

from tests.gateway.dialects.messages_parts import legal
from tests.gateway.dialects.responses_checker import Checker
from tests.gateway.guard.answer_parts import (
    KINDS,
    Walk,
    answer_guard,
    chat_events,
    chunk,
    events_in,
    guard_for,
    judgement_of,
    pass_through,
    sse,
    stream_of,
    text_in,
)
from tradewind.gateway.guard.channel import FIRST_WINDOW, WINDOW
from tradewind.gateway.guard.judging import Failure, judge
from tradewind.gateway.guard.placeholders import Placeholders
from tradewind.snapshot.safety import Action, Streaming
from tradewind.wire.sse import DONE

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
OURS = ("prompt_filter_results", "tradewind_safety", "tradewindSafety", "promptFeedback")
PIECES = st.lists(
    st.text(st.sampled_from('abcdefgh \n"\\{}[]é😀<>@.'), min_size=1, max_size=30), max_size=40
)
CUTS = st.lists(st.integers(0, 100_000), max_size=40)
LAGS = st.lists(st.booleans(), max_size=12)
STREAMS = pytest.mark.parametrize("kind", KINDS)


def without_ours(event):
    """Return an event without what was added to it."""
    event = {name: value for name, value in event.items() if name not in OURS}
    for member in ("choices", "candidates"):
        for choice in event.get(member) or ():
            choice.pop("content_filter_results", None)
            choice.pop("safetyRatings", None)
    return event


def objects_of(kind, out):
    return json.loads(out) if kind == "array" else events_in(out)


def cut_in_pieces(text, sizes):
    """Cut a text into pieces of these sizes, over and over."""
    pieces, at = [], 0
    while at < len(text):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(text[at : at + size])
        at += size
    return pieces


@STREAMS
@settings(deadline=None, max_examples=15)
@given(texts=PIECES, cuts=CUTS, lags=LAGS)
def test_an_answer_without_findings_leaves_as_it_came(kind, texts, cuts, lags):
    guard = guard_for()
    data, rest = stream_of(kind, chat_events(texts))
    walk = pass_through(answer_guard(kind, guard), guard, data, rest, cuts=cuts, lags=lags)
    told = objects_of(kind, walk.out)
    came = objects_of(kind, data + rest)
    assert list(map(without_ours, told)) == came
    if kind != "array":
        changed = set(walk.out.split(b"\n\n")) - set((data + rest).split(b"\n\n"))
        assert len(changed) <= 1  # the last one of the choice, where its annotation is
        assert all(b"content_filter_results" in one or b"safetyRatings" in one for one in changed)
    if kind in ("messages", "responses"):
        assert walk.out == data + rest


@STREAMS
@settings(deadline=None, max_examples=12)
@given(
    words=st.integers(0, 120), sizes=st.lists(st.integers(1, 60), min_size=1), cuts=CUTS, lags=LAGS
)
def test_nothing_goes_out_before_its_verdict(kind, words, sizes, cuts, lags):
    text = "".join(f"w{number:05d} " for number in range(words))
    guard = guard_for(pii=Action.REDACT)
    data, rest = stream_of(kind, chat_events(cut_in_pieces(text, sizes)))
    walk = Walk(answer_guard(kind, guard), guard)
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    for number, (start, end) in enumerate(zip([0, *places], [*places, len(data)], strict=True)):
        walk.feed(data[start:end])
        if not (lags and lags[number % len(lags)]):
            walk.judge()
        assert_only_judged_text_is_out(kind, walk, text)
    walk.finish(rest)
    assert_only_judged_text_is_out(kind, walk, text)
    walk.judge_all()
    assert text_in(kind, walk.out) == text


def assert_only_judged_text_is_out(kind, walk, text):
    judged = max((text.index(one) + len(one) for one in walk.judged_texts), default=0)
    closed = walk.out if kind != "array" or walk.out.endswith(b"]") else walk.out + b"]"
    assert len(text_in(kind, closed)) <= judged


@STREAMS
@settings(deadline=None, max_examples=15)
@given(
    before=st.integers(0, 600),
    sizes=st.lists(st.integers(1, 60), min_size=1),
    cuts=CUTS,
    lags=LAGS,
)
def test_a_block_ends_the_answer_before_its_window(kind, before, sizes, cuts, lags):
    text = f"{'fine words ' * 60}"[:before] + "B@D" + " and more of it" * 40
    guard = guard_for()
    data, rest = stream_of(kind, chat_events(cut_in_pieces(text, sizes)))
    answer = answer_guard(kind, guard)
    walk = pass_through(answer, guard, data, rest, cuts=cuts, lags=lags)
    assert answer.is_blocked
    assert b"B@D" not in walk.out
    shown = text_in(kind, walk.out)
    assert text.startswith(shown)
    assert len(shown) <= before
    # It may have been looked at in part before, and has gone as far as that.
    window = walk.contents[len(walk.judged_texts) - 1]
    assert len(shown) <= text.index(window.text) + window.look_back
    assert answer.blocked_at == len(shown)
    assert_ended_as_filtered(kind, walk.out)
    assert answer.feed(b"data: more\n\n") == answer.finish(b"more") == b""
    assert answer.next_content() is None


def assert_ended_as_filtered(kind, out):
    match kind:
        case "openai" | "azure" | "inference":
            assert out.endswith(DONE)
            assert out.count(b"[DONE]") == 1
            events = events_in(out)
            for event in events:
                openai_chat.ChatCompletionChunk.model_validate(event)
            assert [choice["finish_reason"] for choice in events[-1]["choices"]] == [
                "content_filter"
            ]
            assert events[-1]["choices"][0]["content_filter_results"]["violence"] == {
                "filtered": True,
                "severity": "high",
            }
            assert events[-1]["id"] == "chatcmpl-7"
        case "responses":
            response = Checker(out).check()
            assert response["status"] == "incomplete"
            assert response["incomplete_details"] == {"reason": "content_filter"}
        case "messages":
            assert legal(out)["stop_reason"] == "refusal"
        case _:
            last = objects_of(kind, out)[-1]
            assert last["candidates"][0]["finishReason"] == "SAFETY"
            assert {
                "category": "HARM_CATEGORY_DANGEROUS_CONTENT",
                "probability": "HIGH",
                "blocked": True,
            } in last["candidates"][0]["safetyRatings"]


@STREAMS
@settings(deadline=None, max_examples=15)
@given(
    fillings=st.lists(st.integers(0, 150), min_size=1, max_size=6),
    sizes=st.lists(st.integers(1, 40), min_size=1),
    cuts=CUTS,
    lags=LAGS,
)
def test_redacted_text_never_leaves(kind, fillings, sizes, cuts, lags):
    people = ["ann@mail.test", "robert@example.test"]
    text = "".join("x " * count + people[at % 2] + " ." for at, count in enumerate(fillings))
    guard = guard_for(pii=Action.REDACT)
    data, rest = stream_of(kind, chat_events(cut_in_pieces(text, sizes)))
    walk = pass_through(answer_guard(kind, guard), guard, data, rest, cuts=cuts, lags=lags)
    expected = text.replace(people[0], "<EMAIL_1>").replace(people[1], "<EMAIL_2>")
    assert text_in(kind, walk.out) == expected
    assert b".test" not in walk.out
    assert walk.answer.is_changed
    if kind == "responses":
        response = events_in(walk.out)[-1]["response"]
        assert response["output"][0]["content"][0]["text"] == expected
        assert json.loads(walk.answer.final)["output"] == response["output"]


@STREAMS
@pytest.mark.parametrize("streaming", Streaming)
@settings(deadline=None, max_examples=12)
@given(sizes=st.lists(st.integers(1, 12), min_size=1), cuts=CUTS, lags=LAGS)
def test_placeholders_of_the_prompt_are_turned_back(kind, streaming, sizes, cuts, lags):
    placeholders = Placeholders()
    ann = placeholders.of_prompt("EMAIL", "ann@mail.test")
    card = placeholders.of_prompt("CARD", '4111 "1111"')
    text = f"I wrote to {ann}{card}, <b>, <EMAIL_9> and {ann}. " * 4 + "<EMAIL_"
    guard = guard_for(streaming=streaming)
    data, rest = stream_of(kind, chat_events(cut_in_pieces(text, sizes)))
    answer = answer_guard(kind, guard, placeholders=placeholders)
    walk = pass_through(answer, guard, data, rest, cuts=cuts, lags=lags)
    expected = text.replace(ann, "ann@mail.test").replace(card, '4111 "1111"')
    assert text_in(kind, walk.out) == expected


def test_what_the_model_itself_wrote_stays_a_placeholder_beside_those_of_the_prompt():
    placeholders = Placeholders()
    told = placeholders.of_prompt("EMAIL", "ann@mail.test")
    guard = guard_for(pii=Action.REDACT)
    data, rest = stream_of("openai", chat_events([f"{told} and bob@mail.test, ", "ann@mail.test"]))
    answer = answer_guard("openai", guard, placeholders=placeholders)
    walk = pass_through(answer, guard, data, rest)
    assert text_in("openai", walk.out) == "ann@mail.test and <EMAIL_2>, <EMAIL_1>"


def test_the_first_window_is_small_and_the_others_overlap():
    guard = guard_for(pii=Action.ANNOTATE, harm=Action.ANNOTATE)
    data, rest = stream_of("openai", chat_events(["word " for _ in range(100)]))
    events = [event + b"\n\n" for event in data.split(b"\n\n")[:-1]]
    walk = Walk(answer_guard("openai", guard), guard)
    for event in events:
        walk.feed(event)
        walk.judge()
    walk.finish(rest)
    walk.judge_all()
    assert len(walk.contents[0].text) == FIRST_WINDOW
    assert len(walk.contents[1].text) == FIRST_WINDOW + WINDOW
    assert walk.contents[1].look_back == FIRST_WINDOW
    assert max(content.look_back for content in walk.contents) == 200


def test_the_work_is_in_proportion_to_the_stream():
    guard = guard_for(pii=Action.REDACT)

    def looked_at(tokens):
        texts = ["token "] * tokens
        data, rest = stream_of("openai", chat_events(texts))
        walk = Walk(answer_guard("openai", guard), guard)
        most_held = 0
        for start in range(0, len(data), 8_192):
            walk.feed(data[start : start + 8_192])
            walk.judge_all()
            most_held = max(most_held, walk.answer._stream.held_bytes)
        walk.finish(rest)
        walk.judge_all()
        assert text_in("openai", walk.out) == "".join(texts)
        return sum(len(content.text) for content in walk.contents), most_held

    few, held_of_few = looked_at(10_000)
    many, held_of_many = looked_at(100_000)
    assert many <= 600_000 * 5
    assert many <= few * 10 * 1.1
    assert held_of_many <= held_of_few * 1.5


def test_windows_of_a_slow_stream_overlap_no_more_than_they_have_to():
    """A verdict after each token: as many windows as there can be."""
    guard = guard_for()
    walk = Walk(answer_guard("openai", guard), guard)
    for number in range(500):
        walk.feed(sse(chunk(f"{number} ")))
        walk.judge()
    walk.finish(DONE)
    walk.judge_all()
    looked_at = sum(len(content.text) for content in walk.contents)
    assert looked_at <= 5 * walk.answer.characters


def test_a_blocked_choice_ends_alone():
    guard = guard_for()
    walk = Walk(answer_guard("openai", guard, choices=2), guard)
    fine = "fine words here "
    for number in range(30):
        walk.feed(sse(chunk(fine, index=0)))
        walk.feed(sse(chunk("B@D " if number == 20 else fine, index=1)))
        walk.judge_all()
    walk.feed(sse(chunk(index=0, finish="stop")) + sse(chunk(index=1, finish="stop")))
    walk.feed(sse(chunk("late B@D words", index=1)))
    walk.finish(DONE)
    walk.judge_all()
    assert not walk.answer.is_blocked
    assert walk.answer.blocked_at is not None
    told = {}
    ends = []
    for event in events_in(walk.out):
        for choice in event["choices"]:
            told[choice["index"]] = told.get(choice["index"], "") + (
                choice["delta"].get("content") or ""
            )
            if choice["finish_reason"]:
                ends.append((choice["index"], choice["finish_reason"]))
    assert told[0] == fine * 30
    assert told[1] == fine * (len(told[1]) // len(fine))
    assert len(told[1]) <= len(fine) * 20
    assert ends == [(1, "content_filter"), (0, "stop")]
    assert walk.out.endswith(DONE)


def test_the_answer_ends_once_every_choice_is_blocked():
    guard = guard_for()
    walk = Walk(answer_guard("openai", guard, choices=2), guard)
    both = chunk("a B@D thing, " * 9)
    both["choices"].append({"index": 1, "delta": {"content": "B@D " * 20}, "finish_reason": None})
    walk.feed(sse(both))
    walk.judge_all()
    assert walk.answer.is_blocked
    ends = [choice for event in events_in(walk.out) for choice in event["choices"]]
    assert [(one["index"], one["finish_reason"]) for one in ends] == [
        (0, "content_filter"),
        (1, "content_filter"),
    ]
    assert walk.out.count(b"[DONE]") == 1


def test_events_of_several_choices_lose_the_blocked_one_only():
    guard = guard_for()
    walk = Walk(answer_guard("openai", guard, choices=2), guard)
    walk.feed(sse(chunk("B@D " * 40, index=1)))
    walk.judge_all()
    both = chunk("good")
    both["choices"].append({"index": 1, "delta": {"content": "hidden"}, "finish_reason": None})
    both["usage"] = {"total_tokens": 3}
    walk.feed(sse(both) + sse(chunk(index=0, finish="stop")))
    walk.finish(DONE)
    walk.judge_all()
    assert b"hidden" not in walk.out
    assert text_in("openai", walk.out) == "good"
    assert b'"usage":{"total_tokens":3}' in walk.out


def test_reasoning_and_text_do_not_wait_for_each_other_for_ever():
    guard = guard_for(pii=Action.REDACT)
    walk = Walk(answer_guard("openai", guard), guard)
    walk.feed(sse(chunk(reasoning_content="I think of something")))
    for _ in range(40):
        walk.feed(sse(chunk("and I say it ")))
        walk.judge_all()
    assert len(text_in("openai", walk.out)) > 300
    assert b"I think of something" in walk.out


@pytest.mark.parametrize("member", ["arguments", "name"])
def test_calls_of_tools_are_looked_at(member):
    guard = guard_for()
    function = {"name": "send", "arguments": '{"to": 1}'} | {member: "B@D"}
    events = sse(chunk(tool_calls=[{"index": 0, "id": "call_1", "function": function}]))
    walk = pass_through(answer_guard("openai", guard), guard, events, DONE)
    assert walk.answer.is_blocked
    assert b"B@D" not in walk.out
    assert b"send" not in walk.out


def test_what_is_put_into_arguments_stays_json():
    placeholders = Placeholders()
    name = placeholders.of_prompt("NAME", 'Ann "the\\one"\n')
    guard = guard_for(pii=Action.REDACT)
    arguments = json.dumps({"to": f"{name}", "cc": "bob@mail.test"})
    pieces = [arguments[at : at + 7] for at in range(0, len(arguments), 7)]
    for kind in KINDS:
        calls = [sse(chunk(tool_calls=[{"index": 0, "id": "c", "function": {"name": "send"}}]))]
        calls += [
            sse(chunk(tool_calls=[{"index": 0, "function": {"arguments": piece}}]))
            for piece in pieces
        ]
        data, rest = stream_of(kind, [*calls, sse(chunk(finish="tool_calls"))])
        answer = answer_guard(kind, guard, placeholders=placeholders)
        walk = pass_through(answer, guard, data, rest, cuts=range(0, len(data), 50))
        if kind == "responses":
            said = json.loads(events_in(walk.out)[-1]["response"]["output"][0]["arguments"])
        elif kind in ("gemini", "array"):
            parts = objects_of(kind, walk.out)[-1]["candidates"][0]["content"]["parts"]
            said = parts[0]["functionCall"]["args"]
        else:
            out = walk.out
            call = gathered_call(out)
            said = json.loads(call)
        assert said == {"to": 'Ann "the\\one"\n', "cc": "<EMAIL_1>"}, kind


def gathered_call(out):
    said = ""
    for event in events_in(out):
        for choice in event.get("choices", ()):
            for call in choice["delta"].get("tool_calls", ()):
                said += call["function"].get("arguments", "")
        said += event.get("delta", {}).get("partial_json", "")
    return said


def test_log_probabilities_leave_with_their_text_and_never_tell_what_was_redacted():
    guard = guard_for(pii=Action.REDACT)
    event = chunk("to ann@mail.test")
    tokens = [{"token": token, "logprob": -0.5} for token in ("to ", "ann@", "mail.test")]
    event["choices"][0]["logprobs"] = {"content": tokens}
    late = chunk("")
    late["choices"][0]["logprobs"] = {"content": [{"token": "bob@mail.test", "logprob": -1}]}
    fine = chunk("fine")
    fine["choices"][0]["logprobs"] = {"content": [{"token": "fine", "logprob": -1.5}]}
    data = sse(event, late, fine)
    walk = Walk(answer_guard("openai", guard), guard)
    walk.feed(data)
    assert b'logprob"' not in walk.out
    walk.finish(DONE)
    walk.judge_all()
    assert b".test" not in walk.out
    assert [each["choices"][0]["logprobs"] for each in events_in(walk.out)] == [
        None,
        None,
        {"content": [{"token": "fine", "logprob": -1.5}]},
    ]


def test_a_text_that_is_said_again_otherwise_is_looked_at():
    guard = guard_for()
    data, rest = stream_of("responses", chat_events(["fine"]))
    rest = rest.replace(b'"text":"fine"', b'"text":"B@D!"')
    walk = pass_through(answer_guard("responses", guard), guard, data, rest)
    assert walk.answer.is_blocked
    assert b"B@D" not in walk.out


def test_a_check_that_cannot_tell_ends_the_call_where_the_policy_wants_it_to_tell():
    guard = guard_for()
    walk = Walk(answer_guard("openai", guard), guard)
    walk.feed(sse(chunk("some words " * 20)))
    use = next(iter(guard.uses.values()))[0]
    assert walk.asked is not None
    told = judge(guard, [walk.asked], [], [Failure(use, "timeout")])
    assert walk.answer.judged(told) == b""
    assert walk.answer.error is not None
    assert (walk.answer.error.status, walk.answer.error.code) == (503, "content_filter_unavailable")
    assert walk.answer.feed(sse(chunk("more"))) == walk.answer.finish(DONE) == b""
    assert not walk.answer.is_waiting


@STREAMS
@settings(deadline=None, max_examples=15)
@given(noise=st.lists(st.binary(max_size=40), max_size=8), cuts=CUTS)
def test_whatever_comes_is_passed_on_or_refused(kind, noise, cuts):
    """Bytes between and within events, and nothing but ApiError is raised."""
    guard = guard_for()
    events = [b"data: " + one.replace(b"\n", b"").replace(b"\r", b"") + b"\n\n" for one in noise]
    data, rest = stream_of(kind, chat_events(["fine"]))
    if kind != "array":
        data = b"".join(events) + data
    walk = pass_through(answer_guard(kind, guard), guard, data, rest, cuts=cuts)
    assert text_in(kind, walk.out) == text_in(kind, data + rest)


MEMBERS = [
    *("choices", "index", "delta", "message", "text", "content", "candidates", "parts"),
    *("functionCall", "args", "type", "response", "output", "item", "part", "logprobs", "tokens"),
    *("tool_calls", "function", "arguments", "finish_reason", "object", "content_block", "summary"),
    *("output_index", "finishReason", "token", "name", "reasoning", "input", "logprobsResult"),
]
TYPES = [
    *("message", "message_start", "message_delta", "message_stop", "content_block_start"),
    *("content_block_delta", "content_block_stop", "text", "thinking", "tool_use", "response"),
    *("response.created", "response.output_item.added", "response.content_part.added"),
    *("response.output_text.delta", "response.output_text.done", "response.content_part.done"),
    *("response.output_item.done", "response.completed", "function_call", "output_text", "B@D"),
    *("response.function_call_arguments.delta", "reasoning", "summary_text", "ann@mail.test"),
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 300)
    | st.text("aB@\ud83d", max_size=4)
    | st.sampled_from(TYPES),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(MEMBERS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@STREAMS
@settings(deadline=None, max_examples=40)
@given(events=st.lists(JSON, max_size=6), is_redacted=st.booleans())
def test_hostile_objects_are_no_trouble(kind, events, is_redacted):
    guard = guard_for(pii=Action.REDACT if is_redacted else Action.ANNOTATE)
    for is_stream in (True, False):
        answer = answer_guard(kind, guard, is_stream=is_stream)
        walk = Walk(answer, guard)
        for event in events:
            if is_stream:
                walk.feed(b"data: " + json.dumps(event).encode() + b"\n\n")
                walk.judge_all()
        walk.finish(b"" if is_stream else json.dumps(events[-1] if events else {}).encode())
        walk.judge_all()
        assert not answer.is_waiting


def test_an_event_that_ends_its_lines_otherwise_hides_nothing():
    guard = guard_for()
    for ending in (b"\r\r", b"\r\n\r\n", b"\n\r\n"):
        data = sse(chunk("B@D")).replace(b"\n\n", ending) + sse(chunk("fine"))
        walk = pass_through(answer_guard("openai", guard), guard, data, DONE, cuts=range(300))
        assert walk.answer.is_blocked, ending


def test_half_a_surrogate_pair_hides_nothing():
    guard = guard_for()
    data = sse(chunk("\ud83d B@D"))
    walk = pass_through(answer_guard("openai", guard), guard, data, DONE)
    assert walk.answer.is_blocked
    assert re.search("[\ud800-\udfff]", walk.contents[0].text) is None


def test_a_stream_that_pauses_is_looked_at_when_hurried():
    guard = guard_for(pii=Action.ANNOTATE)
    walk = Walk(answer_guard("openai", guard), guard)
    walk.feed(sse(chunk("a few words, a few more words and then nothing")))
    assert walk.asked is None
    walk.answer.hurry()
    walk._ask()
    walk.judge()
    assert walk.contents[0].text == "a few words, a few more words and then nothing"


def test_more_than_enough_is_held_back_only_while_verdicts_are_out():
    guard = guard_for()
    walk = Walk(answer_guard("openai", guard), guard)
    walk.feed(sse(chunk("w" * 30, index=0)))
    while not walk.answer.is_full:
        walk.feed(sse(chunk("", index=0, refusal=None) | {"padding": "p" * 8_000}))
    assert walk.asked is not None  # nothing more would come while the upstream waits
    walk.judge_all()
    assert not walk.answer.is_full


@pytest.mark.parametrize("kind", ["openai", "responses"])
def test_tokens_of_other_kinds_of_text_are_looked_at(kind):
    guard = guard_for()
    for said in (
        chunk(refusal="B@D"),
        chunk(reasoning_content="B@D"),
        chunk(reasoning="B@D"),
    ):
        data, rest = stream_of(kind, [sse(said), sse(chunk(finish="stop"))])
        walk = pass_through(answer_guard(kind, guard), guard, data, rest)
        assert walk.answer.is_blocked, said
        assert b"B@D" not in walk.out
    transcript = sse(chunk(audio={"transcript": "B@D", "data": "AAAA"}))
    walk = pass_through(answer_guard("openai", guard), guard, transcript, DONE)
    assert walk.answer.is_blocked


def test_judgements_that_come_too_late_do_nothing():
    guard = guard_for()
    walk = Walk(answer_guard("openai", guard), guard)
    walk.feed(sse(chunk("B@D words " * 20)))
    late = walk.asked
    walk.judge()
    assert walk.answer.is_blocked
    assert walk.answer.judged(judgement_of(guard, late)) == b""


@pytest.mark.parametrize(
    ("kind", "said", "heard"),
    [
        ("openai", b": a host that thinks\n\n", b":\n\n"),
        ("messages", PING, PING),
    ],
)
def test_signs_of_life_do_not_wait_behind_held_text(kind, said, heard):
    guard = guard_for()
    data, rest = stream_of(kind, chat_events(["some words"]))
    walk = Walk(answer_guard(kind, guard), guard)
    walk.feed(data.replace(b'"stop"', b"null"))
    walk.feed(said)
    assert walk.parts[-1] == heard
    assert b"some words" not in walk.out
    walk.finish(rest)
    walk.judge_all()
    assert text_in(kind, walk.out) == "some words"
