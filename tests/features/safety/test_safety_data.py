"""What checks are given: blocklists, categories and corpora, and who may delete them when."""

import hashlib
from datetime import timedelta

import pytest

from tradewind.core.errors import Conflict, InvalidInput, NotFound, PreconditionFailed
from tradewind.features.safety.errors import SafetyInUse, TooManySafetyThings
from tradewind.features.safety.keeping import find_data
from tradewind.features.safety.preparing import make
from tradewind.features.safety.rules.content import parse_content
from tradewind.features.safety.schemas import (
    NewCategory,
    NewCorpus,
    NewItem,
    NewText,
    Readiness,
    SubjectKind,
)
from tradewind.readmodels.safety import compile_policies
from tradewind.snapshot.safety import Action, Direction
from tradewind.worker.safety import prepare_next

pytestmark = pytest.mark.postgres

POEM = (
    "The harbour lights went out one by one while the tide pulled at the ropes and the last ferry"
    " turned slowly towards a sea that nobody had ever mapped, and the keeper of the lamp wrote"
    " down each ship that did not come home in a book bound with the skin of an old grey seal."
)


@pytest.fixture
def tx(database):
    with database.transaction() as tx:
        yield tx


def blocking(name, category, data_id, direction="prompt"):
    return parse_content(
        {
            "rules": [
                {"category": category, "direction": direction, "threshold": 2, "action": "block"}
            ],
            "checks": [{"name": name, "directions": [direction], "data": [data_id]}],
        }
    )


def bound(tx, safety, ada, content):
    row = safety.policies.add_policy(tx, ada, "P", content, by="Ada")
    safety.bindings.bind(
        tx, ada, row.policy_id, SubjectKind.ORGANIZATION, ada.organization_id, by="Ada"
    )
    return row


def compiled(tx, policy_id):
    return next(policy for policy in compile_policies(tx) if policy.id == policy_id)


def test_terms_reach_the_gateways_by_their_digest(tx, safety, person):
    ada = person()
    made = safety.blocklists.add_blocklist(tx, ada, "rivals", "who we do not name")
    row = bound(tx, safety, ada, blocking("blocklist", "blocklist", made.blocklist_id))
    # A list without terms finds nothing, and is no check.
    assert compiled(tx, row.policy_id).checks == ()
    items = safety.blocklists.add_items(
        tx, ada, made.blocklist_id, [NewItem("acme"), NewItem("Fo+bar", is_regex=True)]
    )
    assert [item.text for item in items] == ["acme", "Fo+bar"]
    (check,) = compiled(tx, row.policy_id).checks
    (reference,) = check.data
    raw = find_data(tx, reference.digest)
    assert raw is not None
    assert (reference.name, reference.size) == ("rivals", len(raw))
    assert hashlib.sha256(raw).hexdigest() == reference.digest
    tried = safety.trying.try_policy(tx, ada, row.content, "Is ACME better?", Direction.PROMPT)
    assert tried.action is Action.BLOCK
    (found,) = tried.findings
    assert (found.start, found.end, found.threshold) == (3, 7, 2)
    assert found.source == f"rivals/{items[0].item_id}"


def test_a_term_that_is_there_keeps_its_id(tx, safety, person):
    ada = person()
    made = safety.blocklists.add_blocklist(tx, ada, "b")
    (first,) = safety.blocklists.add_items(tx, ada, made.blocklist_id, [NewItem("a")])
    (again,) = safety.blocklists.add_items(
        tx, ada, made.blocklist_id, [NewItem("a", "described"), NewItem("a", "described")]
    )
    assert (again.item_id, again.description) == (first.item_id, "described")
    row = safety.blocklists.get_blocklist(tx, ada, made.blocklist_id)
    assert row.items == 1
    assert safety.blocklists.remove_items(tx, ada, made.blocklist_id, [first.item_id]) == 1
    assert safety.blocklists.remove_items(tx, ada, made.blocklist_id, [first.item_id]) == 0
    assert safety.blocklists.get_blocklist(tx, ada, made.blocklist_id).digest == ""


def test_what_a_policy_uses_is_not_deleted(tx, safety, person):
    ada = person()
    made = safety.blocklists.add_blocklist(tx, ada, "b")
    row = safety.policies.add_policy(
        tx, ada, "Uses b", blocking("blocklist", "blocklist", made.blocklist_id), by="Ada"
    )
    with pytest.raises(SafetyInUse, match="Uses b"):
        safety.blocklists.delete_blocklist(tx, ada, made.blocklist_id)
    safety.policies.delete_policy(tx, ada, row.policy_id)
    safety.blocklists.delete_blocklist(tx, ada, made.blocklist_id)
    with pytest.raises(NotFound):
        safety.blocklists.get_blocklist(tx, ada, made.blocklist_id)


