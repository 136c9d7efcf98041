"""SaaS fulfilment: from a purchase token to an end, with its publisher's word on each change."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import msgspec
from sqlalchemy import Connection

from tradewind.core import signed_posts
from tradewind.core.acting import By
from tradewind.core.clock import Clock
from tradewind.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from tradewind.core.ids import OperationId, SubscriptionId
from tradewind.core.permissions import Permission, require
from tradewind.db.sealing import Place, Secret
from tradewind.db.vault import Vault
from tradewind.features.accounts.schemas import Actor, is_platform_administrator
from tradewind.features.marketplace.bodies import operation_body
from tradewind.features.marketplace.errors import (
    FulfilmentRefused,
    OperationClosed,
    OperationRunning,
)
from tradewind.features.marketplace.ports import SaleDesk
from tradewind.features.marketplace.repository import operations as repository
from tradewind.features.marketplace.rules import actions, tokens
from tradewind.features.marketplace.rules.actions import status_of
from tradewind.features.marketplace.rules.guids import id_of
from tradewind.features.marketplace.rules.places import URL_MAX, parse_place
from tradewind.features.marketplace.schemas import (
    Action,
    AppRow,
    AppWithSecret,
    AzureStatus,
    MadeMove,
    NewApp,
    OperationRow,
    OperationStatus,
    PurchaseLink,
    Source,
)
from tradewind.features.sales.errors import AlreadySubscribed, NotConfirmed, TermsChanged
from tradewind.features.sales.schemas import Confirmation, OfferKind, PlanRow, Sold
from tradewind.features.sales.service import Sales

PAGE = 100
_RUNNING_MAX = 100
_CHANGES = frozenset({Action.CHANGE_PLAN, Action.CHANGE_QUANTITY})
_OWN_WORD = Confirmation("whoever confirmed before", "no more than before", "as before")
_PLATFORM = By("platform", "the platform")


class Fulfilment:
    def __init__(
        self, sales: Sales, desk: SaleDesk, vault: Vault, token_key: bytes, clock: Clock
    ) -> None:
        self._sales = sales
        self._desk = desk
        self._vault = vault
        self._token_key = token_key
        self._clock = clock

    # --- apps ----------------------------------------------------------------------------------

    def set_app(
        self, tx: Connection, actor: Actor, offer_id: str, new: NewApp, *, turns_secret: bool
    ) -> AppWithSecret:
        """Say where buyers of an app land, and where its publisher is told of what happens.

        The secret of the webhook is made the first time, and anew with `turns_secret`.
        Raises NotFound, InvalidInput, Forbidden.
        """
        require(actor, Permission.SALES_WRITE)
        offer = self._desk.own_offer(tx, actor, offer_id)
        if offer.kind is not OfferKind.APP:
            raise InvalidInput("only an app has a landing page", hint="offer it as an app")
        if new.is_private_network and not is_platform_administrator(actor):
            raise Forbidden(
                "only an administrator of the platform may have a private network called",
                hint="name a public host",
            )
        for what, url in (("landing page", new.landing_url), ("webhook", new.webhook_url)):
            if len(url) > URL_MAX:
                raise InvalidInput(f"the {what} is longer than {URL_MAX} characters")
            parse_place(what, url, is_private_network=new.is_private_network)
        now = self._clock.now()
        former = repository.find_app(tx, offer.offer_id, locks=True)
        made: Secret | None = None
        values: dict[str, Any] = {
            "offer_id": offer.offer_id,
            "landing_url": new.landing_url.strip(),
            "webhook_url": new.webhook_url.strip(),
            "is_private_network": new.is_private_network,
            "updated_at": now,
        }
        if former is None or turns_secret:
            made = Secret(signed_posts.write_secret(secrets.token_bytes(signed_posts.SECRET_BYTES)))
            version = 1 if former is None else former.secret_version + 1
            place = secret_place(offer.offer_id, offer.organization_id, version)
            sealed = self._vault.seal(tx, made, place)
            values |= {
                "secret_version": version,
                "data_key_id": sealed.data_key_id,
                "sealed_secret": sealed.content,
            }
        if former is None:
            repository.put_app(tx, values | {"created_at": now}, kept=("created_at",))
        else:
            repository.change_app(tx, offer.offer_id, values)
        return AppWithSecret(self._app(tx, offer.offer_id), made)

    def get_app(self, tx: Connection, actor: Actor, offer_id: str) -> AppRow:
        """Raises NotFound, also for another organization's."""
        return self._app(tx, self._desk.own_offer(tx, actor, offer_id).offer_id)

    def _app(self, tx: Connection, offer_id: str) -> AppRow:
        row = repository.find_app(tx, offer_id)
        if row is None:
            raise NotFound(
                "the offer has no landing page yet", hint="say where its buyers are sent"
            )
        return repository.app_row(row)

    # --- for buyers ----------------------------------------------------------------------------

    def purchase_link(self, tx: Connection, actor: Actor, subscription_id: str) -> PurchaseLink:
        """Return where the buyer of an app sets it up. The link is good for a day."""
        require(actor, Permission.BILLING_WRITE)
        row = self._sales.get(tx, actor, subscription_id)
        app = self._app(tx, row.offer_id)
        expires_at = self._clock.now() + tokens.LIFETIME
        token = tokens.write_token(self._token_key, row.subscription_id, expires_at)
        return PurchaseLink(f"{app.landing_url}?token={quote(token, safe='')}", token, expires_at)

    def is_asked_first(self, tx: Connection, actor: Actor, subscription_id: str) -> bool:
        """Say whether the seller of a subscription is asked before it changes."""
        row = self._sales.get(tx, actor, subscription_id)
        return repository.find_app(tx, row.offer_id) is not None

    def ask_change(  # noqa: PLR0917  all of one change
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        subscription_id: str,
        plan_id: str | None,
        quantity: int | None,
        confirmation: Confirmation,
    ) -> OperationRow:
        """Ask an app's seller for another plan, another quantity, or both. It is made ten seconds
        after the seller was told, or as soon as it agrees, unless it refuses.

        Raises NotFound, NotConfirmed, OperationRunning, FulfilmentRefused.
        """
        require(actor, Permission.BILLING_WRITE)
        self._sales.get(tx, actor, subscription_id)
        if not confirmation.payer.strip():
            raise NotConfirmed("nobody said who pays", hint="confirm who pays, price and cap")
        sold = self._desk.find(tx, subscription_id, locks=True)
        assert sold is not None, "it was just read"
        plan = None
        if plan_id is not None and plan_id != sold.subscription.plan_id:
            plan = self._plan(tx, sold, plan_id, is_public=False)
        return self._begin(tx, sold, by, plan, quantity, Source.PLATFORM, confirmation)

    def operations_of(
        self, tx: Connection, actor: Actor, subscription_id: str
    ) -> list[OperationRow]:
        """Return what was asked of the seller of an own subscription, the newest first."""
        require(actor, Permission.BILLING_READ)
        row = self._sales.get(tx, actor, subscription_id)
        return repository.of_subscription(tx, row.subscription_id, _RUNNING_MAX)

    # --- for publishers ------------------------------------------------------------------------

    def resolve(self, tx: Connection, actor: Actor, token: str) -> Sold:
        """Return what a purchase token is for, as often as it is asked. Raises
        PurchaseTokenRefused, NotFound.
        """
        require(actor, Permission.SALES_WRITE)
        subscription_id = tokens.read_token(self._token_key, token, self._clock.now())
        return self._desk.get(tx, actor, subscription_id)

    def get(self, tx: Connection, actor: Actor, subscription: str) -> Sold:
        """Raises NotFound."""
        return self._desk.get(tx, actor, _subscription_id(subscription))

    def page(self, tx: Connection, actor: Actor, after: str) -> tuple[list[Sold], str]:
        """Return subscriptions to own offers, and after which the next page begins, if any."""
        rows = self._desk.page(tx, actor, after, PAGE + 1)
        more = rows[PAGE - 1].subscription.subscription_id if len(rows) > PAGE else ""
        return rows[:PAGE], more

    def plans(self, tx: Connection, actor: Actor, subscription: str) -> list[PlanRow]:
        sold = self.get(tx, actor, subscription)
        private = sold.subscription.plan_id
        return [
            plan
            for plan in self._desk.plans(tx, sold.offer.offer_id)
            if plan.is_public or plan.plan_id == private
        ]

    def activate(  # noqa: PLR0917  as the wire names them
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        subscription: str,
        plan: str,
        quantity: int | None,
    ) -> None:
        """Begin what was bought: from now on it is charged. Raises FulfilmentRefused, NotFound."""
        sold = self._desk.get(tx, actor, _subscription_id(subscription), locks=True)
        row = sold.subscription
        status = status_of(row.state)
        if status is AzureStatus.UNSUBSCRIBED:
            raise NotFound("the subscription is in Unsubscribed status")
        if plan not in {row.plan_name, row.plan_id}:
            raise FulfilmentRefused(f"the planId is not the one that was bought, {row.plan_name}")
        if quantity is not None and quantity != row.quantity:
            raise FulfilmentRefused(f"the quantity is not what was bought, {row.quantity}")
        if status is not AzureStatus.PENDING:
            raise FulfilmentRefused(f"the subscription is in {status.value} status")
        self._desk.activate(tx, actor, by, row.subscription_id)

    def change_sold(  # noqa: PLR0917  as the wire names them
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        subscription: str,
        plan: str | None,
        quantity: int | None,
    ) -> OperationRow:
        """Change a subscription from its seller's side. What would cost the buyer more the buyer
        has to ask for. Raises FulfilmentRefused, NotFound, OperationRunning.
        """
        require(actor, Permission.SALES_WRITE)
        if (plan is None) == (quantity is None):
            raise FulfilmentRefused("name either a planId or a quantity")
        sold = self._desk.get(tx, actor, _subscription_id(subscription), locks=True)
        row = sold.subscription
        wanted = None
        if plan is not None:
            if plan in {row.plan_name, row.plan_id}:
                raise FulfilmentRefused("that is the plan already")
            wanted = self._plan(tx, sold, plan, is_public=True)
        elif quantity == row.quantity:
            raise FulfilmentRefused("that is the quantity already")
        if _costs_more(sold, wanted, quantity):
            raise FulfilmentRefused(
                "this could cost the buyer more, so the buyer has to ask for it",
                hint="let the buyer change the subscription on the platform",
            )
        return self._begin(tx, sold, by, wanted, quantity, Source.PARTNER, _OWN_WORD)

    def cancel_sold(self, tx: Connection, actor: Actor, by: By, subscription: str) -> OperationRow:
        """End a subscription from its seller's side; the rest of the fee is given back."""
        require(actor, Permission.SALES_WRITE)
        subscription_id = _subscription_id(subscription)
        sold = self._desk.get(tx, actor, subscription_id, locks=True)
        if status_of(sold.subscription.state) is AzureStatus.UNSUBSCRIBED:
            raise NotFound("the subscription is in Unsubscribed status")
        self._desk.cancel(tx, actor, by, subscription_id)
        after = self._desk.get(tx, actor, subscription_id)
        row = after.subscription
        operation = self._operation(after, Action.UNSUBSCRIBE, by, Source.PARTNER, _OWN_WORD)
        ended = replace(operation, status=OperationStatus.SUCCEEDED, ended_at=operation.created_at)
        self._write(tx, ended, after, seq=row.revision)
        return ended

    def running(self, tx: Connection, actor: Actor, subscription: str) -> list[OperationRow]:
        """Return what waits for its seller's word."""
        sold = self.get(tx, actor, subscription)
        return repository.running(tx, sold.subscription.subscription_id, _RUNNING_MAX)

    def operation(
        self, tx: Connection, actor: Actor, subscription: str, operation: str
    ) -> OperationRow:
        """Raises NotFound."""
        sold = self.get(tx, actor, subscription)
        operation_id = id_of(OperationId, operation)
        found = (
            None
            if operation_id is None
            else repository.find(tx, operation_id, sold.subscription.subscription_id)
        )
        if found is None:
            raise NotFound(f"there is no operation {operation[:64]!r}")
        return found

    def decide(
        self,
        tx: Connection,
        actor: Actor,
        by: By,
        subscription: str,
        operation: str,
        *,
        agrees: bool,
    ) -> OperationRow:
        """Take the seller's word on an operation. The same word again changes nothing.

        Raises NotFound, OperationClosed (409) where it was decided otherwise, or in time by itself.
        """
        require(actor, Permission.SALES_WRITE)
        found = self.operation(tx, actor, subscription, operation)
        # The subscription first: everybody locks them in this order.
        self._desk.find(tx, found.subscription_id, locks=True)
        row = repository.find(tx, found.operation_id, locks=True)
        assert row is not None, "it was just read"
        if row.status is not OperationStatus.IN_PROGRESS:
            if (row.status is OperationStatus.SUCCEEDED) == agrees:
                return row
            raise OperationClosed(f"the operation is {row.status.value} already")
        if agrees:
            self._carry_out(tx, row)
        else:
            self._refuse(tx, row, by)
        done = repository.find(tx, row.operation_id)
        assert done is not None
        return done

    # --- for the worker ------------------------------------------------------------------------

    def tell(self, tx: Connection, moves: Sequence[MadeMove]) -> int:
        """Have publishers told of moves that were made; return how many. Each is told of once."""
        for move in moves:
            told = actions.told(move.move, move.former)
            sold = self._desk.find(tx, move.subscription_id)
            assert sold is not None, "subscriptions are never deleted"
            if told is not None:
                operation = self._operation(
                    sold, told.action, _PLATFORM, Source.PLATFORM, _OWN_WORD
                )
                is_open = told.status is OperationStatus.IN_PROGRESS
                row = replace(
                    operation,
                    status=told.status,
                    quantity=move.quantity,
                    created_at=move.at,
                    ended_at=None if is_open else self._clock.now(),
                )
                self._write(tx, row, sold, seq=move.seq)
            repository.raise_mark(tx, move.subscription_id, move.seq)
        return len(moves)

    def carry_out_due(self, tx: Connection) -> bool:
        """Make one change that nobody refused in time; tell whether there was one."""
        for subscription_id, operation_id in repository.due(tx, self._clock.now(), 1):
            self._desk.find(tx, subscription_id, locks=True)
            row = repository.find(tx, operation_id, locks=True)
            if row is not None and row.status is OperationStatus.IN_PROGRESS:
                self._carry_out(tx, row)
            return True
        return False

    # --- inside --------------------------------------------------------------------------------

    def _plan(self, tx: Connection, sold: Sold, wanted: str, *, is_public: bool) -> PlanRow:
        for plan in self._desk.plans(tx, sold.offer.offer_id):
            if wanted in {plan.name, plan.plan_id} and (plan.is_public or not is_public):
                return plan
        raise FulfilmentRefused(f"the offer has no plan {wanted[:64]!r} on sale")

    def _begin(  # noqa: PLR0917  all of one change
        self,
        tx: Connection,
        sold: Sold,
        by: By,
        plan: PlanRow | None,
        quantity: int | None,
        source: Source,
        confirmation: Confirmation,
    ) -> OperationRow:
        row = sold.subscription
        if plan is None and quantity in {None, row.quantity}:
            raise FulfilmentRefused("plan and quantity are what they are already")
        if status_of(row.state) is not AzureStatus.SUBSCRIBED or row.state == "past_due":
            raise FulfilmentRefused(f"a subscription that is {row.state} cannot be changed")
        if quantity is not None and not 1 <= quantity <= 100_000:
            raise FulfilmentRefused("a quantity is between 1 and 100,000")
        action = Action.CHANGE_QUANTITY if plan is None else Action.CHANGE_PLAN
        begun = self._operation(sold, action, by, source, confirmation)
        operation = replace(
            begun,
            plan_id=row.plan_id if plan is None else plan.plan_id,
            plan_name=row.plan_name if plan is None else plan.name,
            quantity=row.quantity if quantity is None else quantity,
            changes_plan=plan is not None,
            changes_quantity=quantity is not None and quantity != row.quantity,
        )
        if repository.find_app(tx, operation.offer_id) is None:
            raise FulfilmentRefused("the offer has no webhook", hint="set its landing page first")
        if not self._write(tx, operation, sold, seq=None):
            raise OperationRunning(
                "another change of the subscription waits for its publisher",
                hint="wait ten seconds, then look at it again",
            )
        return operation

    def _operation(
        self, sold: Sold, action: Action, by: By, source: Source, confirmation: Confirmation
    ) -> OperationRow:
        row = sold.subscription
        return OperationRow(
            operation_id=OperationId.new(),
            subscription_id=row.subscription_id,
            offer_id=row.offer_id,
            publisher_slug=row.publisher_slug,
            action=action,
            status=OperationStatus.IN_PROGRESS,
            source=source,
            plan_id=row.plan_id,
            plan_name=row.plan_name,
            quantity=row.quantity,
            changes_plan=False,
            changes_quantity=False,
            by_id=by.id,
            by_name=by.name,
            confirmation=confirmation,
            error="",
            created_at=self._clock.now(),
            decide_by=None,
            ended_at=None,
        )

    def _write(self, tx: Connection, row: OperationRow, sold: Sold, *, seq: int | None) -> bool:
        """Write an operation, and have its webhook called where there is one."""
        has_webhook = repository.find_app(tx, row.offer_id) is not None
        return repository.add(
            tx,
            {
                "id": row.operation_id,
                "subscription_id": row.subscription_id,
                "offer_id": row.offer_id,
                "publisher_slug": row.publisher_slug,
                "action": row.action.value,
                "status": row.status.value,
                "source": row.source.value,
                "plan_id": row.plan_id,
                "plan_name": row.plan_name,
                "quantity": row.quantity,
                "changes_plan": row.changes_plan,
                "changes_quantity": row.changes_quantity,
                "by_id": row.by_id,
                "by_name": row.by_name,
                "confirmation": msgspec.to_builtins(row.confirmation),
                "seq": seq,
                "error": row.error,
                "created_at": row.created_at,
                "decide_by": None,
                "ended_at": row.ended_at,
                "body": json.dumps(operation_body(row, sold), ensure_ascii=False).encode(),
                "attempts": 0,
                "next_try_at": self._clock.now() if has_webhook else None,
                "delivery_error": "",
            },
        )

    def _carry_out(self, tx: Connection, row: OperationRow) -> None:
        now = self._clock.now()
        values: dict[str, Any] = {"status": OperationStatus.SUCCEEDED.value, "ended_at": now}
        if row.action in _CHANGES:
            try:
                with tx.begin_nested():
                    after = self._desk.change(
                        tx,
                        row.subscription_id,
                        By(row.by_id, row.by_name),
                        row.plan_id if row.changes_plan else None,
                        row.quantity if row.changes_quantity else None,
                        row.confirmation,
                    )
            except (Conflict, NotFound, TermsChanged, AlreadySubscribed) as error:
                # It cannot be made any more: suspended meanwhile, or the plan was withdrawn.
                values = {
                    "status": OperationStatus.FAILED.value,
                    "ended_at": now,
                    "error": str(error)[:500],
                }
            else:
                values["seq"] = after.revision
        repository.change(tx, row.operation_id, values)

    def _refuse(self, tx: Connection, row: OperationRow, by: By) -> None:
        if row.action is Action.REINSTATE:
            # It goes on already; a seller that cannot serve it has it stopped again.
            self._desk.suspend(tx, row.subscription_id, "the seller cannot go on", by)
        repository.change(
            tx,
            row.operation_id,
            {
                "status": OperationStatus.FAILED.value,
                "ended_at": self._clock.now(),
                "error": "The publisher refused.",
                "next_try_at": None,
            },
        )


def secret_place(offer_id: str, organization_id: str, version: int) -> Place:
    """Return where the secret of an app's webhook opens, and nowhere else."""
    return Place("fulfilment_app", offer_id, organization_id, version)


def _subscription_id(text: str) -> SubscriptionId:
    found = id_of(SubscriptionId, text)
    if found is None:
        raise NotFound(f"there is no subscription {text[:64]!r}", hint="list subscriptions")
    return found


def _costs_more(sold: Sold, plan: PlanRow | None, quantity: int | None) -> bool:
    """Say whether the buyer could pay more: a higher fee, or usage that is charged otherwise."""
    row = sold.subscription
    terms = row.terms if plan is None else plan.terms
    seats = row.quantity if quantity is None else quantity
    if plan is not None and (
        terms.charges != row.terms.charges
        or (terms.currency, terms.term) != (row.terms.currency, row.terms.term)
    ):
        return True
    return (
        terms.fee_nanos * seats > row.terms.fee_nanos * row.quantity
        or terms.minimum_nanos * seats > row.terms.minimum_nanos * row.quantity
        or (seats < row.quantity and any(charge.included for charge in row.terms.charges))
    )
