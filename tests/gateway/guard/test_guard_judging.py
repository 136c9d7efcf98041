"""What policies come to together, and what follows from findings."""

import msgspec
import pytest
from guard_parts import a_policy, rule
from hypothesis import given
from hypothesis import strategies as st

from tradewind.gateway.guard.judging import Failure, judge
from tradewind.gateway.guard.pieces import batches_of, pieces_of, verdict_of_pieces
from tradewind.gateway.guard.policies import GRAVITY, guard_of
from tradewind.gateway.guard.trail import trail_of
from tradewind.plugins.checks.base import Content, Finding, Verdict
from tradewind.plugins.checks.fake import FakeCheck
from tradewind.snapshot.safety import (
    Action,
    CheckUse,
    DataReference,
    Direction,
    Policy,
    Rule,
    Streaming,
)

PROMPT, COMPLETION = Direction.PROMPT, Direction.COMPLETION
CHECKS = {"fake": FakeCheck()}


def guard(*policies, bound=None):
    by_id = {policy.id: policy for policy in policies}
    found = guard_of(list(by_id) if bound is None else bound, by_id, CHECKS)
    assert found is not None
    return found


def only(*rules, policy_id="policy_a", uses=(), streaming=Streaming.BUFFERED):
    return Policy(policy_id, 1, "", rules, tuple(uses), streaming)


def judged(of_guard, *findings, direction=PROMPT, failures=(), look_back=0):
    content = Content("x" * 100, direction, look_back)
    return judge(of_guard, [content], [[Verdict("fake", "1", findings)]], failures)


def test_nothing_bound_is_no_guard():
    assert guard_of([], {}, CHECKS) is None


def test_the_threshold_itself_is_enough_and_what_is_below_is_annotated():
    one = guard(only(*rule("hate", threshold=4)))
    assert judged(one, Finding("hate", 4, 0.5)).refusal == "policy"
    below = judged(one, Finding("hate", 3, 0.5))
    assert (below.action, below.refusal) == (Action.ANNOTATE, None)
    assert below.findings[0].threshold == 4
    assert judged(one, Finding("violence", 7, 1.0)).findings[0].threshold == 0


def test_a_rule_for_a_part_stands_before_that_for_the_whole_in_its_policy_alone():
    parts = only(*rule("pii", Action.BLOCK), *rule("pii.email", Action.ANNOTATE))
    assert judged(guard(parts), Finding("pii.email", 6, 1.0)).refusal is None
    assert judged(guard(parts), Finding("pii.card", 6, 1.0)).refusal == "policy"
    whole = only(*rule("pii", Action.BLOCK), policy_id="policy_b")
    assert judged(guard(parts, whole), Finding("pii.email", 6, 1.0)).refusal == "policy"


policies = st.builds(
    only,
    *[
        st.builds(
            Rule,
            st.sampled_from(["hate", "pii", "pii.email"]),
            st.sampled_from(Direction),
            st.integers(1, 7),
            st.sampled_from(Action),
        )
    ]
    * 3,
    streaming=st.sampled_from(Streaming),
    uses=st.lists(
        st.builds(
            CheckUse,
            st.just("fake"),
            st.frozensets(st.sampled_from(Direction)),
            st.integers(1, 900),
            st.booleans(),
            st.sampled_from([{}, {"language": "en"}]),
            st.sampled_from([(), (DataReference("a", "a" * 64, 1),)]),
        ),
        max_size=3,
    ),
)


@given(policies, policies, st.sampled_from(["hate", "pii", "pii.email"]), st.integers(0, 7))
def test_binding_one_more_policy_never_weakens_what_holds(first, second, category, severity):
    second = msgspec.structs.replace(second, id="policy_b")
    alone, both = guard(first), guard(first, second)
    for direction in Direction:
        former, _ = alone.action_of(category, direction, severity)
        now, _ = both.action_of(category, direction, severity)
        assert GRAVITY[now] >= GRAVITY[former]
        for use in alone.uses[direction]:
            same = [
                other
                for other in both.uses[direction]
                if other.options == use.options
                and set(use.data) <= set(other.data)
                and other.deadline_s >= use.deadline_s
                and (use.fails_open or not other.fails_open)
            ]
            assert same, "each check still runs, with all its data and at least its strictness"
    if alone.streaming is Streaming.BUFFERED:
        assert both.streaming is Streaming.BUFFERED


