"""Safety policies on their way to the gateways: told of before whatever names them."""

from datetime import UTC, datetime, timedelta

import pytest

from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.snapshot import file
from tradewind.snapshot.contents import Terms
from tradewind.snapshot.safety import Policy
from tradewind.worker.publish import Publisher

pytestmark = pytest.mark.postgres

FIRST = Policy("policy_1", 1, "First", (), ())
SECOND = Policy("policy_2", 1, "Second", (), ())


class HandClock:
    def __init__(self):
        self.at = datetime(2030, 1, 1, tzinfo=UTC)

    def now(self):
        return self.at

    def monotonic(self):
        return self.at.timestamp()


class World:
    """What is compiled; `while_terms` happens while terms are."""

    def __init__(self, database, path):
        self.database, self.path, self.clock = database, path, HandClock()
        self.policies = [FIRST]
        self.terms = {"org": Terms("org", policies=("policy_1",))}
        self.while_terms = lambda: None
        self.publisher = Publisher(
            database,
            path,
            self.clock,
            grants=lambda _tx, _ids: (),
            endpoints=lambda _tx: (),
            terms=self._compile_terms,
            policies=lambda _tx: list(self.policies),
        )

    def change(self, kind, *subjects):
        with self.database.transaction() as tx:
            record_change(tx, kind, subjects)

    def known(self):
        return {policy.id: policy.version for policy in file.read(self.path).policies}

    def _compile_terms(self, _tx, ids):
        self.while_terms()
        return [each for key, each in self.terms.items() if ids is None or key in ids]


@pytest.fixture
def world(database, tmp_path):
    world = World(database, tmp_path / "snapshot" / "current")
    world.publisher.publish()
    world.publisher.compare()
    yield world
    world.publisher.close()


def test_the_first_snapshot_has_the_policies(world):
    assert world.known() == {"policy_1": 1}


def test_another_version_is_published_alone(world):
    world.policies = [Policy("policy_1", 2, "First", (), ())]
    assert not world.publisher.publish(), "nobody told of it"
    world.change(ChangeKind.POLICIES)
    assert world.publisher.publish()
    assert world.known() == {"policy_1": 2}


def test_what_is_bound_while_terms_are_compiled_is_published_with_them(world):
    def bind():
        world.policies = [FIRST, SECOND]
        world.terms["org"] = Terms("org", policies=("policy_1", "policy_2"))

    world.while_terms = bind
    world.change(ChangeKind.POLICIES)
    world.change(ChangeKind.TERMS, "org")
    world.publisher.publish()
    assert file.read(world.path).terms == (world.terms["org"],)
    assert world.known() == {"policy_1": 1, "policy_2": 1}


def test_what_nothing_is_bound_to_goes_when_two_comparisons_have_found_it_so(world):
    world.policies = [SECOND]
    world.terms["org"] = Terms("org", policies=("policy_2",))
    world.change(ChangeKind.POLICIES)
    world.change(ChangeKind.TERMS, "org")
    world.publisher.publish()
    assert world.known() == {"policy_1": 1, "policy_2": 1}
    for expected in ({"policy_1": 1, "policy_2": 1}, {"policy_2": 1}):
        world.clock.at += timedelta(hours=1)
        world.publisher.compare()
        assert world.known() == expected


def test_a_policy_that_no_feed_told_of_is_found_by_the_comparison(world):
    world.policies = [FIRST, SECOND]
    world.terms["org"] = Terms("org", policies=("policy_2",))
    world.clock.at += timedelta(hours=1)
    world.publisher.compare()
    assert world.known() == {"policy_1": 1, "policy_2": 1}
    assert file.read(world.path).terms == (world.terms["org"],)
