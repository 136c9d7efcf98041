"""Snapshots of both kinds of hosts have the platform's default policy from the first one on."""

import secrets

import pytest

from tradewind.core.data_folder import DataFolder
from tradewind.db.sealing import HeldKeys
from tradewind.features.safety.schemas import DEFAULT_POLICY
from tradewind.serve.publishing import build_publisher, publisher_without_engines
from tradewind.serve.services import build_services
from tradewind.snapshot import file

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize("build", [build_publisher, publisher_without_engines])
def test_the_default_policy_holds_in_the_first_snapshot(database, tmp_path, build):
    services = build_services(secrets.token_bytes(32), HeldKeys([secrets.token_bytes(32)]))
    with database.transaction() as tx:
        first = services.accounts.first_run(tx)
    assert first is not None
    folder = DataFolder(tmp_path)
    publisher = build(database, folder, services)
    publisher.publish()
    publisher.close()
    found = file.read(folder.snapshot)
    assert [policy.id for policy in found.policies] == [DEFAULT_POLICY]
    held = {terms.id: terms.policies for terms in found.terms}
    assert held[first.organization_id] == (DEFAULT_POLICY,)
