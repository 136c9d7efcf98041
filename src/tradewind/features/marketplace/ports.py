"""What the marketplace needs from features below it that are no service, and from read models."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from tradewind.core.acting import By
from tradewind.features.accounts.schemas import Actor
from tradewind.features.artifacts.schemas import Signature
from tradewind.features.marketplace.schemas import HourSum, MadeMove
from tradewind.features.sales.schemas import (
    Confirmation,
    OfferRow,
    PlanRow,
    Sold,
    SubscriptionRow,
    TermsAt,
)


class SaleDesk(Protocol):
    """`features.sales.sold.SoldDesk`: subscriptions as their seller sees them."""

    def own_offer(self, tx: Connection, actor: Actor, offer_id: str) -> OfferRow: ...
    def get(
        self, tx: Connection, actor: Actor, subscription_id: str, *, locks: bool = False
    ) -> Sold: ...
    def find(self, tx: Connection, subscription_id: str, *, locks: bool = False) -> Sold | None: ...
    def page(self, tx: Connection, actor: Actor, after: str, limit: int) -> list[Sold]: ...
    def plans(self, tx: Connection, offer_id: str) -> list[PlanRow]: ...
    def terms_at(self, tx: Connection, subscription_id: str, at: datetime) -> TermsAt | None: ...
    def activate(self, tx: Connection, actor: Actor, by: By, subscription_id: str) -> None: ...
    def change(  # noqa: PLR0917  all of one change
        self,
        tx: Connection,
        subscription_id: str,
        by: By,
        plan_id: str | None,
        quantity: int | None,
        confirmation: Confirmation,
    ) -> SubscriptionRow: ...
    def cancel(self, tx: Connection, actor: Actor, by: By, subscription_id: str) -> None: ...
    def suspend(self, tx: Connection, subscription_id: str, reason: str, by: By) -> None: ...


class UntoldMoves(Protocol):
    def __call__(self, tx: Connection, limit: int) -> Sequence[MadeMove]:
        """Return moves of subscriptions of apps beyond their marks, in their order."""
        ...


class Wanted(NamedTuple):
    """Of which hours a sink wants to know what it was not sent."""

    sink_id: str
    organization_id: str
    """Empty: everybody's, by organization; else an organization's, by project."""
    since: datetime
    until: datetime
    meters: tuple[str, ...]
    """Empty: all."""
    subjects: tuple[str, ...] | None
    """None: all."""
    takes_back: bool
    limit: int


class HourDifferences(Protocol):
    def __call__(self, tx: Connection, wanted: Wanted) -> Sequence[HourSum]:
        """Return what hours differ by from all that was made up for the sink of them."""
        ...


class Signs(Protocol):
    """The platform's own key."""

    def sign(self, manifest: bytes) -> Signature: ...
