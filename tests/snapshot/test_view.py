import msgspec

from tradewind.snapshot.contents import (
    EMPTY,
    Endpoint,
    Grant,
    Operation,
    Price,
    Snapshot,
)
from tradewind.snapshot.view import SnapshotView


def an_endpoint(name: str, *aliases: str) -> Endpoint:
    return Endpoint(
        name=name,
        operation=Operation.CHAT,
        publisher=name.partition("/")[0],
        created_at_ms=1,
        context_tokens=512,
        max_output_tokens=512,
        price=Price("price_1", "USD", 1, 2, 3),
        targets=(),
        aliases=aliases,
    )


ALL = Grant("k1", b"d" * 32, "org_a", "proj_a")
ONE = msgspec.structs.replace(ALL, key_id="k2", models=frozenset({"a/small"}))
SMALL, LARGE = an_endpoint("a/small", "small"), an_endpoint("b/large", "large")


def view_of(*endpoints: Endpoint) -> SnapshotView:
    return SnapshotView(Snapshot(3, 4, (ALL, ONE), endpoints))


def test_grants_are_found_by_key_id():
    view = view_of()
    assert view.grant("k1") is ALL
    assert view.grant("k2") is ONE
    assert view.grant("k3") is None
    assert (view.version, view.compiled_at_ms) == (3, 4)


def test_endpoints_are_found_by_name_and_by_alias():
    view = view_of(SMALL, LARGE)
    assert view.endpoint("a/small") is SMALL
    assert view.endpoint("small") is SMALL
    assert view.endpoint("large") is LARGE
    assert view.endpoint("a/large") is None


def test_a_newer_endpoint_does_not_take_over_an_alias():
    assert view_of(SMALL, an_endpoint("evil/small", "small")).endpoint("small") is SMALL


def test_an_alias_does_not_take_over_a_name():
    for endpoints in ((SMALL, an_endpoint("evil/x", "a/small")),) * 2:
        assert view_of(*endpoints).endpoint("a/small") is SMALL
        assert view_of(*reversed(endpoints)).endpoint("a/small") is SMALL


def test_a_key_sees_what_it_may_call():
    view = view_of(LARGE, SMALL)
    assert list(view.endpoints_for(ALL)) == [LARGE, SMALL]
    assert list(view.endpoints_for(ONE)) == [SMALL]


def test_an_empty_view_knows_nobody():
    view = SnapshotView()
    assert view.version == EMPTY.version == 0
    assert view.grant("k1") is None
    assert list(view.endpoints_for(ALL)) == []


def test_proven_keys_go_with_their_snapshot():
    view_of().proven[b"key"] = ALL
    assert view_of().proven == {}
