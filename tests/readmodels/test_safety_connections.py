"""A policy's connection is opened for the gateway, and only there."""

from tradewind.core.ids import ConnectionId
from tradewind.db.sealing import Secret
from tradewind.features.providers.schemas import OpenConnection
from tradewind.readmodels.safety_connections import with_connections
from tradewind.snapshot.safety import CheckUse, Direction, Policy

PROMPT = frozenset({Direction.PROMPT})


def a_policy(**options):
    return Policy(
        "policy_a", 1, "", (), (CheckUse("azure_content_safety", PROMPT, 500, False, options),)
    )


def test_the_named_connection_is_opened():
    opened = OpenConnection(
        id=ConnectionId("pcon_1"),
        host="Safety",
        provider="azure_content_safety",
        address="https://safety.example:443",
        base_path="/here",
        options={},
        region="",
        zone="",
        retains_data=False,
        trains_on_data=False,
        credential=Secret("key"),
    )
    [policy] = with_connections([a_policy(connection="pcon_1")], lambda: {"pcon_1": opened})
    assert policy.checks[0].options == {
        "connection": "pcon_1",
        "address": "https://safety.example:443",
        "base_path": "/here",
        "credential": "key",
    }


def test_a_closed_connection_leaves_no_address_that_somebody_wrote_in_its_place():
    written = a_policy(connection="pcon_1", address="http://127.0.0.1:1", credential="x")
    [policy] = with_connections([written], dict)
    assert policy.checks[0].options == {"connection": "pcon_1"}


def test_an_address_without_a_connection_is_taken_out():
    [policy] = with_connections([a_policy(address="127.0.0.1:1")], dict)
    assert policy.checks[0].options == {}


def test_policies_that_ask_nobody_open_nothing():
    def never():
        raise AssertionError("nothing is to be opened")

    policy = a_policy(language="en")
    assert list(with_connections([policy], never)) == [policy]
