import pytest

from tests.features.payments.payments_parts import PaidWorld


@pytest.fixture
def paid(database):
    return PaidWorld.begin(database)
