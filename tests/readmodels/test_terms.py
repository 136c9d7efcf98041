"""What the gateways are told of terms and budgets, compiled from a real database."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert

from tradewind.features.accounts.tables import api_key, organization, project
from tradewind.features.budgets.tables import budget, model_limit, terms
from tradewind.readmodels.terms import compile_budgets, compile_terms, with_key_budgets
from tradewind.snapshot.contents import Budget, Conditions, Grant, Limits, Terms

pytestmark = pytest.mark.postgres

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def terms_row(subject, organization_id, project_id=None, **changes):
    return {
        "subject_id": subject,
        "organization_id": organization_id,
        "project_id": project_id,
        "regions": [],
        "zones": [],
        "no_retention": False,
        "no_training": False,
        "cache_ttl_s": 0,
        "response_days": 30,
        "content_days": 0,
        "revision": 1,
        "updated_at": NOW,
    } | changes


def budget_row(budget_id, organization_id, **changes):
    return {
        "id": budget_id,
        "organization_id": organization_id,
        "name": f"Name of {budget_id}",
        "currency": "USD",
        "amount_nanos": 1,
        "period": "month",
        "is_hard": True,
        "alert_percents": [],
        "revision": 1,
        "created_at": NOW,
        "updated_at": NOW,
    } | changes


@pytest.fixture
def tx(database):
    with database.transaction() as tx:
        for org in ("org_a", "org_b"):
            tx.execute(insert(organization).values(id=org, name=org, created_at=NOW))
        for org, each in (("org_a", "proj_a"), ("org_a", "proj_b"), ("org_b", "proj_c")):
            tx.execute(
                insert(project).values(id=each, organization_id=org, name=each, created_at=NOW)
            )
        for key in ("key_1", "key_2"):
            tx.execute(
                insert(api_key).values(
                    id=key,
                    organization_id="org_a",
                    project_id="proj_a",
                    name=key,
                    digest=bytes(32),
                    created_at=NOW,
                    purpose="client",
                )
            )
        yield tx


def test_nothing_said_is_nothing_told(tx):
    assert list(compile_terms(tx, None)) == []
    assert list(compile_terms(tx, ["org_a", "proj_a"])) == []
    assert list(compile_budgets(tx)) == []


def test_terms_come_with_their_limits_models_conditions_and_budgets(tx):
    tx.execute(
        insert(terms).values(
            terms_row(
                "org_a",
                "org_a",
                requests_per_minute=60,
                concurrent_requests=0,
                regions=["eu"],
                no_training=True,
                cache_ttl_s=5,
                response_days=0,
                content_days=2,
            )
        )
    )
    tx.execute(insert(model_limit).values(subject_id="org_a", model="b/x", tokens_per_minute=7))
    tx.execute(insert(model_limit).values(subject_id="org_a", model="a/x", tokens_per_minute=8))
    tx.execute(insert(budget).values(budget_row("bud_1", "org_a")))
    expected = Terms(
        id="org_a",
        limits=Limits(60, None, 0),
        model_limits=(("a/x", Limits(None, 8)), ("b/x", Limits(None, 7))),
        budgets=("bud_1",),
        conditions=Conditions(regions=frozenset({"eu"}), no_training=True),
        cache_ttl_s=5,
        response_days=0,
        content_days=2,
    )
    assert list(compile_terms(tx, None)) == [expected]
    assert list(compile_terms(tx, ["org_a", "proj_a", "org_b"])) == [expected]


def test_who_only_has_a_budget_has_terms_that_name_it(tx):
    tx.execute(insert(budget).values(budget_row("bud_1", "org_a", project_id="proj_a")))
    tx.execute(insert(budget).values(budget_row("bud_2", "org_a", project_id="proj_a")))
    tx.execute(insert(budget).values(budget_row("bud_3", "org_b")))
    tx.execute(
        insert(budget).values(budget_row("bud_4", "org_a", project_id="proj_a", key_id="key_1"))
    )
    assert list(compile_terms(tx, None)) == [
        Terms("org_b", budgets=("bud_3",)),
        Terms("proj_a", budgets=("bud_1", "bud_2")),
    ]
    assert list(compile_terms(tx, ["proj_b", "proj_a"])) == [
        Terms("proj_a", budgets=("bud_1", "bud_2"))
    ]


def test_budgets_come_whole_and_soft_ones_are_told_as_such(tx):
    tx.execute(insert(budget).values(budget_row("bud_2", "org_a", is_hard=False, currency="EUR")))
    tx.execute(insert(budget).values(budget_row("bud_1", "org_b")))
    assert list(compile_budgets(tx)) == [
        Budget("bud_1", "Name of bud_1", "USD"),
        Budget("bud_2", "Name of bud_2", "EUR", is_hard=False),
    ]


def test_keys_name_the_budgets_that_are_theirs_alone(tx):
    grants = [Grant(key, b"", "org_a", "proj_a") for key in ("key_1", "key_2")]
    assert list(with_key_budgets(tx, grants)) == grants
    for each in ("bud_1", "bud_2"):
        tx.execute(
            insert(budget).values(budget_row(each, "org_a", project_id="proj_a", key_id="key_2"))
        )
    tx.execute(insert(budget).values(budget_row("bud_3", "org_a", project_id="proj_a")))
    found = list(with_key_budgets(tx, grants))
    assert [grant.budgets for grant in found] == [(), ("bud_1", "bud_2")]
    assert found[0] is grants[0]
