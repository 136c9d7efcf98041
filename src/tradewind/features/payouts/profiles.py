"""Where publishers are paid, what is withheld, and what is stopped: by members and by finance."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection

from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import Forbidden, InvalidInput, NotFound, PreconditionFailed
from tradewind.core.money import format_nanos
from tradewind.core.permissions import Permission, require
from tradewind.db.outbox import enqueue
from tradewind.features.accounts.schemas import Actor, is_platform_administrator
from tradewind.features.catalog.schemas import PublisherRow
from tradewind.features.catalog.service import Catalog
from tradewind.features.ledger.schemas import AccountKind
from tradewind.features.ledger.service import Ledger
from tradewind.features.payouts.ports import Owners
from tradewind.features.payouts.repository import accounts
from tradewind.features.payouts.rules.bank_accounts import clean_bic, clean_iban, masked_iban
from tradewind.features.payouts.rules.credit_transfers import NAME_MAX
from tradewind.features.payouts.schemas import (
    PPM,
    Destination,
    NewProfile,
    Owed,
    Profile,
    ReviewHold,
    RunEvent,
    Source,
    Terms,
    Way,
)

ACCOUNT_CHANGED = "payout.account_changed"
"""Where a publisher is paid was changed: whoever did not do that has three days to say so."""
COOLING_OFF = timedelta(days=3)
LISTED_MAX = 500
_MINIMUM_MAX_NANOS = 10**15
_REASON_MAX = 500
_JURISDICTION_MAX = 100
_DAYS_MAX = {"hold_days": 365, "reserve_days": 730}


class Profiles:
    def __init__(self, clock: Clock, ledger: Ledger, catalog: Catalog, owners: Owners) -> None:
        self._clock = clock
        self._ledger = ledger
        self._catalog = catalog
        self._owners = owners

    # --- for publishers ----------------------------------------------------------------------

    def owned(self, tx: Connection, actor: Actor) -> list[PublisherRow]:
        """Return the publishers that the actor's organization is."""
        require(actor, Permission.SALES_READ)
        return self._owners.owned(tx, actor)

    def get(self, tx: Connection, actor: Actor, publisher: str) -> Profile | None:
        """Return where a publisher is paid; None before it said so. Raises NotPublisher."""
        self.require_reader(tx, actor, publisher)
        return accounts.find_profile(tx, publisher)

    def set(
        self,
        tx: Connection,
        actor: Actor,
        publisher: str,
        new: NewProfile,
        *,
        by: By,
        revision: int | None = None,
    ) -> Profile:
        """Say where a publisher is paid. `revision` is the one that was read, 0 for a first one,
        None for any.

        Whenever the account itself changes, nothing is sent to it for three days, and the
        organization is told. Raises NotFound, NotPublisher, InvalidInput,
        PreconditionFailed.
        """
        require(actor, Permission.SALES_WRITE)
        self._publisher(tx, publisher)
        self._owners.require_owner(tx, actor.organization_id, publisher)
        cleaned = _cleaned(new)
        now = self._clock.now()
        former = accounts.find_profile(tx, publisher, locks=True)
        found = 0 if former is None else former.revision
        if revision is not None and found != revision:
            raise PreconditionFailed(
                "the payout profile changed since you read it", hint="read it again, then change it"
            )
        moves = former is None or (former.destination, former.currency) != (
            cleaned.destination,
            cleaned.currency,
        )
        usable_from = now + COOLING_OFF if moves or former is None else former.usable_from
        values = {
            "publisher_slug": publisher,
            **cleaned.destination._asdict(),
            "way": cleaned.destination.way.value,
            "currency": cleaned.currency,
            "minimum_nanos": cleaned.minimum_nanos,
            "usable_from": usable_from,
            "changed_by": by.name[:200],
            "changed_at": now,
            "revision": found + 1,
        }
        if not accounts.write_profile(tx, values, found):
            raise PreconditionFailed("somebody else said it first", hint="read it again")
        place = destination_words(cleaned.destination)
        detail = f"{place}, in {cleaned.currency}, from {format_nanos(cleaned.minimum_nanos)}"
        accounts.add_event(tx, publisher, "profile_changed", by, detail, now)
        if moves:
            enqueue(
                tx,
                ACCOUNT_CHANGED,
                actor.organization_id,
                {
                    "publisher": publisher,
                    "account": place,
                    "currency": cleaned.currency,
                    "by": by.name,
                    "usable_from": usable_from.isoformat(),
                },
                key=f"{ACCOUNT_CHANGED} {publisher} {found + 1}",
            )
        stored = accounts.find_profile(tx, publisher)
        assert stored is not None, "it was just written"
        return stored

    def trail(self, tx: Connection, actor: Actor, publisher: str) -> list[RunEvent]:
        """Return who changed what about a publisher's payouts."""
        self.require_reader(tx, actor, publisher)
        return accounts.events_of(tx, publisher, 100)

    def hold_of(self, tx: Connection, actor: Actor, publisher: str) -> ReviewHold | None:
        self.require_reader(tx, actor, publisher)
        return accounts.find_hold(tx, publisher)

    def require_reader(self, tx: Connection, actor: Actor, publisher: str) -> PublisherRow:
        """Raises NotPublisher unless the publisher is the actor's own, or the actor is finance."""
        if is_finance(actor):
            return self._publisher(tx, publisher)
        require(actor, Permission.SALES_READ)
        return self._owners.require_owner(tx, actor.organization_id, publisher)

    # --- for finance -------------------------------------------------------------------------

    def terms(self, tx: Connection, actor: Actor, publisher: str) -> Terms:
        self.require_reader(tx, actor, publisher)
        return accounts.find_terms(tx, publisher)

    def set_terms(
        self, tx: Connection, actor: Actor, publisher: str, terms: Terms, *, by: By
    ) -> Terms:
        """Raises Forbidden, NotFound, InvalidInput."""
        require_finance(actor, Permission.FINANCE_WRITE)
        self._publisher(tx, publisher)
        _check_terms(terms)
        # In the order of everybody who pays or changes this publisher.
        accounts.find_profile(tx, publisher, locks=True)
        now = self._clock.now()
        values = {"publisher_slug": publisher, **terms._asdict()}
        accounts.write_terms(tx, values | {"changed_by": by.name[:200], "changed_at": now})
        words = (
            f"hold {terms.hold_days} days, reserve {terms.reserve_ppm} ppm for"
            f" {terms.reserve_days} days, tax {terms.tax_ppm} ppm {terms.tax_jurisdiction}"
        )
        accounts.add_event(tx, publisher, "terms_changed", by, words, now)
        return terms

    def hold(
        self, tx: Connection, actor: Actor, publisher: str, reason: str, *, by: By
    ) -> ReviewHold:
        """Stop everything of a publisher until somebody has looked. Raises Forbidden, NotFound,
        InvalidInput.
        """
        require_finance(actor, Permission.FINANCE_WRITE)
        self._publisher(tx, publisher)
        reason = reason.strip()
        if not 1 <= len(reason) <= _REASON_MAX:
            raise InvalidInput(
                f"a reason has 1 to {_REASON_MAX} characters", hint="say what is looked at"
            )
        now = self._clock.now()
        held = ReviewHold(publisher, reason, by.name[:200], now)
        values = {
            "publisher_slug": publisher,
            "reason": reason,
            "placed_by": held.placed_by,
            "placed_at": now,
        }
        accounts.write_hold(tx, values)
        accounts.add_event(tx, publisher, "held", by, reason, now)
        return held

    def lift(self, tx: Connection, actor: Actor, publisher: str, *, by: By) -> None:
        """Let a publisher be paid again. Idempotent. Raises Forbidden, NotFound."""
        require_finance(actor, Permission.FINANCE_WRITE)
        self._publisher(tx, publisher)
        if accounts.remove_hold(tx, publisher):
            accounts.add_event(tx, publisher, "lifted", by, "", self._clock.now())

    def holds(self, tx: Connection, actor: Actor) -> list[ReviewHold]:
        require_finance(actor, Permission.FINANCE_READ)
        return accounts.list_holds(tx, LISTED_MAX)

    def owed(self, tx: Connection, actor: Actor) -> list[Owed]:
        """Return what publishers are owed by the ledger, at most as many as are listed."""
        require_finance(actor, Permission.FINANCE_READ)
        rows = self._ledger.accounts(tx, kind=AccountKind.PAYABLE, limit=LISTED_MAX)
        paid_in = accounts.paid_in(tx, [row.account.owner for row in rows])
        held = {each.publisher for each in accounts.list_holds(tx, LISTED_MAX)}
        found = [
            Owed(
                row.account.owner,
                row.account.currency,
                -row.nanos,
                paid_in.get(row.account.owner, ""),
                row.account.owner in held,
            )
            for row in rows
            if row.nanos
        ]
        return sorted(found)

    def sources(self, tx: Connection, actor: Actor) -> list[Source]:
        require_finance(actor, Permission.FINANCE_READ)
        return accounts.list_sources(tx)

    def set_source(self, tx: Connection, actor: Actor, source: Source, *, by: By) -> Source:
        """Say from which account the platform pays a currency. Raises Forbidden, InvalidInput."""
        require_finance(actor, Permission.FINANCE_WRITE)
        cleaned = Source(
            check_currency(source.currency),
            _name(source.name),
            clean_iban(source.iban),
            clean_bic(source.bic),
        )
        now = self._clock.now()
        values = cleaned._asdict() | {"changed_by": by.name[:200], "changed_at": now}
        accounts.write_source(tx, values)
        subject = f"source:{cleaned.currency}"
        accounts.add_event(tx, subject, "source_changed", by, masked_iban(cleaned.iban), now)
        return cleaned

    def _publisher(self, tx: Connection, slug: str) -> PublisherRow:
        row = self._catalog.find_publisher(tx, slug)
        if row is None:
            raise NotFound(f"there is no publisher {slug[:80]!r}")
        return row


