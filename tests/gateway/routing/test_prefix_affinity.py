import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from routing_parts import a_target

from tradewind.gateway.routing.affinity import affinity_of, sticky_target

SYSTEM = {"role": "system", "content": "You help in a library." * 5}
FIRST = {"role": "user", "content": "Where are the {maps}?"}
MORE = [{"role": "assistant", "content": "Upstairs."}, {"role": "user", "content": "And atlases?"}]


def body(messages, **members):
    return json.dumps({"model": "p/m", "messages": messages, "stream": True} | members).encode()


@pytest.mark.parametrize("beginning", [[SYSTEM, FIRST], [FIRST]])
@pytest.mark.parametrize(
    "dump", [json.dumps, lambda value: json.dumps(value, separators=(",", ":"))]
)
def test_all_turns_of_a_conversation_have_the_same_affinity(beginning, dump):
    def spelled(messages):
        return dump({"model": "p/m", "messages": messages, "max_tokens": 5}).encode()

    first = affinity_of(spelled(beginning))
    assert affinity_of(spelled(beginning + MORE)) == first
    assert affinity_of(spelled(beginning + MORE * 40)) == first


def test_parts_in_the_message_do_not_matter_to_later_turns():
    parts = {
        "role": "user",
        "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
    }
    assert affinity_of(body([SYSTEM, parts])) == affinity_of(body([SYSTEM, parts, *MORE]))


def test_other_conversations_have_others():
    texts = ["one", "two", "three"]
    found = {affinity_of(body([SYSTEM, {"role": "user", "content": text}])) for text in texts}
    found |= {affinity_of(body([{"role": "system", "content": text}, FIRST])) for text in texts}
    assert len(found) == 6


@pytest.mark.parametrize("name", ["prompt_cache_key", "user"])
def test_what_the_client_names_itself_counts(name):
    one = affinity_of(body([FIRST], **{name: "key-1"}))
    assert affinity_of(body(MORE * 300, **{name: "key-1"})) == one
    assert affinity_of(json.dumps({name: "key-1", "messages": [SYSTEM]}).encode()) == one
    assert affinity_of(body([FIRST], **{name: "key-2"})) != one


@given(st.binary(max_size=3000))
def test_any_bytes_have_an_affinity(data):
    assert len(affinity_of(data)) == 4
    assert affinity_of(data) == affinity_of(data)


def targets(number):
    return [a_target(f"rep_{place}") for place in range(number)]


def digest(number):
    return affinity_of(b"%d" % number)


def test_the_same_affinity_finds_the_same_target_in_any_order():
    several = targets(5)
    for number in range(50):
        found = sticky_target(digest(number), several, {})
        assert sticky_target(digest(number), several[::-1], {}) is found


def test_affinities_spread_by_weight():
    weighted = [a_target("a", weight=1), a_target("b", weight=3)]
    counts = Counter(sticky_target(digest(n), weighted, {}).replica_id for n in range(4000))
    assert 0.21 < counts["a"] / 4000 < 0.29


def test_when_a_target_goes_only_its_own_calls_move():
    several = targets(5)
    for number in range(300):
        before = sticky_target(digest(number), several, {})
        after = sticky_target(digest(number), several[1:], {})
        assert after is before or before is several[0]


def test_one_with_more_than_its_share_of_the_load_is_passed_over():
    several = targets(4)
    found = sticky_target(digest(1), several, {})
    loads = {target.replica_id: 8 for target in several}
    assert sticky_target(digest(1), several, loads) is found
    assert sticky_target(digest(1), several, loads | {found.replica_id: 13}) is not found


@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 200)), min_size=1, max_size=8),
    st.binary(max_size=16),
)
def test_there_is_always_one_that_takes_the_call_within_the_bound(facts, affinity):
    several = [a_target(str(place), weight=weight) for place, (weight, _) in enumerate(facts)]
    loads = {str(place): load for place, (_, load) in enumerate(facts) if load}
    found = sticky_target(affinity, several, loads)
    calls, weights = sum(loads.values()) + 1, sum(weight for weight, _ in facts)
    load = loads.get(found.replica_id, 0)
    assert load < 1.25 * calls * found.weight / weights + 1
