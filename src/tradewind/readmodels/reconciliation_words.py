"""What the checks of the books are called on the page of reconciliation, and what to do about a
difference. A check that is not named here is shown by its own name.
"""

from typing import NamedTuple


class CheckWords(NamedTuple):
    title: str
    compares: str
    """Which two sides."""
    advice: str
    unit: str
    """What is counted, in the plural."""
    how_many: str
    """How many there are, as SQL that gives one number."""


_VERIFY = "Find what it is about with `tradewind ledger verify`: nothing is edited, but reversed."
_BILLING = "Look at the log of the worker for `billing`: hours that just changed are left out here."
_ENTRIES = ("entries", "SELECT count(*) FROM ledger_entry")
_LINES = ("settled lines", "SELECT count(*) FROM settlement_line")
_PAYOUTS = "Stop the next payout run until it is found: look at the statement that is named."

_WORDS: dict[str, CheckWords] = {
    "usage": CheckWords(
        "Events and hourly sums",
        "the hourly sums with the events that are kept",
        "Look at the log of the worker before billing goes on: a sum or an event was changed.",
        "hourly sums",
        "SELECT count(*) FROM usage_hour",
    ),
    "settlement": CheckWords(
        "Hourly sums and settlement",
        "what was settled with the hourly sums",
        _BILLING,
        *_LINES,
    ),
    "settled": CheckWords(
        "Settlement and ledger",
        "the entries of each settlement with its lines",
        _VERIFY,
        "settlements",
        "SELECT count(*) FROM settlement",
    ),
    "meters": CheckWords(
        "Settled meters", "what was settled of each meter with its hourly sums", _BILLING, *_LINES
    ),
    "hosts": CheckWords(
        "Settled costs of hosts",
        "what was settled of each host with its hourly sums",
        _BILLING,
        *_LINES,
    ),
    "unbilled": CheckWords(
        "Unbilled balances",
        "the balance of UNBILLED with what is on no invoice",
        "Look at the organization's newest invoice and its credit notes.",
        "organizations",
        "SELECT count(*) FROM billing_account",
    ),
    "deferred": CheckWords(
        "Deferred balances",
        "what was paid ahead with what is not earned yet",
        "Look at the organization's subscriptions and at the invoices of their fees.",
        "organizations",
        "SELECT count(*) FROM billing_account",
    ),
    "invoices": CheckWords(
        "Invoices",
        "each finalized invoice with its lines, its entries and its hash",
        "Do not send it. Give a credit note for it and draw it up anew.",
        "invoices",
        "SELECT count(*) FROM invoice WHERE state <> 'draft'",
    ),
    "numbers": CheckWords(
        "Numbers of invoices",
        "the numbers that were taken with those that are used",
        "Tell whoever audits you: a finalized invoice was removed by hand.",
        "invoices",
        "SELECT count(*) FROM invoice WHERE state <> 'draft'",
    ),
    "statements": CheckWords(
        "Publishers' statements", "each statement with its lines", _PAYOUTS, *_ENTRIES
    ),
    "payouts": CheckWords(
        "Payouts", "what was paid out with what left the ledger", _PAYOUTS, *_ENTRIES
    ),
    "receipts": CheckWords(
        "Receipts",
        "what was settled with the sum of its receipts",
        "Keep the newest head of the chain, and look at the log of the worker for `receipts`.",
        "receipts",
        "SELECT count(*) FROM receipt",
    ),
    "archive": CheckWords(
        "Archive",
        "archived days with the hourly sums",
        "Keep the files as they are, and look at the log of the worker for `archive`.",
        "hourly sums",
        "SELECT count(*) FROM usage_hour",
    ),
}


def words_of(name: str) -> CheckWords:
    """Return what a check of the books is called, and what to do when it finds something."""
    if name in _WORDS:
        return _WORDS[name]
    title = f"Ledger: {name.replace('_', ' ')}"
    return CheckWords(title, "what is kept with what it is derived from", _VERIFY, *_ENTRIES)
