"""Books over a real database."""

import pytest
from receipt_parts import PRICE, Books, add_price


@pytest.fixture
def books(database):
    with database.transaction() as tx:
        add_price(tx, PRICE)
    return Books(database)
