"""What tests of the ledger share: a clock that is turned by hand, accounts, drafts."""

from datetime import UTC, datetime, timedelta

from tradewind.features.ledger.schemas import AccountKind, AccountRef, EntryDraft, Posting

NOW = datetime(2030, 1, 31, 12, 0, tzinfo=UTC)
EVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))

CASH = AccountRef(AccountKind.CASH, "bank", "USD")
WALLET = AccountRef(AccountKind.WALLET, "org_a", "USD")
UNBILLED = AccountRef(AccountKind.UNBILLED, "org_a", "USD")
REVENUE = AccountRef(AccountKind.REVENUE, "usage", "USD")
PAYABLE = AccountRef(AccountKind.PAYABLE, "acme", "USD")
FEE = AccountRef(AccountKind.FEE, "", "USD")


class TurnedClock:
    def __init__(self) -> None:
        self._now = NOW

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return 0.0

    def turn(self, by: timedelta) -> None:
        self._now += by


def draft(key, *postings, kind="usage", at=NOW, **more) -> EntryDraft:
    """`draft("k", (UNBILLED, 5), (REVENUE, -5))`."""
    return EntryDraft(key, kind, at, tuple(Posting(*posting) for posting in postings), **more)


def usage(key, nanos=1_000, *, at=NOW, **more) -> EntryDraft:
    return draft(key, (UNBILLED, nanos), (REVENUE, -nanos), at=at, **more)


def top_up(key, nanos) -> EntryDraft:
    return draft(key, (CASH, nanos), (WALLET, -nanos), kind="top_up")


def charge(key, nanos) -> EntryDraft:
    return draft(key, (WALLET, nanos), (REVENUE, -nanos), kind="charge")
