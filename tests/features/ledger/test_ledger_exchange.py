"""Rates as they are stored, and entries of exchange."""

from datetime import timedelta

import pytest

from tests.features.ledger.ledger_parts import NOW
from tradewind.features.ledger.errors import EntryRefused, NoRate, RateTaken
from tradewind.features.ledger.schemas import AccountKind, AccountRef, FxRate

pytestmark = pytest.mark.postgres

EURO = FxRate("EUR", "USD", 1_080_000_000, "bank", NOW)
USD = AccountRef(AccountKind.PAYABLE, "acme", "USD")
EUR = AccountRef(AccountKind.PAYABLE, "acme", "EUR")
DAY = timedelta(days=1)


def test_a_stored_rate_stays_as_it_is(ledger, do):
    do(ledger.set_rate, EURO)
    do(ledger.set_rate, EURO)

    with pytest.raises(RateTaken):
        do(ledger.set_rate, EURO._replace(nanos=1_090_000_000))
    with pytest.raises(EntryRefused):
        do(ledger.set_rate, EURO._replace(nanos=0))
    assert do(ledger.rates) == [EURO]


def test_the_rate_in_force_is_the_newest_before_the_moment_either_way_round(ledger, do):
    later = EURO._replace(nanos=1_100_000_000, valid_from=NOW + DAY)
    inverse = FxRate("USD", "EUR", 900_000_000, "bank", NOW + 2 * DAY)
    for rate in (inverse, EURO, later):
        do(ledger.set_rate, rate)

    assert do(ledger.rate, "EUR", "USD", NOW) == EURO
    assert do(ledger.rate, "USD", "EUR", NOW + DAY) == later
    assert do(ledger.rate, "EUR", "USD", NOW + 2 * DAY) == inverse
    with pytest.raises(NoRate):
        do(ledger.rate, "EUR", "USD", NOW - DAY)
    with pytest.raises(NoRate):
        do(ledger.rate, "EUR", "JPY", NOW)
    assert do(ledger.rates, currency="EUR", limit=1) == [inverse]
    assert do(ledger.rates, currency="JPY") == []


def test_an_exchange_is_an_entry_that_says_its_rate(ledger, do):
    do(ledger.set_rate, EURO)

    entry_id = do(
        ledger.exchange,
        USD,
        EUR,
        -100_000_000_000,
        key="fx:1",
        at=NOW,
        subject="pout_1",
        minor_digits=2,
    )

    entry = do(ledger.entry, entry_id)
    assert (entry.kind, entry.subject) == ("fx", "pout_1")
    assert entry.memo == "1 EUR = 1.08 USD (bank, from 2030-01-31T12:00:00Z)"
    assert do(ledger.balance, EUR) == -92_590_000_000
    rounding = AccountRef(AccountKind.ROUNDING, "fx", "EUR")
    assert do(ledger.balance, rounding) == -2_592_593
    do(ledger.reverse, entry_id, key="r:1", reason="wrong day")
    assert do(ledger.balance, rounding) == 0
    assert do(ledger.verify).is_clean
