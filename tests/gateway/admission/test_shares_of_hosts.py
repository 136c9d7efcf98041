"""Without a server between them, hosts divide each limit by how many they are."""

import asyncio
import contextlib

import pytest

from tradewind.gateway.admission.chain import Scope, ScopeKind, Unit
from tradewind.gateway.admission.local_store import LocalStore
from tradewind.gateway.admission.shared_store import SharedStore
from tradewind.gateway.admission.store import Refusal
from tradewind.gateway.admission.valkey_client import parse_address
from tradewind.gateway.admission.valkey_store import ValkeyStore

NOW = 1000.0


def scope_of(requests=None, tokens=None, calls=None):
    return Scope(ScopeKind.KEY, "k", "", "org", requests, tokens, calls)


@pytest.fixture(params=["in memory", "in a file"])
def store(request, tmp_path):
    store = LocalStore() if request.param == "in memory" else SharedStore(tmp_path / "limits")
    with contextlib.closing(store):
        yield store


def taken(chain, most, tokens=0):
    """Return how many calls of so many are admitted at one moment."""
    return sum(not isinstance(chain.take(tokens, NOW), Refusal) for _ in range(most))


def test_one_of_three_gives_out_a_third_of_each_limit(store):
    store.give_out(1 / 3)
    assert taken(store.bind((scope_of(requests=30),)), 40) == 10
    assert taken(store.bind((scope_of(tokens=3000),)), 40, tokens=100) == 10
    assert taken(store.bind((scope_of(calls=9),)), 40) == 3


def test_a_share_is_never_less_than_one_call_at_once(store):
    store.give_out(1 / 100)
    assert taken(store.bind((scope_of(calls=5),)), 5) == 1


def test_a_call_larger_than_the_share_takes_all_of_it_instead_of_never_fitting(store):
    store.give_out(1 / 4)
    chain = store.bind((scope_of(tokens=1000),))
    assert chain.take(900, NOW) == 0.0
    refused = chain.take(1, NOW)
    assert isinstance(refused, Refusal)
    assert refused.limit.unit is Unit.TOKENS


def test_what_was_taken_counts_on_when_a_host_joins_or_leaves(store):
    before = store.bind((scope_of(requests=20),))
    assert taken(before, 5) == 5
    store.give_out(1 / 2)
    assert taken(store.bind((scope_of(requests=20),)), 20) == 7  # three quarters of ten
    store.give_out(1.0)
    assert taken(store.bind((scope_of(requests=20),)), 20) == 1  # 15 s and 42 s of a minute


async def test_a_gateway_that_never_reached_the_server_counts_its_share_of_all_that_are_there(
    tmp_path,
):
    store = ValkeyStore(
        parse_address(f"unix://{tmp_path}/nowhere"), asyncio.get_running_loop(), gateway="g"
    )
    answers = []
    try:
        store.expect(4)
        chain = store.bind((scope_of(requests=20),))
        for _ in range(20):
            chain.take_later(0, 0.0, lambda _, verdict: answers.append(verdict))
    finally:
        store.close()
    assert sum(not isinstance(verdict, Refusal) for verdict in answers) == 5


async def test_the_larger_number_counts_of_what_the_server_says_and_what_it_was_told(tmp_path):
    store = ValkeyStore(
        parse_address(f"unix://{tmp_path}/nowhere"), asyncio.get_running_loop(), gateway="g"
    )
    store.expect(2)
    store._counted(3)
    assert store.gateways == 3
    store.expect(5)
    assert store.gateways == 5
    store.expect(1)
    assert store.gateways == 3
    store.close()
