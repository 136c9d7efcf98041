"""The rules of publishing: which way a listing can go, what it has to say, what a run has shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core.acting import By
from tradewind.core.errors import InvalidInput
from tradewind.features.publishing import rules
from tradewind.features.publishing.errors import ListingMove, SelfReview
from tradewind.features.publishing.schemas import (
    Check,
    CheckState,
    Content,
    Move,
    NewApplication,
    RunState,
    State,
)

ADA, GRACE = By("user_ada", "Ada"), By("user_grace", "Grace")
COMPLETE = Content(
    display_name="Small",
    version="1.0",
    description="A small model.",
    card="A small model that answers briefly, made for tests.",
    artifact="sha256:" + "ab" * 32,
    licence="Apache-2.0",
    intended_use="Short answers.",
    limits="Knows little.",
    evaluated_harms="Not evaluated.",
)
moves = st.lists(
    st.tuples(st.sampled_from(Move), st.sampled_from([ADA, GRACE]), st.booleans()), max_size=30
)
texts = st.text(max_size=40)
contents = st.builds(
    Content,
    display_name=texts,
    operation=st.sampled_from(["chat", "embeddings", "video"]),
    version=texts,
    context_tokens=st.none() | st.integers(-5, 10**9),
    capabilities=st.lists(st.sampled_from([*rules.CAPABILITIES, "flight"])).map(tuple),
    description=texts,
    licence=texts,
    is_gated=st.booleans(),
    limits=texts,
)


def walk(steps):
    """Make moves one after the other, as far as they go; yield each that was made."""
    state, submitted_by = State.DRAFT, None
    for move, by, is_validated in steps:
        try:
            after = rules.moved(
                state,
                move,
                by=by,
                submitted_by=submitted_by,
                reason="because",
                is_validated=is_validated,
            )
        except (ListingMove, SelfReview):
            continue
        if move is Move.SUBMIT:
            submitted_by = by
        yield state, move, after, by, submitted_by, is_validated
        state = after


@given(moves)
def test_nothing_is_listed_but_what_another_person_approved_after_a_passed_run(steps):
    made = list(walk(steps))
    for place, (_, move, after, *_) in enumerate(made):
        if after is State.LISTED:
            _, before, _, by, submitted_by, is_validated = made[place - 1]
            assert move is Move.LIST
            assert before is Move.APPROVE
            assert is_validated
            assert submitted_by is not None
            assert by.id != submitted_by.id


@given(moves)
def test_what_is_delisted_stays_so(steps):
    for state, *_ in walk(steps):
        assert state is not State.DELISTED


@pytest.mark.parametrize("state", [state for state in State if state is not State.DELISTED])
def test_every_state_can_be_left(state):
    assert rules.moves_from(state)


def test_a_move_that_cannot_be_says_which_can():
    with pytest.raises(ListingMove, match=r"draft cannot be approved .*submitted"):
        rules.moved(State.DRAFT, Move.APPROVE, by=ADA)


@pytest.mark.parametrize("move", [Move.FAIL, Move.SEND_BACK, Move.DELIST])
def test_what_a_publisher_has_to_know_takes_a_reason(move):
    state = {Move.FAIL: State.SUBMITTED, Move.DELIST: State.LISTED}.get(move, State.IN_REVIEW)

    with pytest.raises(InvalidInput, match="reason"):
        rules.moved(state, move, by=ADA, reason="  ")


def test_a_complete_listing_has_no_problems():
    assert rules.problems(COMPLETE) == {}


def test_at_most_twelve_fields_have_to_be_filled_in():
    wanted = set(rules.problems(Content(operation=""))) | {"slug", "connection_id"}

    assert wanted - {"visibility"} <= {
        "slug",
        "display_name",
        "operation",
        "version",
        "description",
        "card",
        "artifact",
        "connection_id",
        "licence",
        "intended_use",
        "limits",
        "evaluated_harms",
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("display_name", "a\nb"),
        ("operation", "video"),
        ("version", "1 0"),
        ("context_tokens", 0),
        ("max_output_tokens", -1),
        ("capabilities", ("flight",)),
        ("description", "x" * 601),
        ("card", "short"),
        ("artifact", "sha256:abc"),
        ("licence", "unknown"),
        ("licence", "Apache-2.0 AND"),
        ("licence_url", "javascript:alert(1)"),
        ("visibility", "secret"),
        ("limits", " "),
        ("input_price", "-1"),
        ("input_price", "1e3"),
    ],
)
def test_a_wrong_field_is_named(field, value):
    content = Content(
        **{name: getattr(COMPLETE, name) for name in Content.__struct_fields__} | {field: value}
    )

    assert field in rules.problems(content)


@given(contents)
def test_problems_are_found_in_anything_without_failing(content):
    found = rules.problems(content)

    assert set(found) <= set(Content.__struct_fields__)


@given(contents, contents)
def test_differences_are_exactly_the_fields_that_read_differently(before, after):
    found = {each.field: each for each in rules.differences(before, after)}

    for name in Content.__struct_fields__:
        old, new = rules.written(getattr(before, name)), rules.written(getattr(after, name))
        assert (name in found) == (old != new)
        if name in found:
            assert found[name] == (name, old, new)


@given(contents)
def test_a_listing_does_not_differ_from_itself(content):
    assert rules.differences(content, content) == ()


def checks(**states):
    return [Check(name=name, state=state) for name, state in states.items()]


@given(st.dictionaries(st.sampled_from(rules.CHECKS), st.sampled_from(CheckState)))
def test_a_run_passes_only_when_nothing_failed_and_what_matters_was_tried(states):
    passed = rules.verdict(checks(**states)) is RunState.PASSED

    assert passed == (
        CheckState.FAILED not in states.values()
        and all(states.get(name) is CheckState.PASSED for name in rules.REQUIRED_TO_PASS)
    )
    assert passed != bool(rules.failures(checks(**states)))


def test_a_proof_is_a_line_of_its_own():
    assert rules.is_proved(b"# ours\ntradewind-publisher=ab\n", "tradewind-publisher=ab")
    assert not rules.is_proved(b"tradewind-publisher=abc", "tradewind-publisher=ab")
    assert not rules.is_proved(b"\xff\xfe", "tradewind-publisher=ab")


@pytest.mark.parametrize(
    ("field", "value"),
    [("slug", "Acme"), ("name", ""), ("website", "http://acme.example"), ("contact", "nobody")],
)
def test_an_application_that_proves_nothing_is_refused(field, value):
    values = {
        "slug": "acme",
        "name": "Acme",
        "website": "https://acme.example",
        "contact": "a@acme.example",
    }

    with pytest.raises(InvalidInput):
        rules.clean_application(NewApplication(**values | {field: value}))


@pytest.mark.parametrize("operation", ["images", "speech"])
def test_files_of_a_kind_that_no_engine_loads_are_not_published(operation):
    content = Content(operation=operation, artifact="sha256:" + "ab" * 32)
    assert "no engine here loads" in rules.problems(content)["artifact"].message
    bound = Content(operation=operation, connection_id="conn_1", upstream_model="m")
    assert not {"artifact", "operation"} & rules.problems(bound).keys()


def test_a_kind_that_cannot_be_tried_is_not_published():
    assert "operation" in rules.problems(Content(operation="transcription"))
