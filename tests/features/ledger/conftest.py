import pytest

from tests.features.ledger.ledger_parts import TurnedClock
from tradewind.features.ledger.service import Ledger


@pytest.fixture
def clock():
    return TurnedClock()


@pytest.fixture
def ledger(clock):
    return Ledger(clock)
