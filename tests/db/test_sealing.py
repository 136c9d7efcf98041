"""Sealing: what is sealed opens at its place only, and a secret cannot be shown by accident."""

import copy
import json
import logging
import pickle
import secrets

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.db.sealing import (
    HeldKeys,
    Place,
    SealBroken,
    Secret,
    WrappedKey,
    fingerprint,
    new_key,
    open_sealed,
    seal,
)

TEXT = "sk-very-secret-text-0123456789"
PLACE = Place("provider_connection", "conn_1", "org_1", 3, "https://api.example/v1")
KEY = new_key()


def test_what_was_sealed_opens_at_its_place():
    assert open_sealed(KEY, seal(KEY, Secret(TEXT), PLACE), PLACE) == Secret(TEXT)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_text_comes_back_as_it_was(text):
    assert open_sealed(KEY, seal(KEY, Secret(text), PLACE), PLACE).reveal() == text


@pytest.mark.parametrize(
    "other",
    [
        {"table": "other"},
        {"row_id": "conn_2"},
        {"organization_id": "org_2"},
        {"organization_id": None},
        {"version": 2},
        {"bound_to": "https://evil.example/v1"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_it_opens_at_no_other_place(other):
    sealed = seal(KEY, Secret(TEXT), PLACE)
    with pytest.raises(SealBroken, match="does not open at this place"):
        open_sealed(KEY, sealed, PLACE._replace(**other))


def test_parts_of_a_place_cannot_flow_into_each_other():
    one, other = Place("t", "a", "b", 1), Place("t", 'a","b', None, 1)
    assert one.authenticated() != other.authenticated()
    assert Place("t", "a", None, 1).authenticated() != Place("t", "a", "", 1).authenticated()


def test_it_opens_with_no_other_key():
    with pytest.raises(SealBroken):
        open_sealed(new_key(), seal(KEY, Secret(TEXT), PLACE), PLACE)


def test_every_changed_bit_is_noticed():
    sealed = seal(KEY, Secret(TEXT), PLACE)
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        with pytest.raises(SealBroken):
            open_sealed(KEY, bytes(changed), PLACE)


def test_what_was_cut_is_damaged():
    sealed = seal(KEY, Secret(TEXT), PLACE)
    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            open_sealed(KEY, sealed[:length], PLACE)


def test_the_same_secret_is_sealed_differently_each_time():
    assert len({seal(KEY, Secret(TEXT), PLACE) for _ in range(50)}) == 50


def test_a_broken_seal_says_nothing_of_what_is_in_it():
    with pytest.raises(SealBroken) as refused:
        open_sealed(new_key(), seal(KEY, Secret(TEXT), PLACE), PLACE)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
    assert TEXT not in str(refused.value)


# --- the key-encryption key -----------------------------------------------------------------


def test_a_data_key_is_unwrapped_at_its_place_only():
    keys, data_key = HeldKeys([new_key()]), new_key()
    wrapped = keys.wrap(data_key, PLACE)
    assert keys.unwrap(wrapped, PLACE) == data_key
    assert data_key not in wrapped.wrapped
    with pytest.raises(SealBroken):
        keys.unwrap(wrapped, PLACE._replace(organization_id="org_2"))


def test_a_newer_key_wraps_and_the_older_ones_still_unwrap():
    old, new = new_key(), new_key()
    data_key = new_key()
    before = HeldKeys([old]).wrap(data_key, PLACE)
    both = HeldKeys([old, new])
    assert both.unwrap(before, PLACE) == data_key
    after = both.wrap(data_key, PLACE)
    assert after.key_id == both.key_id == fingerprint(new) != before.key_id
    assert HeldKeys([new]).unwrap(after, PLACE) == data_key


def test_a_key_that_is_not_held_is_named():
    wrapped = HeldKeys([new_key()]).wrap(new_key(), PLACE)
    with pytest.raises(SealBroken, match=wrapped.key_id):
        HeldKeys([new_key()]).unwrap(wrapped, PLACE)


def test_a_key_is_not_found_by_another_ones_id():
    mine, theirs = new_key(), new_key()
    wrapped = HeldKeys([theirs]).wrap(new_key(), PLACE)
    with pytest.raises(SealBroken):
        HeldKeys([mine]).unwrap(WrappedKey(fingerprint(mine), wrapped.wrapped), PLACE)


def test_keys_show_their_fingerprints_only():
    key = secrets.token_bytes(32)
    shown = repr(HeldKeys([key]))
    assert fingerprint(key) in shown
    assert key.hex() not in shown
    assert repr(key) not in shown


# --- the secret type ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "show",
    [str, "{}".format, "{:s}".format, lambda secret: "%s" % secret, json.dumps],  # noqa: UP031
    ids=["str", "format", "format_spec", "percent", "json"],
)
def test_a_secret_refuses_to_become_text(show):
    with pytest.raises(TypeError) as refused:
        show(Secret(TEXT))
    assert TEXT not in str(refused.value)


@pytest.mark.parametrize(
    "encode",
    [msgspec.json.encode, msgspec.msgpack.encode, pickle.dumps, copy.copy, copy.deepcopy, vars],
    ids=lambda encode: f"{encode.__module__}.{encode.__name__}",
)
def test_a_secret_cannot_be_encoded_or_copied(encode):
    with pytest.raises(TypeError) as refused:
        encode(Secret(TEXT))
    assert TEXT not in str(refused.value)


def test_a_secret_in_a_container_shows_nothing():
    assert TEXT not in repr([Secret(TEXT)])
    assert TEXT not in str({"credential": Secret(TEXT)})
    assert TEXT not in f"{Secret(TEXT)!r}"


def test_a_secret_that_is_logged_does_not_reach_the_log(caplog):
    logging.getLogger("test").warning("the credential is %r", Secret(TEXT))
    assert TEXT not in caplog.text
    assert "Secret(…)" in caplog.text


def test_secrets_are_equal_by_their_text_and_no_keys_of_a_dictionary():
    assert Secret(TEXT) == Secret(TEXT)
    assert Secret(TEXT) != Secret("other")
    assert Secret(TEXT) != TEXT
    with pytest.raises(TypeError):
        hash(Secret(TEXT))
