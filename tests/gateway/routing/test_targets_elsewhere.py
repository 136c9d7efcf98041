"""Engines of another host are never called from here, and it is told why."""

import pytest
from routing_parts import PROVIDERS, a_router, a_target, an_ask, an_endpoint, order_of

from tradewind.gateway.routing.explain import explain
from tradewind.snapshot.contents import ELSEWHERE
from tradewind.wire.errors import ApiError

ENGINE = a_target("engine", provider=ELSEWHERE, address="", host="own")
SECOND = a_target("second", provider=ELSEWHERE, address="", host="own")
PAID = a_target("paid", host="openai", tier=1)


def test_no_member_of_the_family_has_the_name_that_stands_for_elsewhere():
    assert ELSEWHERE not in PROVIDERS


def test_a_target_here_is_used_in_the_place_of_those_elsewhere():
    assert order_of(a_router(), an_endpoint(ENGINE, PAID, SECOND), an_ask()) == ["paid"]


@pytest.mark.parametrize("targets", [(ENGINE,), (ENGINE, SECOND)], ids=["one", "two"])
def test_a_model_with_all_targets_elsewhere_is_unavailable_here_and_named(targets):
    with pytest.raises(ApiError, match="'p/m' runs on engines of another host only") as raised:
        a_router().plan(an_endpoint(*targets), an_ask(), 0.0)
    assert (raised.value.status, raised.value.code) == (503, "target_elsewhere")


def test_why_a_target_is_not_used_says_where_it_is():
    found = explain(an_endpoint(ENGINE, PAID), an_ask(), 0.0, PROVIDERS)
    assert [(each.target.replica_id, each.rank, each.why) for each in found] == [
        ("paid", 1, "only allowed target"),
        (
            "engine",
            None,
            "does not fulfil 'reachable from this host': it is an engine of another one",
        ),
    ]
