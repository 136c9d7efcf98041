import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.wire.errors import ApiError, model_not_found, retry_after, unavailable


def headers_of(lines: bytes) -> dict[str, str]:
    assert lines.endswith(b"\r\n")
    return dict(line.split(": ") for line in lines.decode().splitlines())


@given(st.floats(min_value=0, max_value=1e6))
def test_a_client_that_waits_as_told_is_never_early(seconds):
    found = headers_of(retry_after(seconds))
    milliseconds = int(found["retry-after-ms"])
    assert milliseconds >= 1
    assert milliseconds >= seconds * 1000
    assert milliseconds < seconds * 1000 + 2
    assert (int(found["retry-after"]) - 1) * 1000 < milliseconds <= int(found["retry-after"]) * 1000


def test_the_body_has_the_four_members_clients_read():
    error = ApiError(400, 'no "such" thing\n', param="n", code="invalid_value")
    assert json.loads(error.body()) == {
        "error": {
            "message": 'no "such" thing\n',
            "type": "invalid_request_error",
            "param": "n",
            "code": "invalid_value",
        }
    }


def test_an_unknown_model_is_404_with_the_code_clients_know():
    error = model_not_found("x" * 5000)
    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")
    assert len(error.message) < 400


def test_an_unavailable_part_says_when_to_come_back():
    error = unavailable("starting", code="model_not_ready", retry_s=2.5)
    assert error.status == 503
    assert headers_of(error.headers) == {"retry-after-ms": "2500", "retry-after": "3"}


@pytest.mark.parametrize("seconds", [-5.0, 0.0, 1e-9])
def test_the_shortest_wait_is_a_millisecond(seconds):
    assert headers_of(retry_after(seconds))["retry-after-ms"] == "1"
