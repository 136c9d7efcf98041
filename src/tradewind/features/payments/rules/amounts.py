"""Which amounts and settings are possible."""

from collections.abc import Sequence

from tradewind.core.errors import InvalidInput
from tradewind.core.money import format_nanos
from tradewind.features.payments.schemas import WalletSettings

AMOUNT_MAX_NANOS = 10**16
"""Ten million of a currency, in one payment."""


def check_amount(nanos: int) -> None:
    """Raises InvalidInput."""
    if not 0 < nanos <= AMOUNT_MAX_NANOS:
        raise InvalidInput(
            f"the amount is not above 0 and at most {format_nanos(AMOUNT_MAX_NANOS)}"
        )


def check_settings(settings: WalletSettings, *, has_card: bool) -> None:
    """Raises InvalidInput."""
    amounts: Sequence[int] = [settings.low_nanos]
    if settings.auto is not None:
        auto = settings.auto
        amounts = [settings.low_nanos, auto.below_nanos]
        check_amount(auto.amount_nanos)
        check_amount(auto.month_cap_nanos)
        if auto.month_cap_nanos < auto.amount_nanos:
            raise InvalidInput("the cap of a month is below a single top-up")
        if not has_card:
            raise InvalidInput("automatic top-up needs a saved card", hint="save one first")
    if not all(0 <= nanos <= AMOUNT_MAX_NANOS for nanos in amounts):
        raise InvalidInput("an amount is negative or too large")
