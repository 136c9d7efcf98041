"""Arguments of calls as they are meant, and the way back to how they are written."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.guard.answer_parts import (
    Walk,
    answer_guard,
    chunk,
    guard_for,
    pass_through,
    sse,
)
from tradewind.gateway.guard.escapes import before_escape, unescaped
from tradewind.snapshot.safety import Action
from tradewind.wire.sse import DONE

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)


def written(text, escaped):
    """Write a text as JSON does, some characters as escapes that need none."""
    return "".join(
        "".join(f"\\u{unit:04x}" for unit in units(each)) if is_escaped else json.dumps(each)[1:-1]
        for each, is_escaped in zip(text, escaped, strict=True)
    )


def units(character):
    raw = character.encode("utf-16-be")
    return [int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2)]


@given(TEXTS.filter(lambda text: json.dumps(text, ensure_ascii=False) == f'"{text}"'), st.data())
def test_what_is_meant_and_where_it_is_written(text, data):
    escaped = data.draw(st.lists(st.booleans(), min_size=len(text), max_size=len(text)))
    raw = written(text, escaped)
    found = unescaped(raw)
    if found is None:
        assert "\\u" not in raw
        return
    for start in range(len(found.text) + 1):
        place = found.written_at(start)
        assert found.meant_at(place) == start
        assert (unescaped(raw[place:]) or (raw[place:],))[0] == found.text[start:]


@given(TEXTS, st.integers(0, 300))
def test_no_text_is_cut_within_an_escape(text, at):
    raw = written(text, [True] * len(text)) + "\\\\" * 3
    at = min(at, len(raw))
    place = before_escape(raw, 0, at)
    assert at - 12 < place <= at
    head, tail = unescaped(raw[:place]), unescaped(raw[place:])
    whole = unescaped(raw)
    meant = (head.text if head else raw[:place]) + (tail.text if tail else raw[place:])
    assert meant == (whole.text if whole else raw)


def call(arguments, *, cuts):
    guard = guard_for(pii=Action.REDACT)
    pieces = [arguments[at : at + cuts] for at in range(0, len(arguments), cuts)]
    events = [
        sse(chunk(tool_calls=[{"index": 0, "function": {"arguments": piece}}])) for piece in pieces
    ]
    walk = Walk(answer_guard("openai", guard), guard)
    for event in events:
        walk.feed(event)
        walk.judge_all()
    walk.finish(sse(chunk(finish="tool_calls")) + DONE)
    walk.judge_all()
    return walk


def arguments_in(out):
    said = re.findall(rb'"arguments":\s?("(?:[^"\\]|\\.)*")', out)
    return "".join(map(json.loads, said))


@given(st.integers(1, 60), st.integers(0, 200))
def test_an_escape_hides_nothing_that_is_blocked(cuts, before):
    hidden = written("x" * before + "B@D", [False] * before + [True] * 3)
    walk = call('{"a": "' + hidden + '"}', cuts=cuts)
    assert walk.answer.is_blocked
    assert b"0042" not in walk.out


@given(st.integers(1, 60), st.integers(0, 200))
def test_an_escaped_address_is_redacted_as_it_is_written(cuts, before):
    fill = "é " * (before // 2)
    raw = json.dumps({"to": f"{fill}ann@mail.test!"}).replace("@", "\\u0040")
    walk = call(raw, cuts=cuts)
    assert json.loads(arguments_in(walk.out)) == {"to": f"{fill}<EMAIL_1>!"}


def test_a_backslash_that_is_escaped_begins_no_escape():
    raw = json.dumps({"path": r"C:\u0042@D"})
    guard = guard_for()
    events = sse(chunk(tool_calls=[{"index": 0, "function": {"arguments": raw}}]))
    walk = pass_through(answer_guard("openai", guard), guard, events, DONE)
    assert not walk.answer.is_blocked
    assert arguments_in(walk.out) == raw
