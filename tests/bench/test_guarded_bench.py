"""What the bench measures is the policy that the platform comes with."""

import pytest

from bench.guarded import DEFAULT_POLICY
from tradewind.features.safety.schemas import DEFAULT_POLICY as DEFAULT_ID
from tradewind.readmodels.safety import compile_policies

pytestmark = pytest.mark.postgres


def test_the_benchs_policy_is_the_default_one(database):
    with database.transaction() as tx:
        [shipped] = [each for each in compile_policies(tx) if each.id == DEFAULT_ID]
    assert set(shipped.rules) == set(DEFAULT_POLICY.rules)
    assert shipped.streaming == DEFAULT_POLICY.streaming
    assert {(use.name, use.directions, use.deadline_ms) for use in shipped.checks} == {
        (use.name, use.directions, use.deadline_ms) for use in DEFAULT_POLICY.checks
    }
