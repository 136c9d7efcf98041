"""What may be entered, exchange and digests: without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.features.ledger.ledger_parts import NOW, REVENUE, UNBILLED, draft, usage
from tradewind.core.ids import InvoiceId
from tradewind.features.ledger import rules
from tradewind.features.ledger.errors import EntryRefused
from tradewind.features.ledger.schemas import AccountKind, AccountRef, FxRate, Posting

EURO = FxRate("EUR", "USD", 1_080_000_000, "bank", NOW)
EUR_CASH = AccountRef(AccountKind.CASH, "bank", "EUR")
USD_PAYABLE = AccountRef(AccountKind.PAYABLE, "acme", "USD")
EUR_PAYABLE = AccountRef(AccountKind.PAYABLE, "acme", "EUR")


def test_a_draft_that_balances_is_taken():
    rules.check_draft(usage("s:1", 2**63 - 1, memo="Grüße", subject="inv_1"))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (draft("k", (UNBILLED, 5), (REVENUE, -4)), "0.000000001 USD are left"),
        (draft("k", (UNBILLED, 5), (EUR_CASH, -5)), "does not balance"),
        (draft("k", (UNBILLED, 5)), "1 postings"),
        (draft("k"), "0 postings"),
        (draft("k", *[(UNBILLED, 1), (REVENUE, -1)] * 51), "102 postings"),
        (draft("k", (UNBILLED, 0), (REVENUE, 0)), "zero"),
        (usage("k", 2**63), "64 bits"),
        (usage("k", -(2**63)), "64 bits"),
        (usage(""), "`key` is empty"),
        (usage("k" * 201), "`key`"),
        (usage("k\n"), "`key`"),
        (usage("k", memo="m" * 501), "`memo`"),
        (usage("k", memo="\x00"), "`memo`"),
        (usage("k", subject="\ud800"), "`subject`"),
        (usage("k", by="b" * 201), "`by`"),
        (usage("k", kind="Usage"), "no kind"),
        (usage("k", at=NOW.replace(tzinfo=None)), "no zone"),
        (draft("k", (UNBILLED._replace(owner="o" * 201), 5), (REVENUE, -5)), "`owner`"),
        (draft("k", (UNBILLED._replace(currency="usd"), 5), (REVENUE, -5)), "three letters"),
    ],
)
def test_a_draft_that_the_database_would_refuse_is_told_why(wrong, told):
    with pytest.raises(EntryRefused, match=told):
        rules.check_draft(wrong)


def test_a_hash_covers_all_that_an_entry_says():
    entry = usage("k", 5)
    others = [
        entry,
        replace(entry, key="l"),
        replace(entry, kind="else"),
        replace(entry, at=NOW + timedelta(microseconds=1)),
        replace(entry, memo="else"),
        replace(entry, subject="else"),
        replace(entry, by="else"),
        replace(entry, postings=entry.postings[::-1]),
        usage("k", 6),
        draft("k", (UNBILLED._replace(owner="else"), 5), (REVENUE, -5)),
        draft("k", (UNBILLED._replace(currency="EUR"), 5), (REVENUE, -5)),
        draft("k", (UNBILLED._replace(kind=AccountKind.CASH), 5), (REVENUE, -5)),
    ]
    hashes = {rules.content_hash(other) for other in others}
    hashes |= {rules.content_hash(entry, reverses="ent_x")}
    assert len(hashes) == len(others) + 1


def test_a_hash_is_that_of_the_documented_text():
    text = (
        '[1,"k","usage",1896091200000000,"","","","",'
        '[["unbilled","org_a","USD",5],["revenue","usage","USD",-5]]]'
    )
    digest = sha256(text.encode()).digest()
    assert rules.content_hash(usage("k", 5)) == digest
    # Another zone is the same moment, and a typed id the same text.
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5)))
    assert rules.content_hash(usage("k", 5, at=elsewhere)) == digest
    invoice = InvoiceId.new()
    typed, plain = usage("k", 5, subject=invoice), usage("k", 5, subject=str(invoice))
    assert rules.content_hash(typed) == rules.content_hash(plain)


# --- exchange --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nanos", "rate_nanos", "into", "given"),
    [
        (100, 1_080_000_000, "USD", 108),
        (1, 500_000_000, "USD", 0),  # half to even
        (3, 500_000_000, "USD", 2),
        (-1, 500_000_000, "USD", 0),
        (-3, 500_000_000, "USD", -2),
        (108, 1_080_000_000, "EUR", 100),
        (1, 2_000_000_000, "EUR", 0),
        (3, 2_000_000_000, "EUR", 2),
    ],
)
def test_an_amount_is_exchanged_in_both_directions_and_rounded_to_even(
    nanos, rate_nanos, into, given
):
    rate = FxRate("EUR", "USD", rate_nanos, "bank", NOW)
    assert rules.exchange(nanos, rate, into=into) == given


def test_a_rate_says_nothing_about_other_currencies():
    with pytest.raises(EntryRefused, match="JPY"):
        rules.exchange(5, EURO, into="JPY")
    with pytest.raises(EntryRefused, match="no USD into JPY"):
        rules.exchange_postings(USD_PAYABLE, EUR_CASH._replace(currency="JPY"), 5, EURO)


@given(
    nanos=st.integers(-(10**15), 10**15),
    rate_nanos=st.integers(1, 10**12),
    inverse=st.booleans(),
)
def test_an_exchange_is_never_wrong_by_more_than_half_a_nano(nanos, rate_nanos, inverse):
    rate = FxRate("EUR", "USD", rate_nanos, "bank", NOW)
    factor = Fraction(rate_nanos, 10**9)
    exact = nanos / factor if inverse else nanos * factor
    got = rules.exchange(nanos, rate, into="EUR" if inverse else "USD")
    assert abs(got - exact) <= Fraction(1, 2)
    assert rules.exchange(-nanos, rate, into="EUR" if inverse else "USD") == -got


def test_an_exchange_has_a_leg_in_each_currency_and_names_what_it_rounds_off():
    # 100 USD that are owed become euros, in whole cents: 92.592592593 is owed as 92.59.
    postings = rules.exchange_postings(
        USD_PAYABLE, EUR_PAYABLE, -100_000_000_000, EURO, minor_digits=2
    )
    assert postings == (
        Posting(USD_PAYABLE, 100_000_000_000),
        Posting(AccountRef(AccountKind.FX, "", "USD"), -100_000_000_000),
        Posting(AccountRef(AccountKind.FX, "", "EUR"), 92_592_592_593),
        Posting(EUR_PAYABLE, -92_590_000_000),
        Posting(AccountRef(AccountKind.ROUNDING, "fx", "EUR"), -2_592_593),
    )
    rules.check_draft(draft("k", *postings, kind="fx"))


def test_an_exact_exchange_rounds_nothing_off():
    postings = rules.exchange_postings(EUR_CASH, USD_PAYABLE, 10**9, EURO, minor_digits=2)
    assert [posting.nanos for posting in postings] == [
        -(10**9),
        10**9,
        -1_080_000_000,
        1_080_000_000,
    ]


@pytest.mark.parametrize(("nanos", "digits"), [(0, None), (1, 2), (4_000_000, 2)])
def test_too_little_is_not_exchanged(nanos, digits):
    with pytest.raises(EntryRefused, match="too little"):
        rules.exchange_postings(EUR_CASH, USD_PAYABLE, nanos, EURO, minor_digits=digits)


@pytest.mark.parametrize(
    ("nanos", "digits", "rounded"),
    [
        (5_000_000, 2, 0),
        (15_000_000, 2, 20_000_000),
        (-15_000_000, 2, -20_000_000),
        (14_999_999, 2, 10_000_000),
        (1_500_000_000, 0, 2_000_000_000),
        (7, 9, 7),
    ],
)
def test_minor_units_are_rounded_half_even(nanos, digits, rounded):
    assert rules.round_to_minor(nanos, digits) == rounded


def test_a_rate_is_told_in_words():
    assert rules.told(EURO) == "1 EUR = 1.08 USD (bank, from 2030-01-31T12:00:00Z)"


@pytest.mark.parametrize(
    "wrong",
    [
        EURO._replace(quote="EUR"),
        EURO._replace(base="eur"),
        EURO._replace(nanos=0),
        EURO._replace(nanos=-1),
        EURO._replace(nanos=10**18 + 1),
        EURO._replace(source=""),
        EURO._replace(valid_from=datetime(2030, 1, 1)),  # noqa: DTZ001 - without a zone
    ],
)
def test_a_rate_that_is_none_is_refused(wrong):
    rules.check_rate(EURO)
    with pytest.raises(EntryRefused):
        rules.check_rate(wrong)


def test_a_time_is_in_utc_wherever_it_comes_from():
    assert rules.told(EURO._replace(valid_from=NOW.astimezone(UTC))) == rules.told(EURO)
