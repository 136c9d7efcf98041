"""Whom to connect to: looked up once, checked whole."""

import pytest

from tradewind.core.checked_hosts import (
    MOST_TRIED,
    NoAddress,
    NotPublic,
    checked,
    checked_addresses,
)
from tradewind.testing.fake_network import FakeResolver


async def test_a_name_is_looked_up_once_and_its_addresses_are_tried_in_order():
    resolver = FakeResolver({"models.example": [["8.8.8.8", "8.8.4.4", "8.8.8.8"], ["127.0.0.1"]]})
    found = await checked_addresses(resolver, "models.example", 443, must_be_public=True)
    assert found == ["8.8.8.8", "8.8.4.4"]
    assert resolver.questions == [("models.example", 443)]


async def test_one_address_nearby_spoils_the_name():
    resolver = FakeResolver({"models.example": [["8.8.8.8", "169.254.169.254"]]})
    with pytest.raises(NotPublic):
        await checked_addresses(resolver, "models.example", 443, must_be_public=True)


async def test_an_address_is_checked_and_not_looked_up():
    resolver = FakeResolver({})
    with pytest.raises(NotPublic):
        await checked_addresses(resolver, "10.0.0.1", 80, must_be_public=True)
    assert await checked_addresses(resolver, "10.0.0.1", 80, must_be_public=False) == ["10.0.0.1"]
    assert resolver.questions == []


async def test_a_name_without_an_address_is_told_from_one_that_is_not_known():
    resolver = FakeResolver({"empty.example": [[]]})
    with pytest.raises(NoAddress):
        await checked_addresses(resolver, "empty.example", 80, must_be_public=True)
    with pytest.raises(OSError, match="not a name"):
        await checked_addresses(resolver, "unknown.example", 80, must_be_public=True)


def test_all_are_checked_and_few_are_tried():
    public = [f"8.8.8.{last}" for last in range(20)]
    assert checked(public) == public[:MOST_TRIED]
    with pytest.raises(NotPublic):
        checked([*public, "127.0.0.1"])
