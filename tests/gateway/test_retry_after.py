import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.gateway.retry_after import retry_after_s


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({b"retry-after": b"3"}, 3.0),
        ({b"retry-after": b"0.5"}, 0.5),
        ({b"retry-after-ms": b"1500", b"retry-after": b"9"}, 1.5),
        ({b"retry-after-ms": b"soon", b"retry-after": b"9"}, 9.0),
        ({b"retry-after": b"Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
        ({b"retry-after": b"Tue, 14 Nov 2023 22:00:00 GMT"}, 0.0),
        ({b"retry-after": b"Mon, 01 Jan 0001 00:00:00 -0000"}, 0.0),
        ({b"retry-after": b"-1"}, None),
        ({b"retry-after": b"1e9"}, None),
        ({b"retry-after": b"nan"}, None),
        ({b"retry-after": b""}, None),
        ({b"retry-after": b"9" * 41}, None),
    ],
)
def test_what_an_upstream_asks_for_is_read(headers, seconds):
    assert retry_after_s(headers, 1_700_000_000.0) == seconds


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_no_bytes_are_more_than_unreadable(milliseconds, seconds):
    headers = {b"retry-after-ms": milliseconds, b"retry-after": seconds}
    found = retry_after_s(headers, 1_700_000_000.0)
    assert found is None or found >= 0