def test_terms_and_lists_have_their_bounds(tx, safety, person):
    ada, eve = person(), person(is_operator=False)
    made = safety.blocklists.add_blocklist(tx, ada, "b")
    for bad in ("a b", "", "x" * 65, "../b"):
        with pytest.raises(InvalidInput):
            safety.blocklists.add_blocklist(tx, ada, bad)
    with pytest.raises(Conflict):
        safety.blocklists.add_blocklist(tx, ada, "b")
    for terms in ([], [NewItem("a")] * 101, [NewItem("x" * 129)], [NewItem("  ")]):
        with pytest.raises(InvalidInput):
            safety.blocklists.add_items(tx, ada, made.blocklist_id, terms)
    with pytest.raises(InvalidInput):
        safety.blocklists.add_items(tx, ada, made.blocklist_id, [NewItem("(", is_regex=True)])
    with pytest.raises(NotFound):
        safety.blocklists.get_blocklist(tx, eve, made.blocklist_id)
    with pytest.raises(PreconditionFailed):
        safety.blocklists.describe(tx, ada, made.blocklist_id, "d", revision=7)


def test_a_list_of_another_organization_is_in_no_policy(tx, safety, person):
    ada, eve = person(), person(is_operator=False)
    made = safety.blocklists.add_blocklist(tx, ada, "b")
    with pytest.raises(InvalidInput, match="no blocklist"):
        safety.policies.check(tx, eve, blocking("blocklist", "blocklist", made.blocklist_id))


def test_a_category_is_trained_by_the_worker_and_then_finds(database, safety, person):
    ada = person()
    tax = [
        f"How do I file the tax return for year {year} and its deductions?" for year in range(60)
    ]
    with database.transaction() as tx:
        made = safety.categories.add_category(
            tx, ada, NewCategory("tax", "questions about taxes", tuple(tax))
        )
        assert made.state is Readiness.QUEUED
        with pytest.raises(InvalidInput, match="not ready"):
            safety.policies.check(
                tx, ada, blocking("custom_category", "custom:tax", made.category_id)
            )
    assert prepare_next(database, safety.preparing)
    assert not prepare_next(database, safety.preparing)
    with database.transaction() as tx:
        row = safety.categories.get_category(tx, ada, made.category_id)
        assert (row.state, row.percent, row.positives) == (Readiness.READY, 100, 60)
        assert row.quality["precision"]
        content = blocking("custom_category", "custom:tax", made.category_id)
        tried = safety.trying.try_policy(
            tx, ada, content, "How do I file my tax return and its deductions?", Direction.PROMPT
        )
        assert tried.action is Action.BLOCK
        assert tried.findings[0].category == "custom:tax"


def test_a_rapid_category_needs_few_examples(database, safety, person):
    ada = person()
    with database.transaction() as tx:
        made = safety.categories.add_category(
            tx, ada, NewCategory("leak", "", ("the launch of project heron in may",), is_rapid=True)
        )
    prepare_next(database, safety.preparing)
    with database.transaction() as tx:
        row = safety.categories.get_category(tx, ada, made.category_id)
        assert (row.state, row.quality) == (Readiness.READY, {})


def test_examples_that_changed_while_it_was_trained_are_trained_again(database, safety, person):
    ada = person()
    new = NewCategory("leak", "", ("project heron",), is_rapid=True)
    with database.transaction() as tx:
        made = safety.categories.add_category(tx, ada, new)
    with database.transaction() as tx:
        taken = safety.preparing.take(tx)
    with database.transaction() as tx:
        assert safety.preparing.take(tx) is None
        safety.categories.train_again(
            tx, ada, made.category_id, NewCategory("", "", ("project ibis",), is_rapid=True)
        )
    with database.transaction() as tx:
        assert not safety.preparing.end(tx, taken, make(taken))
    with database.transaction() as tx:
        again = safety.preparing.take(tx)
        assert again.positives == ["project ibis"]
        assert safety.preparing.end(tx, again, make(again))


