"""Who calls: every form of a key in every header."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.core import api_keys
from tradewind.gateway import authenticate as authentication
from tradewind.gateway.authenticate import authenticate
from tradewind.snapshot.contents import Grant, Snapshot
from tradewind.snapshot.view import SnapshotView
from tradewind.wire.errors import ApiError

PEPPER = b"p" * 32
NOW = 1_700_000_000_000
KEY = api_keys.mint(PEPPER)
EXPIRED, EXPIRING, OTHER = (api_keys.mint(PEPPER) for _ in range(3))
RAW = KEY.text.encode()


def grant_of(key, **changes):
    return Grant(key.key_id, key.digest, "org", "proj", **changes)


GRANTS = (
    grant_of(KEY),
    grant_of(EXPIRED, expires_at_ms=NOW),
    grant_of(EXPIRING, expires_at_ms=NOW + 1),
)


def a_view(grants=GRANTS):
    return SnapshotView(Snapshot(1, 1, grants, ()))


VIEW = a_view()


def caller(view=VIEW, **headers):
    lines = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    return authenticate(lines, view, PEPPER, NOW)


def refusal(view=VIEW, **headers):
    with pytest.raises(ApiError) as caught:
        caller(view, **headers)
    error = caught.value
    assert (error.status, error.code) == (401, "invalid_api_key")
    assert b"sk-tw-" + KEY.key_id.encode() not in error.body()
    return error


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": b"Bearer " + RAW},
        {"authorization": b"bearer " + RAW},
        {"authorization": b"BEARER   " + RAW + b" "},
        {"api_key": RAW},
        {"x_api_key": RAW},
        {"api_key": b"", "x_api_key": RAW},
    ],
)
def test_a_key_is_found_in_every_place_clients_put_it(headers):
    for view in (VIEW, a_view()):
        assert caller(view, **headers) is GRANTS[0]


def test_a_suspended_key_is_told_so_and_whoever_guesses_is_not():
    view = a_view([grant_of(KEY, is_suspended=True)])
    for _ in range(2):
        with pytest.raises(ApiError, match="suspended") as caught:
            caller(view, api_key=RAW)
        assert (caught.value.status, caught.value.code) == (403, "key_suspended")
    refusal(view, api_key=RAW[:-1] + (b"0" if RAW[-1:] != b"0" else b"1"))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"api_key": b""},
        {"authorization": b""},
        {"authorization": b"Bearer"},
        {"authorization": b"Bearer "},
        {"authorization": b"Basic " + RAW},
        {"authorization": RAW},
        {"authorization": b"Bearer\t" + RAW},
        {"authorization": b"Bearer " + RAW + b", Bearer " + RAW},
        {"authorization": b"Bearer " + RAW + b" x"},
        {"authorization": b"Bearer " + RAW[:-1]},
        {"authorization": b"Bearer " + RAW + b"0"},
        {"authorization": b"Bearer " + RAW.upper()},
        {"authorization": b"Bearer " + OTHER.text.encode()},
        {"authorization": b"Bearer " + b"\xff" * len(RAW)},
        {"authorization": b"Bearer sk-tw-" + b"\xff" * (len(RAW) - 6)},
        {"api_key": b"Bearer " + RAW},
        {"x_api_key": RAW + b" "},
        {"cookie": b"key=" + RAW},
    ],
)
def test_anything_else_is_refused(headers):
    refusal(**headers)


def test_a_wrong_key_in_the_first_header_is_not_made_good_by_another():
    refusal(authorization=b"Bearer wrong", api_key=RAW)
    refusal(api_key=OTHER.text.encode(), x_api_key=RAW)


def test_one_wrong_character_in_any_place_is_refused():
    for place in range(len(RAW)):
        changed = bytearray(RAW)
        changed[place] ^= 1
        refusal(authorization=b"Bearer " + bytes(changed))


def test_a_key_of_another_installation_is_refused():
    other = api_keys.digest(b"q" * 32, RAW)
    refusal(a_view((msgspec.structs.replace(GRANTS[0], digest=other),)), api_key=RAW)


def test_the_id_of_one_key_with_the_secret_of_another_is_refused():
    mixed = RAW[:18] + OTHER.text.encode()[18:]
    refusal(authorization=b"Bearer " + mixed)


def test_a_key_expires_to_the_millisecond():
    assert "expired" in refusal(api_key=EXPIRED.text.encode()).message
    assert caller(api_key=EXPIRING.text.encode()) is GRANTS[2]
    with pytest.raises(ApiError):
        authenticate({b"api-key": EXPIRING.text.encode()}, VIEW, PEPPER, NOW + 1)


def test_a_revoked_key_does_not_outlive_its_snapshot():
    view = a_view()
    assert caller(view, api_key=RAW) is GRANTS[0]
    refusal(a_view(GRANTS[1:]), api_key=RAW)


def test_a_key_that_is_known_is_still_refused_without_its_scheme():
    view = a_view()
    assert caller(view, api_key=RAW) is GRANTS[0]
    refusal(view, authorization=RAW)


def test_the_memory_of_proven_keys_is_bounded_and_holds_no_wrong_one():
    view = a_view()
    view.proven.update(
        (b"%d" % number, GRANTS[0]) for number in range(authentication._MOST_PROVEN_KEYS)
    )
    assert caller(view, api_key=RAW) is GRANTS[0]
    assert set(view.proven) == {b"Bearer " + RAW}
    refusal(view, api_key=OTHER.text.encode())
    assert set(view.proven) == {b"Bearer " + RAW}


keys = st.sampled_from([RAW, OTHER.text.encode(), EXPIRED.text.encode()])
values = (
    st.binary(max_size=90)
    | keys
    | st.tuples(
        st.sampled_from([b"Bearer ", b"bearer", b"Basic ", b" "]), st.binary(max_size=70) | keys
    ).map(b"".join)
)


@settings(max_examples=500)
@given(st.dictionaries(st.sampled_from([b"authorization", b"api-key", b"x-api-key"]), values))
def test_no_bytes_in_any_header_do_more_than_be_refused(headers):
    view = a_view()
    try:
        found = authenticate(headers, view, PEPPER, NOW)
    except ApiError as error:
        status = error.status
    else:
        status = 200
        assert found is GRANTS[0]
        assert any(RAW in value for value in headers.values())
    assert status in (200, 401)
