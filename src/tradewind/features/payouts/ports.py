"""What payouts need from others."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from tradewind.core.ids import OrganizationId
from tradewind.features.accounts.schemas import Actor
from tradewind.features.catalog.schemas import PublisherRow
from tradewind.features.payouts.schemas import Earned
from tradewind.plugins.payments.base import Transfer

MinorDigits = Callable[[str], int]
"""Returns how many decimals the smallest payable amount of a currency has."""


class Transactions(Protocol):
    """The part of `tradewind.db.database.Database` that is needed."""

    def transaction(self) -> AbstractContextManager[Connection]: ...


class Earnings(Protocol):
    """What was posted to publishers, with what it is made of: read across features."""

    def earned(
        self,
        tx: Connection,
        publisher: str,
        currency: str,
        *,
        after: int,
        up_to: int | None,
        held_since: datetime,
    ) -> Earned:
        """Return what was entered behind one number and up to another (None: until now), but
        payouts themselves; and what of everything up to there was entered since `held_since`.
        """
        ...

    def currencies(self, tx: Connection, publisher: str) -> Sequence[str]:
        """Return those in which anything was ever posted to a publisher."""
        ...


class Owners(Protocol):
    """The part of `features.publishing.publishers.Publishers` that is used here."""

    def require_owner(
        self, tx: Connection, organization_id: OrganizationId, slug: str
    ) -> PublisherRow:
        """Raises NotPublisher (403) unless the organization is this publisher."""
        ...

    def owned(self, tx: Connection, actor: Actor) -> list[PublisherRow]: ...


class Transfers(Protocol):
    """The part of a processor (`plugins.payments`) that sends money to an account there."""

    def transfer(self, asked: Transfer) -> str:
        """Return the processor's id of it. The same key is the same transfer, however long ago it
        was. Leaves the process: never call it while a transaction is open. Raises
        ProcessorRefused, and Unavailable where nobody can say what became of it.
        """
        ...
