import pytest

from tests.features.payments.card_parts import CardWorld, Told, build_cards
from tests.features.payments.payments_parts import PaidWorld
from tradewind.features.billing.schemas import Mode
from tradewind.testing.fake_stripe import fake_stripe


@pytest.fixture
def paid(database):
    return PaidWorld.begin(database)


@pytest.fixture
def stripe():
    with fake_stripe() as fake:
        yield fake


@pytest.fixture
def world(paid, stripe):
    acme, dunning = paid.world.add_buyer(mode=Mode.PREPAID), Told()
    return CardWorld(paid, acme, stripe, build_cards(paid, stripe.address, dunning), dunning)
