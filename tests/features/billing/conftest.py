import pytest

from tests.features.billing.billing_parts import World


@pytest.fixture
def world(database):
    return World.begin(database)
