"""Reading a key out of a header nobody can trust."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core import api_keys
from tradewind.features.accounts import bearer
from tradewind.features.accounts.errors import KeyRefused

PEPPER = bytes(range(32))


@pytest.mark.parametrize("pepper", [PEPPER, b"\xff" * 32])
def test_a_minted_key_is_read_back_and_proves_itself(pepper):
    minted = api_keys.mint(pepper)
    key = bearer.parse(f"Bearer {minted.text}")
    assert key.key_id == minted.key_id
    assert key.proves(pepper, minted.digest)
    assert not key.proves(bytes(32), minted.digest)
    assert not key.proves(pepper, api_keys.mint(pepper).digest)
    assert not key.proves(pepper, None)


@given(st.text() | st.text(string.printable).map("Bearer ".__add__) | st.none())
def test_any_other_text_is_refused_and_not_repeated(text):
    with pytest.raises(KeyRefused) as refused:
        bearer.parse(text)
    if text is not None and len(text) > 40:
        assert text not in str(refused.value)


@given(st.data())
def test_a_key_with_one_changed_character_is_refused(data):
    text = api_keys.mint(PEPPER).text
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda character: character != text[place]))
    with pytest.raises(KeyRefused):
        bearer.parse(f"Bearer {text[:place]}{other}{text[place + 1 :]}")


@pytest.mark.parametrize("form", ["bearer {}", "BEARER {}", "Bearer {}"])
def test_the_scheme_may_be_written_in_any_case(form):
    minted = api_keys.mint(PEPPER)
    assert bearer.parse(form.format(minted.text)).key_id == minted.key_id


@pytest.mark.parametrize("form", ["{}", "Basic {}", "Bearer  {}", "Bearer {} ", "Bearer {}\n"])
def test_other_schemes_and_stray_spaces_are_refused(form):
    with pytest.raises(KeyRefused):
        bearer.parse(form.format(api_keys.mint(PEPPER).text))


def test_a_key_does_not_show_its_secret_when_printed():
    text = api_keys.mint(PEPPER).text
    assert text not in repr(bearer.parse(f"Bearer {text}"))
