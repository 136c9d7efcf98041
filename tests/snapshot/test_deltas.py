"""A base with changes answers as a whole snapshot does, whatever changed."""

from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from snapshot_parts import (
    BUDGETS,
    KEY_IDS,
    LARGE,
    POLICIES,
    SMALL,
    SNAPSHOT,
    SUBJECTS,
    a_grant,
    a_policy,
    an_endpoint,
    answers,
    on_file,
)

from tradewind.snapshot import changes, file
from tradewind.snapshot.changes import Change
from tradewind.snapshot.contents import Budget, Limits, Snapshot, Terms
from tradewind.snapshot.difference import budget_changes, endpoint_changes, policy_changes
from tradewind.snapshot.endpoints import resolve_aliases
from tradewind.snapshot.view import SnapshotView

limits = st.builds(Limits, st.none() | st.integers(1, 9))
grants = st.fixed_dictionaries(
    {},
    optional={
        key_id: st.builds(
            a_grant,
            st.just(key_id),
            limits=limits,
            project_id=st.sampled_from(["proj_a", "proj_b"]),
            models=st.none() | st.just(frozenset({"a/small", "c/new"})),
        )
        for key_id in KEY_IDS
    },
).map(lambda found: tuple(found.values()))
endpoints = st.lists(
    st.builds(
        an_endpoint,
        st.sampled_from(["a/small", "b/large", "c/new", "small"]),
        st.sampled_from(["small", "large", "new", "a/small"]),
        st.sampled_from(["small", "new"]),
        created_at_ms=st.integers(1, 2),
    ),
    unique_by=lambda endpoint: endpoint.name,
    max_size=4,
).map(tuple)
terms = st.fixed_dictionaries(
    {}, optional={each: st.builds(Terms, st.just(each), limits) for each in SUBJECTS}
).map(lambda found: tuple(found.values()))
budgets = st.fixed_dictionaries(
    {},
    optional={
        each: st.builds(Budget, st.just(each), st.just("b"), st.sampled_from(["USD", "EUR"]))
        for each in BUDGETS
    },
).map(lambda found: tuple(found.values()))
policies = st.fixed_dictionaries(
    {},
    optional={each: st.builds(a_policy, st.just(each), st.integers(1, 2)) for each in POLICIES},
).map(lambda found: tuple(found.values()))
snapshots = st.builds(Snapshot, st.just(1), st.just(1), grants, endpoints, terms, budgets, policies)


def between(former, wanted):
    """Return the change that a publisher would make of two snapshots."""

    def differing(old, new):
        return {key: new.get(key) for key in old | new if old.get(key) != new.get(key)}

    def keyed(snapshot):
        return (
            {grant.key_id: grant for grant in snapshot.grants},
            {each.id: each for each in snapshot.terms},
        )

    (old_grants, old_terms), (new_grants, new_terms) = keyed(former), keyed(wanted)
    return msgspec.structs.replace(
        endpoint_changes(former.endpoints, wanted.endpoints),
        grants=differing(old_grants, new_grants),
        terms=differing(old_terms, new_terms),
        budgets=budget_changes(former.budgets, wanted.budgets),
        policies=policy_changes(former.policies, wanted.policies),
    )


@given(st.lists(snapshots, min_size=2, max_size=5), st.data())
def test_any_sequence_of_changes_makes_what_a_whole_snapshot_is(states, data):
    views = [on_file(states[0])]
    for former, wanted in pairwise(states):
        views.append(views[-1].after([between(former, wanted)]))
        answers(views[-1])
    for view, state in zip(views, states, strict=True):
        assert answers(view) == answers(SnapshotView(state)), "also of views that are no more"
    # The same in one step, and from a base that was made half-way.
    steps = [between(*pair) for pair in pairwise(states)]
    assert answers(views[0].after(steps)) == answers(views[-1])
    half = data.draw(st.integers(0, len(steps)))
    base = on_file(file.decode(file.encode(states[half])))
    assert answers(base.after(steps[half:])) == answers(views[-1])


@given(snapshots, snapshots)
def test_changes_mean_the_same_in_pieces_and_when_applied_twice(former, wanted):
    change = between(former, wanted)
    pieces = list(changes.split(change))
    assert answers(on_file(former).after(pieces)) == answers(SnapshotView(wanted))
    assert answers(on_file(former).after([change, change])) == answers(SnapshotView(wanted))


