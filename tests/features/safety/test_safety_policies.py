"""Policies of organizations: versions, who may change them, what they hold for."""

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DatabaseError

from tradewind.core.errors import Conflict, Forbidden, NotFound, PreconditionFailed
from tradewind.core.permissions import Role
from tradewind.db.change_feed import read_feed
from tradewind.features.accounts.tables import project
from tradewind.features.safety.errors import PolicyRefused, SafetyInUse
from tradewind.features.safety.policy_files import read_policy_file
from tradewind.features.safety.rules.content import parse_content
from tradewind.features.safety.schemas import (
    DEFAULT_POLICY,
    FLOOR_POLICY,
    PolicyContent,
    SubjectKind,
)
from tradewind.readmodels.safety import compile_policies, with_policies

pytestmark = pytest.mark.postgres

PII = parse_content(
    {
        "rules": [
            {"category": "pii", "direction": "prompt", "threshold": "low", "action": "redact"}
        ],
        "checks": [{"name": "pii", "directions": ["prompt"]}],
    }
)
BY = "Ada"


@pytest.fixture
def tx(database):
    with database.transaction() as tx:
        yield tx


def test_each_change_is_another_version_that_says_who_made_it_and_why(tx, safety, person):
    ada = person()
    row = safety.policies.add_policy(tx, ada, "  Support  desk ", PII, by=BY, why="GDPR")
    assert (row.name, row.version, row.why, row.changed_by) == ("Support desk", 1, "GDPR", BY)
    changed = safety.policies.change_policy(
        tx, ada, row.policy_id, PolicyContent(), by="Bob", why="too strict", version=1
    )
    assert (changed.version, changed.content.is_empty) == (2, True)
    versions = safety.policies.list_versions(tx, ada, row.policy_id)
    assert [(each.version, each.changed_by, each.why) for each in versions] == [
        (2, "Bob", "too strict"),
        (1, BY, "GDPR"),
    ]
    assert safety.policies.get_version(tx, ada, row.policy_id, 1).content == PII
    with pytest.raises(PreconditionFailed):
        safety.policies.change_policy(tx, ada, row.policy_id, PII, by=BY, version=1)
    with pytest.raises(NotFound):
        safety.policies.get_version(tx, ada, row.policy_id, 3)


def test_what_changes_nothing_is_no_version(tx, safety, person):
    ada = person()
    row = safety.policies.add_policy(tx, ada, "P", PII, by=BY)
    assert safety.policies.change_policy(tx, ada, row.policy_id, PII, by=BY).version == 1


def test_a_version_cannot_be_changed_in_the_database(database, safety, person):
    ada = person()
    with database.transaction() as tx:
        safety.policies.add_policy(tx, ada, "P", PII, by=BY)
    with pytest.raises(DatabaseError), database.transaction() as tx:
        tx.execute(text("UPDATE safety_policy_version SET why = 'x'"))


def test_other_organizations_neither_see_nor_change_a_policy(tx, safety, person):
    ada, eve = person(), person(is_operator=False)
    row = safety.policies.add_policy(tx, ada, "P", PII, by=BY)
    with pytest.raises(NotFound):
        safety.policies.get_policy(tx, eve, row.policy_id)
    with pytest.raises(NotFound):
        safety.policies.change_policy(tx, eve, row.policy_id, PII, by=BY)
    assert [each.policy_id for each in safety.policies.list_policies(tx, eve)] == [
        DEFAULT_POLICY,
        FLOOR_POLICY,
    ]


def test_developers_look_and_do_not_change(tx, safety, person):
    dev = person(Role.DEVELOPER)
    safety.policies.list_policies(tx, dev)
    with pytest.raises(Forbidden):
        safety.policies.add_policy(tx, dev, "P", PII, by=BY)
    with pytest.raises(Forbidden):
        safety.bindings.bind(
            tx, dev, DEFAULT_POLICY, SubjectKind.ORGANIZATION, dev.organization_id, by=BY
        )


def test_a_name_is_taken_once(tx, safety, person):
    ada = person()
    row = safety.policies.add_policy(tx, ada, "P", PII, by=BY)
    with pytest.raises(Conflict):
        safety.policies.add_policy(tx, ada, "P", PII, by=BY)
    safety.policies.delete_policy(tx, ada, row.policy_id)
    assert safety.policies.add_policy(tx, ada, "P", PII, by=BY).version == 1