def is_finance(actor: Actor) -> bool:
    """Say whether the actor reads the platform's own books."""
    return actor.may(Permission.FINANCE_READ) and is_platform_administrator(actor)


def require_finance(actor: Actor, permission: Permission) -> None:
    """Raises Forbidden."""
    require(actor, permission)
    if not is_platform_administrator(actor):
        raise Forbidden("only administrators of the platform pay publishers out")


def destination_words(destination: Destination) -> str:
    """Return where money goes, in words that do not tell the whole number."""
    if destination.way is Way.STRIPE:
        return f"Stripe {destination.account[:9]}…"
    return masked_iban(destination.iban)


def check_currency(text: str) -> str:
    """Raises InvalidInput."""
    if not (len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()):
        raise InvalidInput("a currency is three capital letters")
    return text


def _cleaned(new: NewProfile) -> NewProfile:
    told = new.destination
    if not 0 <= new.minimum_nanos <= _MINIMUM_MAX_NANOS:
        raise InvalidInput("the minimum is negative or too large")
    currency = check_currency(new.currency)
    if told.way is Way.STRIPE:
        if told.iban or told.bic:
            raise InvalidInput("who is paid by Stripe has no IBAN here")
        account = told.account.strip()
        tail = account.removeprefix("acct_")
        if tail == account or not (tail.isascii() and tail.isalnum() and len(tail) <= 64):
            raise InvalidInput("this is no account at Stripe", hint="it begins with acct_")
        return NewProfile(
            Destination(Way.STRIPE, _name(told.name), account=account), currency, new.minimum_nanos
        )
    if told.account:
        raise InvalidInput("who is paid by bank has no account at Stripe here")
    by_bank = Destination(Way.BANK, _name(told.name), clean_iban(told.iban), clean_bic(told.bic))
    return NewProfile(by_bank, currency, new.minimum_nanos)


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not 1 <= len(name) <= NAME_MAX or not name.isprintable():
        raise InvalidInput(f"a name has 1 to {NAME_MAX} characters", hint="as the bank knows it")
    return name


def _check_terms(terms: Terms) -> None:
    checks: Sequence[tuple[str, int, int, int]] = (
        ("hold_days", terms.hold_days, 0, _DAYS_MAX["hold_days"]),
        ("reserve_days", terms.reserve_days, 1, _DAYS_MAX["reserve_days"]),
        ("reserve_ppm", terms.reserve_ppm, 0, PPM),
        ("tax_ppm", terms.tax_ppm, 0, PPM),
    )
    for name, value, least, most in checks:
        if not least <= value <= most:
            raise InvalidInput(f"`{name}` is not between {least} and {most:,}")
    if terms.tax_ppm and not 1 <= len(terms.tax_jurisdiction.strip()) <= _JURISDICTION_MAX:
        raise InvalidInput("tax is withheld for somebody", hint="name the jurisdiction")
