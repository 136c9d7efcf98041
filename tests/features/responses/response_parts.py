"""Stored responses for tests."""

import json
from datetime import UTC, datetime, timedelta

from msgspec import Raw

from tradewind.wire.stored_responses import Place, StoredResponse

NOW = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def milliseconds(at):
    return round(at.timestamp() * 1000)


def stored(id_="resp_1", previous=None, *, text="secret", org="org_a", project="proj_a", **members):
    values = {
        "created_at_ms": milliseconds(NOW),
        "expires_at_ms": milliseconds(NOW + 30 * DAY),
        "input": Raw(json.dumps([{"id": "msg_1", "content": text}])),
        "response": Raw(json.dumps({"id": id_, "output": [text]})),
        **members,
    }
    return StoredResponse(org, project, id_, previous, **values)


def at(id_="resp_1", *, org="org_a", project="proj_a", days=30):
    return Place(org, project, id_, days)
