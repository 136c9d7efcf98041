"""What a changed policy would have done in the organization's own last week."""

import json
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import insert

from tradewind.core.errors import Forbidden, NotFound
from tradewind.core.permissions import Role
from tradewind.features.budgets.tables import terms
from tradewind.features.content import service as content_service
from tradewind.features.content.schemas import ContentRow
from tradewind.features.metering import service as metering
from tradewind.features.metering.rules import EventRow, event_row
from tradewind.features.metering.tables import usage_event, usage_safety
from tradewind.features.safety.errors import DryRunUnderWay
from tradewind.features.safety.rules.content import parse_content
from tradewind.features.safety.schemas import RunState, SubjectKind
from tradewind.testing.usage_records import end_of, opened_call

pytestmark = pytest.mark.postgres

HARMS = {"name": "profanity", "directions": ["prompt", "completion"]}


def policy(threshold, action="block", *, checks=None, category="profanity", direction="prompt"):
    rule = {
        "category": category,
        "direction": direction,
        "threshold": threshold,
        "action": action,
    }
    return parse_content({"rules": [rule], "checks": [HARMS] if checks is None else checks})


def flag(severity, *, action="annotate", check="profanity", category="profanity"):
    return {
        "category": category,
        "direction": "prompt",
        "severity": severity,
        "score": 0.5,
        "action": action,
        "check": check,
        "check_version": "1",
    }


class Week:
    """Calls of the last days of one organization."""

    def __init__(self, database, safety, clock, ada):
        self.database, self.safety, self.clock, self.ada = database, safety, clock, ada
        with database.connect_raw(autocommit=True) as connection, connection.transaction():
            metering.ensure_partitions(connection, {clock.now().date()})

    def bind(self, content, *, days_ago=8):
        """Have a policy hold for the organization since so long."""
        self.clock.by = -timedelta(days=days_ago)
        with self.database.transaction() as tx:
            row = self.safety.policies.add_policy(tx, self.ada, "Held", content, by="Ada")
            self.safety.bindings.bind(
                tx,
                self.ada,
                row.policy_id,
                SubjectKind.ORGANIZATION,
                self.ada.organization_id,
                by="Ada",
            )
        self.clock.by = None

    def call(self, *flags, hours_ago=1.0, action="", failures=(), prompt=None, answer=None):
        at = self.clock.now() - timedelta(hours=hours_ago)
        event = end_of(
            opened_call(
                organization_id=self.ada.organization_id,
                project_id=self.ada.project_id,
                at_us=int(at.timestamp() * 1e6),
            )
        )
        row = event_row(event)
        assert isinstance(row, EventRow)
        with self.database.transaction() as tx:
            tx.execute(insert(usage_event).values(**row._asdict()))
            if flags or failures:
                tx.execute(
                    insert(usage_safety).values(
                        event_id=row.event_id,
                        at=row.at,
                        organization_id=row.organization_id,
                        project_id=row.project_id,
                        key_id=row.key_id,
                        model=row.model,
                        action=action,
                        policies=[],
                        flags=list(flags),
                        failures=[list(each) for each in failures],
                        blocked_at=None,
                        examined_us=1,
                    )
                )
        if prompt is not None:
            self._keep(row, prompt, answer)
        return row.event_id

    def _keep(self, row, prompt, answer):
        kept = ContentRow(
            UUID(bytes=row.event_id.bytes),
            row.at,
            row.organization_id,
            row.project_id,
            json.dumps(prompt).encode(),
            b"" if answer is None else json.dumps(answer).encode(),
            False,
            False,
        )
        with self.database.connect_raw(autocommit=True) as connection, connection.transaction():
            content_service.make_partitions(connection, row.at)
            content_service.keep(connection, [kept], {row.organization_id: 30}, row.at)
        with self.database.transaction() as tx:
            tx.execute(terms.delete().where(terms.c.subject_id == row.organization_id))
            tx.execute(
                insert(terms).values(
                    subject_id=row.organization_id,
                    organization_id=row.organization_id,
                    regions=[],
                    zones=[],
                    no_retention=False,
                    no_training=False,
                    cache_ttl_s=0,
                    response_days=30,
                    content_days=30,
                    revision=1,
                    updated_at=row.at,
                )
            )

    def dry_run(self, content):
        with self.database.transaction() as tx:
            run = self.safety.dry_runs.start(tx, self.ada, content, by="Ada")
        assert self.safety.dry_run_work.run_next(self.database)
        with self.database.transaction() as tx:
            found = self.safety.dry_runs.get_run(tx, self.ada, run.run_id)
        assert found.state is RunState.DONE
        return found


@pytest.fixture
def ada(person):
    return person()


@pytest.fixture
def week(database, safety, clock, ada):
    return Week(database, safety, clock, ada)


def numbers(run):
    names = ("calls", "judged_by_findings", "judged_by_contents", "not_judged")
    return tuple(run.result[name] for name in names)


def test_findings_of_then_are_held_to_the_changed_thresholds(week):
    week.bind(policy(6))
    first = week.call(flag(4))
    week.call(flag(2))
    week.call(flag(6, action="block"), action="block")
    week.call()
    run = week.dry_run(policy(4))
    assert numbers(run) == (4, 4, 0, {})
    assert run.result["would"] == {"block": 2, "annotate": 1}
    assert run.result["then"] == {"block": 1}
    assert (run.result["newly_blocked"], run.result["no_longer_blocked"]) == (1, 0)
    (example,) = run.result["examples"]
    assert example["request"] == f"req_{first.hex}"
    assert (example["category"], example["severity"], example["then"]) == ("profanity", 4, "")
    assert run.result["rules"][0]["calls"] == 2
    assert run.result["rules"][0]["words"].startswith("Blocks profanity from medium (4)")