def test_two_policies_that_want_the_same_of_a_check_have_it_run_once():
    lists = [DataReference(name, name * 64, 1) for name in "ab"]
    first = a_policy(*rule("hate"), data=(lists[0],), fails_open=True, deadline_ms=100)
    second = a_policy(*rule("hate"), policy_id="policy_b", data=(lists[1],), deadline_ms=50)
    [use] = guard(first, second).uses[PROMPT]
    assert use.data == tuple(lists)
    assert (use.deadline_s, use.fails_open) == (0.1, False)


def test_what_ended_within_the_look_back_is_known_and_what_goes_on_behind_it_is_not():
    one = guard(only(*rule("hate")))
    ended, goes_on = Finding("hate", 6, 1.0, 3, 10), Finding("hate", 6, 1.0, 3, 11)
    assert not judged(one, ended, direction=COMPLETION, look_back=10).findings
    assert judged(one, goes_on, direction=COMPLETION, look_back=10).refusal == "policy"


@pytest.mark.parametrize(("opens", "refusal"), [(True, None), (False, "unavailable")])
def test_a_failure_refuses_unless_the_policy_lets_calls_pass(opens, refusal):
    one = guard(a_policy(*rule("hate"), fails_open=opens))
    failure = Failure(one.uses[PROMPT][0], "timeout")
    found = judged(one, failures=[failure])
    assert (found.refusal, found.failures) == (refusal, (("fake", "timeout"),))
    assert judged(one, Finding("hate", 6, 1.0), failures=[failure]).refusal == "policy"


def test_a_policy_that_is_not_there_lets_nothing_pass():
    found = judged(guard(only(), bound=["policy_a", "policy_gone"]))
    assert (found.refusal, found.failures) == ("unavailable", (("policy_gone", "missing"),))


def test_the_flags_are_the_gravest_of_each_category_and_the_trail_has_those_that_say_something():
    one = guard(only(*rule("hate", threshold=6), *rule("pii", Action.REDACT, 1)))
    found = judged(
        one,
        Finding("hate", 2, 0.3, 1, 2),
        Finding("hate", 6, 0.9, 3, 4),
        Finding("violence", 1, 0.1),
        Finding("pii", 1, 1.0, 5, 6),
    )
    assert [(flag.category, flag.severity) for flag in found.flags] == [
        ("hate", 6),
        ("pii", 1),
        ("violence", 1),
    ]
    trail = trail_of(one, [found.flags, found.flags], [("a", "b")] * 2, 5, 0.25)
    assert [(flag.category, flag.action) for flag in trail.flags] == [
        ("hate", "block"),
        ("pii", "redact"),
    ]
    assert (trail.failures, trail.blocked_at, trail.examined_us) == ((("a", "b"),), 5, 250_000)


@given(
    st.lists(st.text(alphabet="ab [6]hate", max_size=300), max_size=5),
    st.integers(4, 60),
    st.lists(st.integers(0, 250), max_size=4),
)
def test_pieces_are_all_of_the_text_and_findings_come_back_to_their_places(texts, most, places):
    mark = "[[hate 6]]"
    texts = [text[:place] + mark + text[place:] for text, place in zip(texts, places, strict=False)]
    contents = [Content(text, PROMPT) for text in texts]
    most = max(most, 4 * len(mark))  # a finding within the overlap is whole in one piece
    check, found = FakeCheck(), [[] for _ in contents]
    for piece in pieces_of(contents, most):
        assert 0 < len(piece.content.text) <= most
        assert texts[piece.of].startswith(piece.content.text, piece.start)
        [verdict] = check.examine([piece.content], {}, ())
        found[piece.of].append((piece.start, verdict))
    for content, of_content in zip(contents, found, strict=True):
        verdict = verdict_of_pieces(check, content, of_content)
        whole = check.examine([content], {}, ())[0]
        assert sorted((each.start, each.end) for each in verdict.findings) == sorted(
            (each.start, each.end) for each in whole.findings
        )
    batched = [piece for batch in batches_of(contents, most) for piece in batch]
    assert batched == list(pieces_of(contents, most))
