"""What a publisher is told of a subscription: moves of sales in Azure's words."""

from datetime import timedelta
from typing import NamedTuple

from tradewind.features.marketplace.schemas import Action, AzureStatus, OperationStatus

PATCH_WINDOW = timedelta(seconds=10)
"""After a delivery: who has not refused by then has agreed."""
GIVE_UP = timedelta(hours=8)
MOST_ATTEMPTS = 500
_LONGEST_WAIT_S = 60
_STATES = {
    "pending": AzureStatus.PENDING,
    "trial": AzureStatus.SUBSCRIBED,
    "active": AzureStatus.SUBSCRIBED,
    "past_due": AzureStatus.SUBSCRIBED,
    "paused": AzureStatus.SUSPENDED,
    "suspended": AzureStatus.SUSPENDED,
    "cancelled": AzureStatus.UNSUBSCRIBED,
}


class Told(NamedTuple):
    action: Action
    status: OperationStatus


def status_of(state: str) -> AzureStatus:
    return _STATES[state]


def told(move: str, former: str) -> Told | None:
    """Return what a publisher is told of a move that was made; None for what is not its matter.

    Only a reinstatement waits for its word: it is to go on serving, and may say that it cannot.
    """
    match move:
        case "renewed" | "private_price_ended":
            return Told(Action.RENEW, OperationStatus.SUCCEEDED)
        case "activated" if former == "trial":
            return Told(Action.RENEW, OperationStatus.SUCCEEDED)
        case "plan_changed":
            return Told(Action.CHANGE_PLAN, OperationStatus.SUCCEEDED)
        case "suspended" | "paused":
            return Told(Action.SUSPEND, OperationStatus.SUCCEEDED)
        case "reinstated" | "resumed":
            return Told(Action.REINSTATE, OperationStatus.IN_PROGRESS)
        case "paid" if former == "suspended":
            return Told(Action.REINSTATE, OperationStatus.IN_PROGRESS)
        case "cancelled" if former != "pending":
            return Told(Action.UNSUBSCRIBE, OperationStatus.SUCCEEDED)
        case _:
            return None


def wait_after(attempts: int) -> timedelta:
    """Return how long to wait after so many failed attempts: 500 of them are about eight hours."""
    return timedelta(seconds=min(_LONGEST_WAIT_S, 2 ** min(attempts, 10)))
