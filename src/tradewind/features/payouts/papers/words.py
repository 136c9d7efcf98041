"""The words that a statement uses in every format."""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from tradewind.features.payouts.schemas import LineKind, StatementContent, StatementLine

_KINDS = {
    LineKind.SALE: "Usage",
    LineKind.PLAN: "Plan",
    LineKind.REFUND: "Refund",
    LineKind.RETURNED: "Payout that came back",
    LineKind.OTHER: "Other",
}


class Step(NamedTuple):
    """One step from the opening to the closing."""

    name: str
    words: str
    amount: str
    """As it is added."""
    is_sum: bool = False


def line_words(line: StatementLine) -> str:
    if line.model and line.kind is LineKind.SALE:
        return f"{_KINDS[line.kind]}: {line.model}, {line.description}"
    return f"{_KINDS[line.kind]}: {line.description}"


def steps(content: StatementContent) -> Iterator[Step]:
    """Yield what leads from the opening to the payout, and to what is carried over."""
    yield Step("opening", "Opening balance", content.opening)
    yield Step("lines", "All lines", _sum(line.net for line in content.lines))
    yield Step("balance", "Balance", content.balance, is_sum=True)
    if content.on_hold != "0":
        days = content.hold_days
        words = f"of it on hold: earned in the last {days} days"
        yield Step("on_hold", words, content.on_hold, is_sum=True)
    if content.tax_withheld != "0":
        words = f"Tax withheld for {content.tax_jurisdiction}"
        yield Step("tax_withheld", words, _minus(content.tax_withheld))
    if content.reserve_withheld != "0" and content.reserve_until is not None:
        words = f"Reserve withheld until {content.reserve_until:%Y-%m-%d}"
        yield Step("reserve_withheld", words, _minus(content.reserve_withheld))
    if content.reserve_released != "0":
        yield Step("reserve_released", "Reserve released", content.reserve_released)
    yield Step("payable", "Paid out", _minus(content.payable))
    yield Step("closing", "Carried over", content.closing, is_sum=True)


def paid_words(content: StatementContent) -> str:
    if content.carried_because:
        return f"Nothing is paid now: {content.carried_because}."
    words = f"{content.paid} {content.paid_currency} are paid"
    return f"{words}, at {content.exchange}." if content.exchange else f"{words}."


def _sum(amounts: Iterator[str]) -> str:
    text = format(sum(map(Decimal, amounts), Decimal(0)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _minus(amount: str) -> str:
    return amount if amount == "0" else f"-{amount}"
