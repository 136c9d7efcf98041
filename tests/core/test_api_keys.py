import hashlib
import hmac
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core import api_keys
from tradewind.core.api_keys import KEY_LENGTH, LEAK_PATTERN, digest, is_well_formed, masked, mint

PEPPER = b"p" * 32
KEY = mint(PEPPER)


def test_a_key_has_the_documented_shape():
    prefix, tenant, key_id, rest = KEY.text.split("-")
    assert (prefix, tenant) == ("sk", "tw")
    assert (len(key_id), len(rest), len(KEY.text)) == (12, 38, KEY_LENGTH)
    assert key_id == KEY.key_id
    assert set(rest) <= set(string.ascii_letters + string.digits)
    assert is_well_formed(KEY.text)


def test_every_minted_key_is_well_formed_and_new():
    keys = [mint(PEPPER) for _ in range(200)]
    assert all(is_well_formed(key.text) and LEAK_PATTERN.fullmatch(key.text) for key in keys)
    assert len({key.key_id for key in keys}) == len({key.text for key in keys}) == 200


def test_every_change_of_one_character_is_noticed():
    printable = string.digits + string.ascii_letters + "-_ \n\0é"
    for place, former in enumerate(KEY.text):
        for character in printable:
            if character != former:
                changed = KEY.text[:place] + character + KEY.text[place + 1 :]
                assert not is_well_formed(changed), changed


def test_every_swap_of_neighbours_is_noticed():
    for place in range(KEY_LENGTH - 1):
        swapped = list(KEY.text)
        swapped[place : place + 2] = reversed(swapped[place : place + 2])
        if (text := "".join(swapped)) != KEY.text:
            assert not is_well_formed(text)


@pytest.mark.parametrize("size", range(KEY_LENGTH))
def test_a_key_that_was_cut_is_noticed(size):
    assert not is_well_formed(KEY.text[:size])


@given(st.text())
def test_no_text_breaks_the_check(text):
    assert not is_well_formed(text)


def test_a_leak_scanner_finds_a_key_inside_a_text():
    found = LEAK_PATTERN.findall(f'curl -H "Authorization: Bearer {KEY.text}" ; {KEY.key_id}')
    assert found == [KEY.text]


def test_the_store_holds_a_keyed_hash_and_neither_key_nor_secret():
    assert KEY.digest == hmac.new(PEPPER, KEY.text.encode(), hashlib.sha256).digest()
    assert digest(b"q" * 32, KEY.text.encode()) != KEY.digest
    assert KEY.text.encode() not in KEY.digest


def test_a_masked_key_shows_its_id_and_nothing_of_its_secret():
    shown = masked(KEY.key_id)
    assert KEY.key_id in shown
    assert KEY.text[len(api_keys.PREFIX) + 13 :] not in shown
    assert len(shown) == len(api_keys.PREFIX) + api_keys.ID_LENGTH + 2
