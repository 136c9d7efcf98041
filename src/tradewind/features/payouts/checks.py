"""The checks that lead from the ledger to statements, payouts and reserves, for
`tradewind ledger verify`. Each derives one side again and tells every difference.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import Connection, Row

from tradewind.core.money import format_nanos, parse_nanos
from tradewind.features.ledger.schemas import Difference, NamedCheck, Tell
from tradewind.features.payouts.repository import statements
from tradewind.features.payouts.schemas import StatementContent


def payout_checks() -> tuple[NamedCheck, ...]:
    return (NamedCheck("statements", _statements), NamedCheck("payouts", _payouts))


def _statements(tx: Connection, tell: Tell) -> Iterator[Difference]:
    for row in statements.wrong_balances(tx):
        apart = int(row.said - row.found)
        words = f"its balance differs from what was entered by {format_nanos(apart)}"
        yield Difference("statements", _name(row), words, apart)
    for row in statements.broken_chain(tx):
        apart = int(row.opening_nanos - row.former_closing)
        yield Difference("statements", _name(row), "it does not begin where the last ended", apart)
    after = ""
    while rows := statements.contents_after(tx, after):
        for row in rows:
            for words, nanos in _wrong(row):
                yield Difference("statements", row.id, words, nanos)
        after = rows[-1].id
    tell(1, 1)


def _payouts(tx: Connection, tell: Tell) -> Iterator[Difference]:
    for row in statements.wrong_payouts(tx):
        apart = int(row.found - row.wanted)
        words = f"is {row.state}, and {format_nanos(-int(row.found))} of it are on their way"
        yield Difference("payouts", row.id, words, apart)
    for row in statements.wrong_way(tx):
        words = f"what is on its way in {row.currency} differs from the payouts that are open"
        yield Difference("payouts", row.currency, words, int(row.apart))
    for row in statements.wrong_reserves(tx):
        words = f"the reserve in {row.currency} differs from what was withheld and not released"
        yield Difference("payouts", row.owner, words, int(row.apart))
    for row in statements.wrong_runs(tx):
        apart = int(row.said - row.found)
        yield Difference("payouts", row.id, "its payouts do not add up to it", apart)
    tell(1, 1)


def _wrong(row: Row[Any]) -> Iterator[tuple[str, int]]:
    data = row.content.encode()
    if sha256(data).digest() != bytes(row.sha256):
        yield "its content is not what was hashed", 0
        return
    told = msgspec.json.decode(data, type=StatementContent)
    lines = sum(parse_nanos(line.net) for line in told.lines)
    parts = sum(parse_nanos(line.gross) - parse_nanos(line.fee) for line in told.lines)
    opening, balance = parse_nanos(told.opening), parse_nanos(told.balance)
    withheld = parse_nanos(told.tax_withheld) + parse_nanos(told.reserve_withheld)
    left = balance - withheld + parse_nanos(told.reserve_released) - parse_nanos(told.payable)
    pairs = (
        ("its lines do not add up to its balance", opening + lines, balance),
        ("gross less fees of its lines is not their net", parts, lines),
        ("it does not add up to its closing", left, parse_nanos(told.closing)),
        ("its paper says another opening", opening, int(row.opening_nanos)),
        ("its paper says another balance", balance, int(row.balance_nanos)),
        ("its paper says another payout", parse_nanos(told.payable), int(row.payable_nanos)),
        ("its paper says another closing", parse_nanos(told.closing), int(row.closing_nanos)),
        ("its payout is another amount", parse_nanos(told.paid), int(row.paid_nanos or 0)),
    )
    for words, found, wanted in pairs:
        if found != wanted:
            yield words, found - wanted


def _name(row: Row[Any]) -> str:
    return f"{row.publisher_slug} {row.currency} {row.number}"
