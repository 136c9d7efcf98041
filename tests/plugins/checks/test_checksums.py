import pytest

from tradewind.plugins.checks import identities
from tradewind.plugins.checks.checksums import (
    base58check,
    bech32,
    card_brand,
    is_account_number,
    is_card_number,
    machine_readable,
    verhoeff,
)


@pytest.mark.parametrize(
    ("number", "brand"),
    [
        ("4111111111111111", "visa"),
        ("5105105105105100", "mastercard"),
        ("2223003122003222", "mastercard"),
        ("378282246310005", "american-express"),
        ("6011111111111117", "discover"),
        ("30569309025904", "diners-club"),
        ("3530111333300000", "jcb"),
        ("6200000000000005", "unionpay"),
    ],
)
def test_cards_have_a_check_digit_and_a_network(number, brand):
    assert is_card_number(number)
    assert card_brand(number) == brand
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert not is_card_number(wrong)


def test_accounts_need_the_length_of_their_country_and_the_right_remainder():
    assert is_account_number("DE89370400440532013000")
    assert not is_account_number("DE88370400440532013000")
    assert not is_account_number("DE893704004405320130")
    assert not is_account_number("XX89370400440532013000")


@pytest.mark.parametrize(
    ("check", "right"),
    [
        (identities.es_dni, "12345678Z"),
        (identities.es_nie, "X1234567L"),
        (identities.gb_nhs, "9434765919"),
        (identities.br_cpf, "52998224725"),
        (identities.cl_rut, "123456785"),
        (identities.it_codice_fiscale, "RSSMRA85T10A562S"),
        (identities.de_steuer_id, "86095742719"),
        (identities.pl_pesel, "44051401359"),
        (identities.nl_bsn, "111222333"),
        (identities.se_personnummer, "8112289874"),
        (identities.fi_hetu, "131052308T"),
        (identities.be_rijksregister, "85073003328"),
        (identities.cn_resident_id, "11010519491231002X"),
        (identities.za_id, "8001015009087"),
        (identities.mx_curp, "HEGG560427MVZRRL04"),
        (identities.tr_kimlik, "10000000146"),
        (identities.au_tfn, "123456782"),
        (identities.ca_sin, "046454286"),
        (identities.sg_nric, "S1234567D"),
    ],
)
def test_published_examples_of_national_numbers_are_right_and_their_neighbours_are_not(
    check, right
):
    assert check(right)
    last = right[-1]
    other = (
        "A"
        if last.isalpha() and last != "A"
        else str((int(last) + 1) % 10)
        if last.isdigit()
        else "B"
    )
    assert not check(right[:-1] + other)


def test_a_french_number_needs_its_key():
    body = "1850578006084"
    key = f"{97 - int(body) % 97:02d}"
    assert identities.fr_nir(body + key)
    assert not identities.fr_nir(body + f"{(int(key) + 1) % 97:02d}")


def test_a_norwegian_number_has_two_check_digits():
    right = [
        f"010190{serial:03d}{check:02d}"
        for serial in range(100)
        for check in range(100)
        if identities.no_fodselsnummer(f"010190{serial:03d}{check:02d}")
    ]
    assert 0 < len(right) <= 100


@pytest.mark.parametrize("number", ["000-12-3456", "666-12-3456", "912-12-3456", "123-00-4567"])
def test_numbers_that_were_never_given_out_are_none(number):
    assert not identities.us_ssn(number.replace("-", ""))


def test_wallets_prove_themselves():
    assert base58check("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", (0,))
    assert not base58check("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", (0,))
    assert not base58check("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", (5,))
    assert bech32("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")
    assert bech32("bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr")
    assert not bech32("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5")


def test_verhoeff_finds_each_wrong_digit_and_each_swap_of_neighbours():
    right = next(f"23456789012{digit}" for digit in range(10) if verhoeff(f"23456789012{digit}"))
    for at in range(12):
        wrong = right[:at] + str((int(right[at]) + 1) % 10) + right[at + 1 :]
        assert not verhoeff(wrong)


def test_the_specimen_of_a_passport_is_right():
    assert machine_readable("L898902C3", "6")
    assert machine_readable("740812", "2")
    assert not machine_readable("740812", "3")
