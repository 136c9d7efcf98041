import pytest

from tests.features.payouts.payouts_parts import PayingWorld


@pytest.fixture
def paying(database):
    return PayingWorld.begin(database)
