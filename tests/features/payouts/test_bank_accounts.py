"""IBAN and BIC: check digits, and the length that belongs to a country."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core.errors import InvalidInput
from tradewind.features.payouts.rules.bank_accounts import (
    IBAN_LENGTHS,
    clean_bic,
    clean_iban,
    masked_iban,
    printed_iban,
)

GERMAN = "DE89370400440532013000"


@pytest.mark.parametrize(
    "iban",
    [
        GERMAN,
        "FR1420041010050500013M02606",
        "GB29NWBK60161331926819",
        "NO9386011117947",
        "MT84MALT011000012345MTLCAST001S",
        "LC55HEMM000100010012001200023015",
        "CH9300762011623852957",
        "NL91ABNA0417164300",
    ],
)
def test_real_ones_are_right_with_spaces_and_in_small_letters(iban):
    assert clean_iban(printed_iban(iban).lower()) == iban
    assert len(iban) == IBAN_LENGTHS[iban[:2]]


@pytest.mark.parametrize(
    "text",
    ["", "DE", "US12345678901234567890", GERMAN[:-1], GERMAN + "0", "DE8937040044053201300O"],
)
def test_others_are_refused(text):
    with pytest.raises(InvalidInput):
        clean_iban(text)


@given(st.integers(0, len(GERMAN) - 1), st.sampled_from("0123456789"))
def test_one_wrong_digit_is_found(at, digit):
    mistyped = GERMAN[:at] + digit + GERMAN[at + 1 :]
    if mistyped == GERMAN:
        assert clean_iban(mistyped) == GERMAN
    else:
        with pytest.raises(InvalidInput):
            clean_iban(mistyped)


def test_a_bic_has_eight_or_eleven_characters():
    assert clean_bic("cobade ff") == "COBADEFF"
    assert clean_bic("") == ""
    for text in ("COBADEF", "COBADEFFX", "COBA1EFF"):
        with pytest.raises(InvalidInput):
            clean_bic(text)


def test_only_as_much_is_shown_as_is_needed_to_recognise_it():
    assert masked_iban(GERMAN) == "DE89 … 3000"
    assert masked_iban("") == ""