def test_what_was_blocked_and_would_not_be_is_counted(week):
    week.bind(policy(2))
    week.call(flag(2, action="block"), action="block")
    run = week.dry_run(policy(6, "review"))
    assert (run.result["newly_blocked"], run.result["no_longer_blocked"]) == (0, 1)


def test_a_check_that_did_not_run_then_needs_the_contents(week):
    week.bind(policy(6))
    week.call()
    week.call(flag(2))
    pii = [{"name": "pii", "directions": ["prompt"]}]
    run = week.dry_run(policy(2, checks=pii, category="pii"))
    assert numbers(run) == (2, 0, 0, {"contents_not_kept": 2})


def test_kept_contents_are_looked_at_again(week):
    week.bind(policy(6))
    mail = {"messages": [{"role": "user", "content": "Write to ada@example.org now"}]}
    week.call(prompt=mail)
    week.call(flag(2), prompt={"messages": [{"role": "user", "content": "Good morning"}]})
    tool = {"messages": [{"role": "tool", "content": "ada@example.org"}]}
    week.call(prompt=tool)
    week.call()
    pii = [{"name": "pii", "directions": ["prompt"]}]
    run = week.dry_run(policy(2, checks=pii, category="pii"))
    assert numbers(run) == (4, 0, 3, {"contents_not_kept": 1})
    # What a tool brought along is no prompt.
    assert run.result["newly_blocked"] == 1
    assert run.result["examples"][0]["check"] == "pii"


def test_what_a_model_said_is_looked_at_in_answers_alone(week):
    week.bind(policy(6))
    week.call(
        prompt={"messages": [{"role": "user", "content": "Who is it?"}]},
        answer={"choices": [{"message": {"role": "assistant", "content": "ada@example.org"}}]},
    )
    pii = [{"name": "pii", "directions": ["completion"]}]
    run = week.dry_run(policy(2, checks=pii, category="pii", direction="completion"))
    assert numbers(run) == (1, 0, 1, {})
    assert run.result["newly_blocked"] == 1


def test_a_check_that_failed_then_has_told_nothing(week):
    week.bind(policy(6))
    week.call(failures=(("profanity", "timeout"),))
    run = week.dry_run(policy(2))
    assert numbers(run) == (1, 0, 0, {"contents_not_kept": 1})


def test_only_calls_since_a_check_was_there_are_judged_by_its_findings(week):
    week.bind(policy(6), days_ago=0.5)
    week.call(hours_ago=2)
    week.call(hours_ago=20)
    run = week.dry_run(policy(2))
    assert numbers(run) == (2, 1, 0, {"contents_not_kept": 1})


def test_calls_of_others_and_of_before_are_left_alone(week, person, database, safety, clock):
    week.bind(policy(6))
    Week(database, safety, clock, person()).call(flag(6))
    week.call(flag(6), hours_ago=24 * 8)
    run = week.dry_run(policy(2))
    assert numbers(run) == (0, 0, 0, {})


def test_one_runs_at_a_time_and_can_be_cancelled(database, safety, ada, person):
    with database.transaction() as tx:
        run = safety.dry_runs.start(tx, ada, policy(2), by="Ada", name="Stricter")
        assert (run.state, run.name, run.created_by) == (RunState.QUEUED, "Stricter", "Ada")
        with pytest.raises(DryRunUnderWay):
            safety.dry_runs.start(tx, ada, policy(2), by="Ada")
        assert safety.dry_runs.cancel(tx, ada, run.run_id).state is RunState.CANCELLED
        assert safety.dry_runs.cancel(tx, ada, run.run_id).state is RunState.CANCELLED
        with pytest.raises(NotFound):
            safety.dry_runs.get_run(tx, person(), run.run_id)
    assert not safety.dry_run_work.run_next(database)


def test_a_run_whose_worker_died_is_not_begun_again(database, safety, ada, clock):
    with database.transaction() as tx:
        run = safety.dry_runs.start(tx, ada, policy(2), by="Ada")
        tx.exec_driver_sql("UPDATE safety_dry_run SET state = 'running', beat_at = now()")
    clock.by = timedelta(minutes=6)
    assert not safety.dry_run_work.run_next(database)
    with database.transaction() as tx:
        found = safety.dry_runs.get_run(tx, ada, run.run_id)
    assert found.state is RunState.FAILED
    assert "start it again" in found.error


def test_only_the_newest_runs_are_kept(database, safety, ada):
    with database.transaction() as tx:
        for _ in range(22):
            run = safety.dry_runs.start(tx, ada, policy(2), by="Ada")
            safety.dry_runs.cancel(tx, ada, run.run_id)
        assert len(safety.dry_runs.list_runs(tx, ada)) == 20


def test_developers_look_at_runs_and_start_none(database, safety, person):
    dev = person(Role.DEVELOPER)
    with database.transaction() as tx:
        assert safety.dry_runs.list_runs(tx, dev) == []
        with pytest.raises(Forbidden):
            safety.dry_runs.start(tx, dev, policy(2), by="Dev")