@given(snapshots, snapshots)
def test_what_was_decoded_before_is_not_answered_after(former, wanted):
    old = on_file(former)
    answers(old)
    old.proven.update((grant.key_id.encode(), grant) for grant in former.grants)
    change = between(former, wanted)
    new = old.after([change])
    new.take_over(old, [change])
    assert answers(new) == answers(SnapshotView(wanted))
    live = {grant.key_id: grant for grant in wanted.grants}
    assert all(live[key.decode()] == grant for key, grant in new.proven.items())


def test_an_unchanged_catalog_is_no_change():
    assert endpoint_changes((SMALL, LARGE), (SMALL, LARGE)).is_empty
    assert budget_changes(SNAPSHOT.budgets, SNAPSHOT.budgets) == {}
    assert policy_changes(SNAPSHOT.policies, SNAPSHOT.policies) == {}


def test_a_new_endpoint_and_one_that_goes_need_no_list_of_all():
    new = an_endpoint("c/new")
    change = endpoint_changes((SMALL, LARGE), (LARGE, new))
    assert change == Change(
        endpoints={"c/new": new, "a/small": None}, aliases={"small": None}, order=None
    )
    assert endpoint_changes((SMALL, LARGE), (LARGE, SMALL)).order == ("b/large", "a/small")


def test_a_policy_is_there_before_it_is_bound_and_goes_after_it_was_unbound():
    change = Change(
        terms={"org_a": Terms("org_a", policies=("policy_new",))},
        endpoints={"a/small": SMALL},
        policies={"policy_old": None, "policy_new": a_policy("policy_new")},
    )
    pieces = list(changes.split(change))
    assert [list(piece.policies) for piece in pieces] == [["policy_new"], [], [], ["policy_old"]]


def test_many_changes_are_cut_into_pieces_that_take_a_gateway_no_time():
    many = {f"p/{number}": an_endpoint(f"p/{number}") for number in range(1200)}
    change = Change(
        grants={f"k{number}": a_grant(f"k{number}") for number in range(1100)},
        endpoints=many | {"a/small": None},
        aliases={"small": None},
        order=tuple(many),
    )
    pieces = list(changes.split(change))
    assert [len(piece.grants) + len(piece.endpoints) for piece in pieces] == [
        *(500, 500, 100),
        *(500, 500, 201),
    ]
    assert [piece.order is None for piece in pieces] == [True] * 5 + [False]
    assert answers(on_file().after(pieces)) == answers(on_file().after([change]))


def test_a_revoked_key_is_proven_no_more_and_the_others_are():
    old = on_file()
    for key_id in ("k1", "k2"):
        grant = old.grant(key_id)
        assert grant is not None
        old.proven[key_id.encode()] = grant
    change = Change(version=6, grants={"k1": None})
    new = old.after([change])
    new.take_over(old, [change])
    assert set(new.proven) == {b"k2"}
    old.proven[b"k1"] = SNAPSHOT.grants[0]
    assert set(new.proven) == {b"k2"}, "a call that still holds the former view changes nothing"


def test_endpoints_stay_decoded_until_one_of_them_changes():
    old = on_file()
    kept = old.endpoint("small")
    change = Change(version=6, grants={"k1": None}, terms={"org_a": None})
    new = old.after([change])
    new.take_over(old, [change])
    assert new.endpoint("small") is kept
    assert new.terms("org_a") is None
    assert old.terms("org_a") is not None


def test_an_alias_that_moves_is_not_answered_from_memory():
    old = on_file()
    assert old.endpoint("small") == SMALL
    change = Change(version=6, aliases={"small": "b/large"})
    new = old.after([change])
    new.take_over(old, [change])
    assert new.endpoint("small") == LARGE


def test_an_alias_that_is_a_name_stands_for_nothing():
    rival = an_endpoint("c/new", "a/small", "mine")
    assert resolve_aliases([rival, SMALL]) == {"mine": "c/new", "small": "a/small"}


def test_a_lost_alias_falls_to_the_next_one_and_comes_back():
    rival = an_endpoint("c/new", "small")
    view = on_file(msgspec.structs.replace(SNAPSHOT, endpoints=(SMALL, rival)))
    assert view.endpoint("small") == SMALL
    without = view.after([endpoint_changes((SMALL, rival), (rival,))])
    assert without.endpoint("small") == rival
    again = without.after([endpoint_changes((rival,), (SMALL, rival))])
    assert again.endpoint("small") == SMALL
    assert list(again.endpoints_for(a_grant())) == [SMALL, rival]
