"""What a name means for a key, found once for each snapshot."""

import msgspec
import pytest

from tradewind.gateway import lanes as lanes_module
from tradewind.gateway.lanes import Lanes
from tradewind.snapshot.contents import (
    Conditions,
    Endpoint,
    Grant,
    Operation,
    Price,
    Snapshot,
    Target,
    Terms,
)
from tradewind.snapshot.view import SnapshotView
from tradewind.wire.errors import ApiError

PRICE = Price("price", "USD", 1, 1, 1)
CHAT = Endpoint("p/chat", Operation.CHAT, "p", 1, 512, 64, PRICE, (), aliases=("chat",))
OTHER = msgspec.structs.replace(CHAT, name="p/other", aliases=())
GRANT = Grant("k", b"", "org_a", "proj_a")
IN_EUROPE = Conditions(zones=frozenset({"eu"}))


def a_view(*endpoints, terms=()):
    return SnapshotView(Snapshot(1, 1, (GRANT,), endpoints or (CHAT, OTHER), terms))


def test_a_lane_is_found_once_for_each_name_and_operation():
    view = a_view()
    lanes = Lanes(view)
    found = lanes.find(view, GRANT, "chat:floor", Operation.CHAT)
    assert (found.endpoint.name, found.sort, found.conditions) == ("p/chat", "price", ())
    assert lanes.find(view, GRANT, "chat:floor", Operation.CHAT) is found
    assert lanes.find(view, GRANT, "chat", Operation.CHAT).sort is None
    with pytest.raises(ApiError, match="does not do embeddings"):
        lanes.find(view, GRANT, "chat", Operation.EMBEDDINGS)


def test_another_snapshot_is_looked_at_anew():
    former = a_view()
    lanes = Lanes(former)
    lanes.find(former, GRANT, "chat", Operation.CHAT)
    strict = a_view(terms=(Terms("org_a", conditions=IN_EUROPE), Terms("proj_a")))
    assert lanes.find(strict, GRANT, "chat", Operation.CHAT).conditions == (IN_EUROPE,)
    with pytest.raises(ApiError) as gone:
        lanes.find(a_view(OTHER), GRANT, "chat", Operation.CHAT)
    assert gone.value.status == 404


def test_what_an_older_grant_may_call_opens_nothing_for_the_newer_one():
    view = a_view()
    lanes = Lanes(view)
    lanes.find(view, GRANT, "chat", Operation.CHAT)
    narrowed = msgspec.structs.replace(GRANT, models=frozenset({"p/other"}))
    with pytest.raises(ApiError) as refused:
        lanes.find(view, narrowed, "chat", Operation.CHAT)
    assert refused.value.status == 403


def test_a_key_that_writes_a_name_in_many_ways_keeps_few_lanes_and_takes_no_others_place():
    view = a_view()
    lanes = Lanes(view)
    kept = lanes.find(view, msgspec.structs.replace(GRANT, key_id="calm"), "chat", Operation.CHAT)
    for number in range(1 << len("p/chat")):
        letters = zip("p/chat", f"{number:06b}", strict=True)
        name = "".join(each.upper() if bit == "1" else each for each, bit in letters)
        for policy in ("", ":floor", ":nitro"):
            assert lanes.find(view, GRANT, name + policy, Operation.CHAT).endpoint is not OTHER
    of_key = lanes._of_keys["k"]
    assert 0 < len(of_key.lanes) <= lanes_module.MOST_OF_A_KEY
    assert list(lanes._of_keys["calm"].lanes.values()) == [kept]


def test_the_keys_with_lanes_are_bounded():
    view = a_view()
    lanes = Lanes(view)
    for number in range(lanes_module.MOST_KEYS + 2):
        grant = msgspec.structs.replace(GRANT, key_id=f"k{number}")
        lanes.find(view, grant, "chat", Operation.CHAT)
    assert len(lanes._of_keys) == 2


def test_a_lane_knows_what_is_kept_of_calls_only_where_something_is():
    for terms, is_kept in (
        (Terms("org_a"), False),
        (Terms("org_a", content_days=1), True),
        (Terms("org_a", cache_ttl_s=1), True),
        (Terms("proj_a", content_days=1), False),
    ):
        view = a_view(terms=(terms,))
        lane = Lanes(view).find(view, GRANT, "chat", Operation.CHAT)
        assert lane.keeping == (terms if is_kept else None)


def test_a_lane_is_plain_where_there_is_nothing_to_choose():
    here = Target("dep_a", "rep_a", "openai_compatible", "h:1", "", "up")
    alone = msgspec.structs.replace(CHAT, targets=(here,))
    strict = msgspec.structs.replace(alone, conditions=IN_EUROPE)
    several = msgspec.structs.replace(alone, targets=(here, here))

    def plain_of(endpoint, name="chat"):
        view = a_view(endpoint)
        return Lanes(view).find(view, GRANT, name, Operation.CHAT).plain

    plain = plain_of(alone)
    assert plain is not None
    assert plain.only is here
    assert plain_of(alone, "chat:own") is None
    assert plain_of(strict) is None
    assert plain_of(several) is None
    assert plain_of(CHAT) is None