def test_what_a_dead_worker_took_is_taken_again(database, safety, person, clock):
    ada = person()
    with database.transaction() as tx:
        safety.categories.add_category(
            tx, ada, NewCategory("leak", "", ("project heron",), is_rapid=True)
        )
    with database.transaction() as tx:
        assert safety.preparing.take(tx) is not None
    clock.by = timedelta(minutes=6)
    with database.transaction() as tx:
        assert safety.preparing.take(tx) is not None


def test_examples_have_their_bounds(tx, safety, person):
    ada = person()
    for new in (
        NewCategory("few", "", ("a",) * 49),
        NewCategory("blank", "", ("a",) * 49 + (" ",)),
        NewCategory("long", "", ("a",) * 49 + ("x" * 2_001,)),
        NewCategory("many", "", ("a",) * 5_001),
        NewCategory("rapid", "", ("a",), ("b",), is_rapid=True),
        NewCategory("no name", "", ("a",) * 50),
    ):
        with pytest.raises(InvalidInput):
            safety.categories.add_category(tx, ada, new)


def test_a_copied_text_is_found_with_its_licence_and_citation(database, safety, person):
    ada = person()
    with database.transaction() as tx:
        made = safety.corpora.add_corpus(
            tx, ada, NewCorpus("poems", "CC-BY-NC-4.0", "https://poems.example/harbour")
        )
        row = safety.corpora.add_texts(tx, ada, made.corpus_id, [NewText("Harbour", POEM)])
        assert (row.texts, row.state) == (1, Readiness.QUEUED)
    assert prepare_next(database, safety.preparing)
    with database.transaction() as tx:
        content = blocking(
            "protected_material", "protected_material_text", made.corpus_id, "completion"
        )
        tried = safety.trying.try_policy(
            tx, ada, content, f"Here it is: {POEM}", Direction.COMPLETION
        )
        assert tried.action is Action.BLOCK
        assert "CC-BY-NC-4.0 https://poems.example/harbour" in tried.findings[0].source


def test_a_corpus_has_its_bounds(tx, safety, person):
    ada = person()
    with pytest.raises(InvalidInput, match="licence"):
        safety.corpora.add_corpus(tx, ada, NewCorpus("a", "", "x"))
    made = safety.corpora.add_corpus(tx, ada, NewCorpus("a", "MIT", "x"))
    for texts in ([], [NewText("t", "x")] * 21, [NewText("t", " ")], [NewText("t" * 201, "x")]):
        with pytest.raises(InvalidInput):
            safety.corpora.add_texts(tx, ada, made.corpus_id, texts)
    whole = [NewText("t", "x" * 200_000)] * 20
    for _ in range(2):
        safety.corpora.add_texts(tx, ada, made.corpus_id, whole)
    with pytest.raises(TooManySafetyThings):
        safety.corpora.add_texts(tx, ada, made.corpus_id, whole)


def test_data_that_nothing_names_go_after_a_day(database, safety, person, clock):
    ada = person()
    with database.transaction() as tx:
        made = safety.blocklists.add_blocklist(tx, ada, "b")
        safety.blocklists.add_items(tx, ada, made.blocklist_id, [NewItem("a")])
        former = safety.blocklists.get_blocklist(tx, ada, made.blocklist_id).digest
        safety.blocklists.add_items(tx, ada, made.blocklist_id, [NewItem("b")])
        current = safety.blocklists.get_blocklist(tx, ada, made.blocklist_id).digest
        assert safety.preparing.forget_unused(tx) == 0
        clock.by = timedelta(days=2)
        assert safety.preparing.forget_unused(tx) == 1
        assert find_data(tx, former) is None
        assert find_data(tx, current) is not None


def test_a_trial_takes_out_what_is_redacted_and_names_what_it_does_not_ask(tx, safety, person):
    ada = person()
    content = parse_content(
        {
            "rules": [
                {"category": "pii.email", "direction": "prompt", "threshold": 2, "action": "redact"}
            ],
            "checks": [{"name": "pii", "directions": ["prompt"]}],
        }
    )
    text = "Write to ada@example.org, bob@example.org and ada@example.org."
    tried = safety.trying.try_policy(tx, ada, content, text, Direction.PROMPT)
    assert tried.redacted == "Write to <EMAIL_1>, <EMAIL_2> and <EMAIL_1>."
    assert tried.action is Action.REDACT
    quiet = safety.trying.try_policy(tx, ada, content, text, Direction.COMPLETION)
    assert (quiet.action, quiet.findings) == (None, ())
    with pytest.raises(InvalidInput):
        safety.trying.try_policy(tx, ada, content, "x" * 50_001, Direction.PROMPT)
