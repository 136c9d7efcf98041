"""`tradewind offers`, `plans` and `subscriptions`: on a platform's database, whether the platform
runs or rests. What is returned is what the control API answers.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import msgspec
from pydantic import BaseModel
from sqlalchemy import Connection

from tradewind.control.sales_answers import (
    ChangePreviewAnswer,
    PayerAnswer,
    PlanAnswer,
    SaleOfferAnswer,
    SubscriptionAnswer,
    SubscriptionEventAnswer,
)
from tradewind.core.acting import By
from tradewind.core.clock import SystemClock
from tradewind.core.errors import Forbidden, InvalidInput
from tradewind.core.ids import OrganizationId
from tradewind.core.pricing.charges import PlanTerms, check_terms
from tradewind.core.settings import Settings
from tradewind.db.database import Timeouts
from tradewind.features.catalog.service import Catalog
from tradewind.features.sales.offers import SaleOffers
from tradewind.features.sales.payers import Payers
from tradewind.features.sales.schemas import Confirmation, Licensing, NewOffer, OfferKind
from tradewind.features.sales.service import Sales
from tradewind.features.trust.schemas import Release, SubjectKind
from tradewind.readmodels.first_organization import first_organization
from tradewind.serve.operating import AT_THE_COMMAND, Operator
from tradewind.serve.resting_platform import any_database
from tradewind.serve.selling import build_sale_offers, selling_terms
from tradewind.serve.trust import build_trust, gate_of

Told = dict[str, Any]
_BY = By("command", AT_THE_COMMAND)
_FILE_MAX_BYTES = 1_000_000
_PPM_OF_A_PERCENT = 10_000
_STATEMENT_S = 60.0


class Desk(NamedTuple):
    """Who acts for an organization, and with what."""

    tx: Connection
    actor: Operator
    sales: Sales
    offers: SaleOffers
    payers: Payers


@contextmanager
def desk(settings: Settings, organization_id: str | None) -> Generator[Desk]:
    """Yield a desk of an organization, of the platform's own where none is named; what is done at
    it is committed at the end.
    """
    clock, selling = SystemClock(), selling_terms(settings)
    patient = Timeouts(statement_s=_STATEMENT_S, answer_s=None)
    with (
        any_database(settings, "tradewind-sales", timeouts=patient) as database,
        database.transaction() as tx,
    ):
        owner = (
            first_organization(tx)
            if organization_id is None
            else OrganizationId.parse(organization_id)
        )
        yield Desk(
            tx,
            Operator(owner),
            Sales(clock, policy=selling.policy, platform_fee_ppm=selling.fee_ppm),
            build_sale_offers(
                Catalog(clock),
                clock,
                _SignsNothing(),
                gate_of(build_trust(clock), SubjectKind.OFFER, Release.LISTING),
            ),
            Payers(clock),
        )


# --- offers ------------------------------------------------------------------------------------


def list_offers(at: Desk) -> list[Told]:
    return [
        _told(SaleOfferAnswer.of(row, at.offers.plans(at.tx, at.actor, row.offer_id)))
        for row in at.offers.list_own(at.tx, at.actor)
    ]


def draft_offer(
    at: Desk, publisher: str, name: str, model: str, licensing: str, *, is_open: bool
) -> Told:
    """Draft the offer of a model, or of an app where none is named."""
    if licensing not in {each.value for each in Licensing}:
        raise InvalidInput("licensing is platform, own_licence or direct")
    kind = OfferKind.MODEL if model else OfferKind.APP
    new = NewOffer(
        publisher,
        kind,
        name,
        model=model,
        licensing=Licensing(licensing),
        is_subscription_only=not is_open,
    )
    return _told(SaleOfferAnswer.of(at.offers.create(at.tx, at.actor, _BY, new), []))


def set_offer_state(at: Desk, offer_id: str, *, is_live: bool) -> Told:
    act = at.offers.publish if is_live else at.offers.withdraw
    row = act(at.tx, at.actor, offer_id)
    return _told(SaleOfferAnswer.of(row, at.offers.plans(at.tx, at.actor, offer_id)))


def set_fee(at: Desk, offer_id: str, percent: Decimal | None) -> Told:
    ppm = None if percent is None else int(percent * _PPM_OF_A_PERCENT)
    return _told(SaleOfferAnswer.of(at.offers.set_fee(at.tx, at.actor, offer_id, ppm), []))


# --- plans -------------------------------------------------------------------------------------


def list_plans(at: Desk, offer_id: str) -> list[Told]:
    return [_told(PlanAnswer.of(row)) for row in at.offers.plans(at.tx, at.actor, offer_id)]


def add_plan(at: Desk, offer_id: str, name: str, file: Path, text: str, *, is_public: bool) -> Told:
    terms = read_terms(file)
    row = at.offers.put_plan(
        at.tx, at.actor, _BY, offer_id, name, terms, text=text, is_public=is_public
    )
    return _told(PlanAnswer.of(row))


def read_terms(file: Path) -> PlanTerms:
    """Read the terms of a plan from JSON. Raises InvalidInput, TermsRefused."""
    try:
        with file.open("rb") as opened:
            data = opened.read(_FILE_MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}") from error
    if len(data) > _FILE_MAX_BYTES:
        raise InvalidInput(f"{file} is longer than {_FILE_MAX_BYTES:,} bytes")
    try:
        terms = msgspec.json.decode(data, type=PlanTerms)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file}: {error}") from error
    check_terms(terms)
    return terms


# --- subscriptions -----------------------------------------------------------------------------


def list_subscriptions(at: Desk, offer_id: str | None) -> list[Told]:
    """Return those that the organization has, or those of an offer that it sells."""
    if offer_id is None:
        rows = at.sales.list_own(at.tx, at.actor)
    else:
        rows = at.sales.list_sold(at.tx, at.actor, offer_id)
    return [_told(SubscriptionAnswer.of(row)) for row in rows]


def show_subscription(at: Desk, subscription_id: str) -> Told:
    row = at.sales.get(at.tx, at.actor, subscription_id)
    events = at.sales.events(at.tx, at.actor, subscription_id)
    return {
        **_told(SubscriptionAnswer.of(row)),
        "events": [_told(SubscriptionEventAnswer.of(event)) for event in events],
    }


def subscribe(at: Desk, plan_id: str, payer: str, quantity: int) -> Told:
    """Subscribe at the price of now; whoever runs the command says who pays."""
    quote = at.sales.quote(at.tx, at.actor, plan_id)
    price = msgspec.json.encode(quote.terms).decode()
    said = Confirmation(payer, price, "no cap was shown")
    row = at.sales.subscribe(at.tx, at.actor, _BY, plan_id, said, quantity=quantity)
    return _told(SubscriptionAnswer.of(row))


def change(
    at: Desk,
    subscription_id: str,
    plan_id: str | None,
    quantity: int | None,
    payer: str | None,
) -> Told:
    """Change plan or quantity; only say what that would charge where nobody is said to pay."""
    preview = at.sales.preview_change(
        at.tx, at.actor, subscription_id, plan_id=plan_id, quantity=quantity
    )
    if payer is None:
        return _told(ChangePreviewAnswer.of(preview))
    price = msgspec.json.encode(preview.terms).decode()
    row = at.sales.change_plan(
        at.tx,
        at.actor,
        _BY,
        subscription_id,
        plan_id=plan_id,
        quantity=quantity,
        confirmation=Confirmation(payer, price, "no cap was shown"),
    )
    return _told(SubscriptionAnswer.of(row))


def move(at: Desk, subscription_id: str, how: str) -> Told:
    """Make a move of the buyer's: pause, resume, renew, cancel or cancel-now."""
    match how:
        case "pause":
            row = at.sales.pause(at.tx, at.actor, _BY, subscription_id)
        case "resume":
            row = at.sales.resume(at.tx, at.actor, _BY, subscription_id)
        case "renew":
            row = at.sales.renew(at.tx, at.actor, _BY, subscription_id)
        case _:
            is_now = how == "cancel-now"
            row = at.sales.cancel(at.tx, at.actor, _BY, subscription_id, is_now=is_now)
    return _told(SubscriptionAnswer.of(row))


def confirm_payer(at: Desk, payer: str) -> Told:
    said = Confirmation(payer, "the list price of each call", "no cap was shown")
    return _told(PayerAnswer.of(at.payers.confirm(at.tx, at.actor, _BY, said)))


class _SignsNothing:
    """Stands for the platform's key where nothing is accepted."""

    def sign(self, manifest: bytes) -> NoReturn:
        del manifest
        raise Forbidden("a private offer is accepted in the portal, or by the API")


def _told(answer: BaseModel) -> Told:
    told: Mapping[str, Any] = answer.model_dump(mode="json")
    return dict(told)
