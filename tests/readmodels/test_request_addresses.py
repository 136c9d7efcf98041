"""Request ids and places in the log, as they come back from addresses."""

import base64
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core.errors import InvalidInput, NotFound
from tradewind.core.ids import request_id
from tradewind.readmodels.request_addresses import find_request, read_place, write_place
from tradewind.readmodels.requests import RequestPlace
from tradewind.testing.logged_calls import ended_call, log_calls, refused_call

ORGANIZATION = "org_01890000000000000000000000"

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.integers(1_577_836_800_000_000, 7_258_118_399_999_999).map(
    lambda number: EPOCH + timedelta(microseconds=number)
)


@given(moments, st.uuids())
def test_a_place_is_read_as_it_was_written(moment: datetime, event_id: UUID):
    place = RequestPlace(moment, event_id)
    assert read_place(write_place(place)) == place


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A" * 31,
        "A" * 32,
        "A" * 33,
        "_" * 32,
        "é" * 32,
        "A" * 31 + "\n",
        "A" * 31 + "+",
        base64.urlsafe_b64encode((7_258_118_400_000_000).to_bytes(8, "big") + bytes(16)).decode(),
    ],
)
def test_anything_else_is_refused(text: str):
    with pytest.raises(InvalidInput, match="not a place"):
        read_place(text)


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading_of_a_place(text: str):
    with pytest.raises(InvalidInput):
        read_place(text)


@pytest.mark.postgres
def test_a_call_is_found_by_the_id_its_client_was_told(database):
    call = ended_call(organization_id=ORGANIZATION, project_id="proj_a")
    refused = refused_call(organization_id=ORGANIZATION, project_id="proj_a")
    log_calls(database, call, refused)
    with database.transaction() as tx:
        for record in (call, refused):
            found = find_request(tx, ORGANIZATION, request_id(record.event_id))
            assert found.line.event_id == UUID(bytes=record.event_id)
        assert find_request(tx, ORGANIZATION, request_id(call.event_id), project_id="proj_a")


@pytest.mark.postgres
def test_whatever_is_not_ours_is_not_there_in_the_same_words(database):
    call = ended_call(organization_id=ORGANIZATION, project_id="proj_a")
    log_calls(database, call)
    ours = request_id(call.event_id)
    at = datetime.fromtimestamp(call.at_us / 1_000_000, UTC) + timedelta(seconds=1)
    nobodys = f"req_{int(at.timestamp() * 1000):012x}{'7' * 20}"
    with database.transaction() as tx:
        for organization_id, text, project_id in [
            ("org_else", ours, None),
            (ORGANIZATION, ours, "proj_else"),
            (ORGANIZATION, nobodys, None),
            (ORGANIZATION, "req_" + "f" * 32, None),
            (ORGANIZATION, "req_" + "0" * 32, None),
            (ORGANIZATION, ours.upper(), None),
            (ORGANIZATION, "", None),
            (ORGANIZATION, "\0", None),
        ]:
            with pytest.raises(NotFound) as caught:
                find_request(tx, organization_id, text, project_id=project_id)
            assert caught.value.message == f"there is no request {text!r} in the log"
