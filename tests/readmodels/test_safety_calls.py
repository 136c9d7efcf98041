"""What checks found in single calls and in hours, as people see it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import insert

from tradewind.features.metering.tables import safety_hour
from tradewind.readmodels.requests import show_request
from tradewind.readmodels.safety_calls import CallFlag, CallSafety, count_findings
from tradewind.testing.logged_calls import log_calls
from tradewind.testing.usage_records import end_of, opened_call
from tradewind.usage.event import Flag, SafetyTrail, Trail

pytestmark = pytest.mark.postgres

HOUR = datetime(2030, 1, 1, 12, tzinfo=UTC)


def hour_row(category, direction, band, action, calls, *, hour=HOUR, key_id="k1", org="org_a"):
    return {
        "organization_id": org,
        "hour": hour,
        "project_id": "proj_a",
        "key_id": key_id,
        "category": category,
        "direction": direction,
        "band": band,
        "action": action,
        "calls": calls,
    }


def test_a_call_shows_what_policies_made_of_it(database):
    opened = opened_call()
    safety = SafetyTrail(
        (("policy_1", 3),),
        (Flag("violence", "prompt", 6, 0.9, "block", "harms", "2"),),
        (("llama_guard", "timeout"),),
        12,
        900,
    )
    quiet = opened_call()
    log_calls(
        database,
        end_of(opened, trail=Trail("openai", "m", (), safety=safety)),
        end_of(quiet, trail=Trail("openai", "m", (), safety=SafetyTrail((("policy_1", 3),)))),
    )
    with database.transaction() as tx:
        shown = show_request(tx, opened.organization_id, UUID(bytes=opened.event_id))
        other = show_request(tx, quiet.organization_id, UUID(bytes=quiet.event_id))
    assert shown is not None
    assert shown.safety == CallSafety(
        "block",
        (("policy_1", 3),),
        (CallFlag("violence", "prompt", 6, 0.9, "block", "harms", "2"),),
        (("llama_guard", "timeout"),),
        12,
        900,
    )
    assert other is not None
    assert other.safety is None


def test_hours_add_up_by_category_and_what_followed(database):
    with database.transaction() as tx:
        tx.execute(
            insert(safety_hour),
            [
                hour_row("", "", "", "examined", 9),
                hour_row("pii", "prompt", "high", "redact", 2),
                hour_row("pii", "prompt", "high", "redact", 3, key_id="k2"),
                hour_row("pii", "prompt", "high", "redact", 4, hour=HOUR + timedelta(days=1)),
                hour_row("pii", "prompt", "high", "redact", 5, org="org_b"),
            ],
        )
        until = HOUR + timedelta(hours=1)
        found = count_findings(tx, "org_a", HOUR, until)
        of_key = count_findings(tx, "org_a", HOUR, until, key_id="k2", project_id="proj_a")
    assert [(each.category, each.action, each.calls) for each in found] == [
        ("", "examined", 9),
        ("pii", "redact", 5),
    ]
    assert [(each.band, each.calls) for each in of_key] == [("high", 3)]
