"""Prompt and answer of a call over HTTP."""

import logging
from datetime import UTC, datetime, timedelta

import pytest

from tradewind.core.ids import request_id, uuid7_bytes
from tradewind.testing.kept_contents import keep_content, set_content_days
from tradewind.testing.logged_calls import ended_call, log_calls

pytestmark = pytest.mark.postgres

NOW = datetime(2030, 1, 31, 12, 34, 56, tzinfo=UTC)


@pytest.fixture
def ask(client, with_management_key):
    def ask(call, headers=with_management_key):
        return client.get(f"/api/requests/{request_id(call.event_id)}/content", headers=headers)

    return ask


@pytest.fixture
def made(database, first_run):
    """A call of this project, with its content."""

    def make(age=timedelta(minutes=1), **content):
        call = ended_call(
            NOW - age,
            organization_id=first_run.organization_id,
            project_id=first_run.project_id,
            key_id=first_run.key_id,
        )
        log_calls(database, call)
        keep_content(database, call, first_run.organization_id, **content)
        return call

    return make


@pytest.fixture
def days(database, services, administrator):
    return lambda number: set_content_days(database, services.budgets, administrator, number)


def test_content_is_answered_to_a_management_key_and_reading_it_is_in_the_log(
    ask, made, days, caplog
):
    days(7)
    caplog.set_level(logging.INFO)
    call = made(prompt=b'{"a": "Hi"}', answer=b'"Ho"', is_truncated=True)
    assert ask(call).json() == {
        "state": "shown",
        "days": 7,
        "prompt": {"value": {"a": "Hi"}, "is_truncated": True},
        "answer": {"value": "Ho", "is_truncated": True},
    }
    assert f"reads the content of {request_id(call.event_id)}" in caplog.text


@pytest.mark.parametrize(
    ("number", "age", "state"),
    [(0, 1, "off"), (7, 8, "expired")],
)
def test_why_there_is_none_is_a_state(ask, made, days, *, number, age, state):
    days(number)
    answer = ask(made(timedelta(days=age)))
    assert answer.json() == {"state": state, "days": number, "prompt": None, "answer": None}


def test_of_a_call_that_was_not_kept_there_is_none(ask, days, database, first_run):
    days(7)
    call = ended_call(
        NOW, organization_id=first_run.organization_id, project_id=first_run.project_id
    )
    log_calls(database, call)
    assert ask(call).json()["state"] == "not_kept"


def test_a_client_key_may_not_read_it(ask, made, days, with_key):
    days(7)
    answer = ask(made(), with_key)
    assert answer.status_code == 403
    assert "Mistral" not in answer.text


def test_a_call_of_nobody_and_one_of_another_project_are_the_same(ask, days, database, first_run):
    days(7)
    foreign = ended_call(NOW, organization_id=first_run.organization_id, project_id="proj_other")
    log_calls(database, foreign)
    keep_content(database, foreign, first_run.organization_id)
    nobody = ended_call(NOW, event_id=uuid7_bytes(int(NOW.timestamp() * 1000)))
    for call in (foreign, nobody):
        assert ask(call).status_code == 404
