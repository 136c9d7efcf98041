"""What the gateways are told of safety policies, compiled from a real database."""

from datetime import UTC, datetime

import pytest
from catalog_parts import CatalogWorld
from sqlalchemy import insert, select

from tradewind.features.accounts.tables import organization, project
from tradewind.features.endpoints.tables import endpoint
from tradewind.features.safety.schemas import DEFAULT_POLICY, FLOOR_POLICY
from tradewind.features.safety.tables import safety_binding
from tradewind.readmodels.safety import compile_policies, with_endpoint_policies, with_policies
from tradewind.snapshot.contents import Terms
from tradewind.snapshot.safety import Action, Direction

pytestmark = pytest.mark.postgres

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def tx(database):
    with database.transaction() as tx:
        for org in ("org_a", "org_b"):
            tx.execute(insert(organization).values(id=org, name=org, created_at=NOW))
        tx.execute(
            insert(project).values(
                id="proj_a", organization_id="org_a", name="proj_a", created_at=NOW
            )
        )
        yield tx


def bind(tx, policy_id, kind, subject_id, organization_id: str | None = "org_a"):
    tx.execute(
        insert(safety_binding).values(
            policy_id=policy_id,
            kind=kind,
            subject_id=subject_id,
            organization_id=organization_id,
            bound_at=NOW,
            bound_by="Ada",
        )
    )


def test_the_default_policy_is_in_the_first_snapshot_and_an_empty_floor_is_not(tx):
    (default,) = compile_policies(tx)
    assert (default.id, default.version, default.name) == (DEFAULT_POLICY, 1, "Default")
    blocked = {(rule.category, rule.direction) for rule in default.rules}
    assert blocked == {
        (category, direction)
        for category in ("hate", "self_harm", "sexual", "violence")
        for direction in (Direction.PROMPT, Direction.COMPLETION)
    } | {("jailbreak", Direction.PROMPT), ("indirect_attack", Direction.DOCUMENT)}
    assert {(rule.threshold, rule.action) for rule in default.rules} == {(6, Action.BLOCK)}
    assert [check.name for check in default.checks] == [
        "harms",
        "prompt_shield",
        "pii",
        "secrets",
        "profanity",
    ]
    assert not any(check.fails_open for check in default.checks)


def test_an_organization_without_a_policy_of_its_own_has_the_default(tx):
    said = Terms("org_a", response_days=3)
    assert list(with_policies(tx, None, [said])) == [
        Terms("org_a", response_days=3, policies=(DEFAULT_POLICY,)),
        Terms("org_b", policies=(DEFAULT_POLICY,)),
    ]
    assert list(with_policies(tx, ["org_b", "proj_a"], [])) == [
        Terms("org_b", policies=(DEFAULT_POLICY,))
    ]


def test_a_project_has_what_is_bound_to_it_beside_that_of_its_organization(tx):
    bind(tx, FLOOR_POLICY, "project", "proj_a")
    assert list(with_policies(tx, ["org_a", "proj_a"], [])) == [
        Terms("org_a", policies=(DEFAULT_POLICY,)),
        Terms("proj_a", policies=(FLOOR_POLICY,)),
    ]


def test_a_policy_of_a_deployment_reaches_the_endpoints_that_call_it(database):
    world = CatalogWorld(database)
    deployment = world.add_served("one")
    world.add_served("other")
    endpoints = world.compiled()
    with database.transaction() as tx:
        (own,) = (
            tx.execute(select(endpoint.c.id).where(endpoint.c.name == "tw/other")).scalars().all()
        )
        bind(tx, FLOOR_POLICY, "deployment", deployment, None)
        bind(tx, DEFAULT_POLICY, "endpoint", own, None)
        bind(tx, FLOOR_POLICY, "endpoint", own, None)
        bind(tx, DEFAULT_POLICY, "deployment", "dep_gone", None)
        held = {each.name: each.policies for each in with_endpoint_policies(tx, endpoints)}
    assert held == {
        "tw/one": (FLOOR_POLICY,),
        "tw/other": (DEFAULT_POLICY, FLOOR_POLICY),
    }
