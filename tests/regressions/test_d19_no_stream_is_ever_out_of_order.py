"""D19: streams of Anthropic's dialect that its clients could not read: thinking within a text
block, a second message_start, a block that was never opened (litellm#13373, #14315, #33224,
#32357).

Hosts send reasoning, text and pieces of several calls in every order, in reads that end anywhere.
Whatever reaches the client is legal, and says what was said. The checkers share no code with the
writers.
"""

import json
import random
import sys
from pathlib import Path

import pytest
from dialect_clients import MESSAGES, RESPONSES, events_of
from gateway_parts import event_of, soon, usage_event

from tradewind.wire.sse import DONE

sys.path.append(str(Path(__file__).parents[1] / "gateway" / "dialects"))

import itertools

from messages_parts import content_of, legal
from responses_checker import Checker

SEEDS = range(40)


class Said:
    """One answer with reasoning, text and calls in an order of chance, and its bytes in pieces."""

    def __init__(self, seed):
        chance = random.Random(seed)
        self.text, self.thinking, self.arguments = "", "", {}
        events = [self._event({"role": "assistant", "content": ""})]
        events += [self._piece(chance) for _ in range(chance.randrange(1, 30))]
        reason = "tool_calls" if self.arguments else "stop"
        closings = [self._call(index, "}") for index in self.arguments]
        chance.shuffle(closings)
        events += closings
        events.append(event_of(choices=[{"index": 0, "delta": {}, "finish_reason": reason}]))
        if chance.random() < 0.8:
            events.append(usage_event(10, 2, 30))
        if chance.random() < 0.3:
            events.insert(chance.randrange(len(events)), b": a comment\n\n")
        raw = b"".join(events) + DONE
        places = sorted(chance.randrange(len(raw)) for _ in range(chance.randrange(12)))
        edges = [0, *places, len(raw)]
        self.pieces = [raw[a:b] for a, b in itertools.pairwise(edges) if a < b]

    @property
    def calls(self):
        return [json.loads(text + "}") for _, text in sorted(self.arguments.items())]

    def _piece(self, chance):
        kind = chance.choice(["text", "text", "thinking", "call", "both", "empty"])
        if kind == "empty":
            return self._event({"content": ""})
        if kind == "thinking":
            word = f"t{chance.randrange(100)} "
            self.thinking += word
            return self._event({chance.choice(["reasoning_content", "reasoning"]): word})
        if kind == "both":
            word = f"b{chance.randrange(100)} "
            self.text += word
            self.thinking += word
            return self._event({"reasoning_content": word, "content": word})
        if kind == "text":
            word = f"w{chance.randrange(100)} "
            self.text += word
            return self._event({"content": word})
        # Calls begin in the order of their indexes, as hosts number them; pieces take turns.
        index = chance.randrange(min(len(self.arguments) + 1, 4))
        if index not in self.arguments:
            self.arguments[index] = '{"n": 0'
            return self._call(index, '{"n": 0', begins=True)
        piece = f', "k{len(self.arguments[index])}": 1'
        self.arguments[index] += piece
        return self._call(index, piece)

    def _call(self, index, arguments, *, begins=False):
        call = {"index": index, "function": {"arguments": arguments}}
        if begins:
            call |= {"id": f"call_{index}", "type": "function"}
            call["function"]["name"] = f"tool_{index}"
        return self._event({"tool_calls": [call]})

    @staticmethod
    def _event(delta):
        return event_of(choices=[{"index": 0, "delta": delta, "finish_reason": None}])

    async def __call__(self, call):
        await call.begin()
        for piece in self.pieces:
            await call.send(piece)
        await call.end()


async def answered(world, dialect, **members):
    client = await world.client()
    body = json.dumps(dialect.body | {"stream": True} | members).encode()
    answer = await soon(client.call("POST", dialect.path, body))
    assert answer.status == 200, answer.body
    return answer.body


TOOLS = [{"name": f"tool_{index}", "input_schema": {"type": "object"}} for index in range(4)]
FUNCTIONS = [
    {"type": "function", "name": f"tool_{index}", "parameters": {"type": "object"}}
    for index in range(4)
]


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_messages_stream_is_legal_and_whole_in_whatever_order_things_come(
    world, upstream, seed
):
    said = upstream.script = Said(seed)
    raw = await answered(world, MESSAGES, tools=TOOLS)
    content = content_of(legal(raw))
    assert content["text"] == said.text
    assert content["thinking"] == said.thinking
    assert [arguments for _, _, arguments in content["calls"]] == said.calls
    assert [name for name, _ in events_of(raw)].count("message_start") == 1


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_responses_stream_is_legal_and_whole_in_whatever_order_things_come(
    world, upstream, seed
):
    said = upstream.script = Said(seed)
    raw = await answered(world, RESPONSES, tools=FUNCTIONS)
    response = Checker(raw).check()
    texts = [
        part["text"]
        for item in response["output"]
        if item["type"] == "message"
        for part in item["content"]
    ]
    assert "".join(texts) == said.text
    calls = [item for item in response["output"] if item["type"] == "function_call"]
    assert [json.loads(call["arguments"]) for call in calls] == said.calls