def test_what_is_bound_takes_the_place_of_the_default_and_cannot_be_deleted(tx, safety, person):
    ada = person()
    owner = ada.organization_id
    row = safety.policies.add_policy(tx, ada, "P", PII, by=BY)
    bound = safety.bindings.bind(tx, ada, row.policy_id, SubjectKind.ORGANIZATION, owner, by=BY)
    assert (bound.name, bound.bound_by) == ("Some", BY)
    again = safety.bindings.bind(tx, ada, row.policy_id, SubjectKind.ORGANIZATION, owner, by=BY)
    assert again == bound
    (terms,) = with_policies(tx, [owner], [])
    assert terms.policies == (row.policy_id,)
    assert {policy.id for policy in compile_policies(tx)} == {DEFAULT_POLICY, row.policy_id}
    assert [each.policy_id for each in safety.bindings.effective(tx, ada)] == [row.policy_id]
    with pytest.raises(SafetyInUse, match="organization"):
        safety.policies.delete_policy(tx, ada, row.policy_id)
    safety.bindings.unbind(tx, ada, row.policy_id, SubjectKind.ORGANIZATION, owner, by=BY)
    (terms,) = with_policies(tx, [owner], [])
    assert terms.policies == (DEFAULT_POLICY,)
    safety.policies.delete_policy(tx, ada, row.policy_id)
    with pytest.raises(NotFound):
        safety.policies.get_policy(tx, ada, row.policy_id)


def test_gateways_are_told_of_every_change(database, safety, person):
    ada = person()
    with database.transaction() as tx:
        row = safety.policies.add_policy(tx, ada, "P", PII, by=BY)
        position = read_feed(tx, None).position
    with database.transaction() as tx:
        safety.bindings.bind(
            tx, ada, row.policy_id, SubjectKind.ORGANIZATION, ada.organization_id, by=BY
        )
    with database.transaction() as tx:
        feed = read_feed(tx, position)
    assert feed.policies
    assert feed.terms == {ada.organization_id}
    with database.transaction() as tx:
        safety.policies.change_policy(tx, ada, row.policy_id, PolicyContent(), by=BY)
    with database.transaction() as tx:
        assert read_feed(tx, feed.position).policies


def test_nothing_of_another_organization_is_bound(tx, safety, person):
    ada, eve = person(), person(is_operator=False)
    row = safety.policies.add_policy(tx, eve, "P", PII, by=BY)
    tx.execute(
        insert(project).values(
            id=ada.project_id,
            organization_id=ada.organization_id,
            name="Hers",
            created_at=row.created_at,
        )
    )
    for kind, subject_id in (
        (SubjectKind.ORGANIZATION, ada.organization_id),
        (SubjectKind.PROJECT, ada.project_id),
        (SubjectKind.ENDPOINT, "ep_none"),
        (SubjectKind.DEPLOYMENT, "dep_\0"),
    ):
        with pytest.raises(NotFound):
            safety.bindings.bind(tx, eve, row.policy_id, kind, subject_id, by=BY)
    own = safety.policies.add_policy(tx, ada, "P", PII, by=BY)
    bound = safety.bindings.bind(tx, ada, own.policy_id, SubjectKind.PROJECT, ada.project_id, by=BY)
    assert bound.name == "Hers"
    assert [each.policy_id for each in safety.bindings.effective(tx, ada)] == [
        DEFAULT_POLICY,
        own.policy_id,
    ]


def test_only_the_operator_changes_the_platforms_policies(tx, safety, person):
    ada, eve = person(), person(is_operator=False)
    with pytest.raises(Forbidden):
        safety.policies.change_policy(tx, eve, FLOOR_POLICY, PII, by=BY)
    floor = safety.policies.change_policy(tx, ada, FLOOR_POLICY, PII, by=BY)
    assert floor.version == 2
    terms = {each.id: each.policies for each in with_policies(tx, None, [])}
    assert terms[eve.organization_id] == (FLOOR_POLICY, DEFAULT_POLICY)
    with pytest.raises(Conflict):
        safety.policies.delete_policy(tx, ada, FLOOR_POLICY)
    with pytest.raises(Conflict, match="everybody"):
        safety.bindings.bind(
            tx, eve, FLOOR_POLICY, SubjectKind.ORGANIZATION, eve.organization_id, by=BY
        )


def test_a_file_is_applied_again_without_another_version(tx, safety, person):
    ada = person()
    file = read_policy_file(
        b"name: Desk\nwhy: first\nrules:\n"
        b"  - {category: pii, direction: prompt, threshold: high, action: block}\n"
        b"checks:\n  - {name: pii, directions: [prompt]}\n"
    )
    row, is_changed = safety.policies.apply(tx, ada, file, by=BY)
    assert (row.version, is_changed, row.why) == (1, True, "first")
    assert safety.policies.apply(tx, ada, file, by=BY) == (row, False)


def test_a_model_that_is_not_there_is_named(tx, safety, services, person):
    ada = person()
    content = parse_content(
        {
            "checks": [
                {
                    "name": "llama_guard",
                    "directions": ["prompt"],
                    "options": {"endpoint": "meta/guard"},
                }
            ]
        }
    )
    if "llama_guard" not in services.safety.policies.facts():
        pytest.skip("no safety model is installed")
    with pytest.raises(PolicyRefused, match="no endpoint 'meta/guard'"):
        services.safety.policies.check(tx, ada, content)
