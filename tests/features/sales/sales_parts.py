"""What tests of sales share: a publisher with a model, offers and a buyer, on a turned clock."""

from datetime import UTC, datetime

from sqlalchemy import insert

from tradewind.core.acting import By
from tradewind.core.ids import ModelId
from tradewind.core.pricing.charges import PlanTerms
from tradewind.features.catalog.tables import model, publisher
from tradewind.features.sales.schemas import Confirmation, NewOffer, OfferKind

NOW = datetime(2030, 1, 1, tzinfo=UTC)
FEE = 31_000_000_000
TERMS = PlanTerms("USD", fee_nanos=FEE)
ANN = By("user_ann", "Ann")
SAID = Confirmation("Some", "31 USD a month", "no cap")


def add_publisher(tx, organization_id, slug="acme", model_slug="small"):
    """Make an organization a publisher with one model; return the model's id."""
    tx.execute(
        insert(publisher).values(
            slug=slug,
            name=slug.capitalize(),
            organization_id=organization_id,
            verified_at=NOW,
            created_at=NOW,
        )
    )
    model_id = ModelId.new()
    tx.execute(
        insert(model).values(
            id=model_id,
            publisher_slug=slug,
            slug=model_slug,
            display_name=model_slug.capitalize(),
            description="",
            licence="",
            created_at=NOW,
        )
    )
    return model_id


def sell(tx, offers, seller, terms=TERMS, **more):
    """Put a model up for sale with one plan; return the offer and the plan."""
    new = NewOffer("acme", OfferKind.MODEL, "Small for all", model="acme/small", **more)
    offer = offers.create(tx, seller, ANN, new)
    plan = offers.put_plan(tx, seller, ANN, offer.offer_id, "Basic", terms)
    return offers.publish(tx, seller, offer.offer_id), plan
