"""Gated models: an organization accepts the licence, and gateways know of it."""

import pytest

from tradewind.core.errors import Forbidden
from tradewind.core.permissions import Role
from tradewind.features.catalog.builtin import SMOLLM2
from tradewind.features.catalog.errors import LicenceChanged, LicenceNotAccepted
from tradewind.features.catalog.rules.gates import gate_of
from tradewind.readmodels.terms import compile_terms

pytestmark = pytest.mark.postgres

NAME = f"{SMOLLM2.publisher}/{SMOLLM2.slug}"


@pytest.fixture
def gated(do, services):
    """A model whose licence has to be accepted; returns its id."""
    added = do(services.catalog.add_builtin, SMOLLM2)
    do(services.catalog.tell_facts, added.model_id, {"is_gated": True}, source="operator")
    return added.model_id


@pytest.fixture
def accept(do, services):
    def accept(actor, licence="Apache-2.0"):
        return do(services.licences.accept_licence, actor, NAME, licence, by="user_1")

    return accept


def test_a_licence_is_accepted_once_and_by_its_organization_alone(
    gated, accept, do, services, person
):
    one, other = person(), person()
    needs = services.licences.needs_acceptance
    assert do(needs, one.organization_id, gated)
    assert accept(one)
    assert not accept(one)
    assert not do(needs, one.organization_id, gated)
    assert do(needs, other.organization_id, gated)
    with pytest.raises(LicenceNotAccepted, match=f"/models/{NAME}"):
        do(services.licences.require_acceptance, other.organization_id, gated)
    [accepted] = do(services.licences.accepted, one)
    assert (accepted.model, accepted.licence, accepted.accepted_by) == (
        NAME,
        "Apache-2.0",
        "user_1",
    )


def test_another_licence_has_to_be_accepted_anew(gated, accept, do, services, person):
    one = person()
    accept(one)
    told = {"licence": "LicenseRef-Other"}
    do(services.catalog.tell_facts, gated, told, source="published")
    assert do(services.licences.needs_acceptance, one.organization_id, gated)
    assert do(services.licences.accepted, one) == []
    with pytest.raises(LicenceChanged, match="LicenseRef-Other"):
        accept(one)
    assert accept(one, "LicenseRef-Other")


def test_a_viewer_accepts_nothing(gated, accept, person):
    with pytest.raises(Forbidden):
        accept(person(Role.VIEWER))


def test_gateways_are_told_what_was_accepted(gated, accept, database, person):
    one = person()
    accept(one)
    with database.transaction() as tx:
        every, named = list(compile_terms(tx, None)), compile_terms(tx, [one.organization_id])
        assert list(named) == every
    [terms] = every
    assert (terms.id, terms.licences) == (
        one.organization_id,
        frozenset({gate_of(NAME, "Apache-2.0")}),
    )


def test_an_open_model_asks_for_nothing(do, services, person):
    added = do(services.catalog.add_builtin, SMOLLM2)
    assert not do(services.licences.needs_acceptance, person().organization_id, added.model_id)
