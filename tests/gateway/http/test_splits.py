"""How bytes were cut into reads never changes what happens: every cut of every message."""

import logging
from itertools import pairwise

import pytest
from corpus import REQUESTS, RESPONSES
from http_parts import ServerInMemory, UpstreamInMemory
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.gateway.http.limits import ServerLimits, UpstreamLimits

_SERVER_LIMITS = ServerLimits(max_head_bytes=600, max_headers=20)
_UPSTREAM_LIMITS = UpstreamLimits(max_response_head_bytes=600, max_response_headers=20)


@pytest.fixture(autouse=True)
def quiet_log():
    # The corpus makes the application fail thousands of times; its tracebacks say nothing here.
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def _served(pieces):
    server = ServerInMemory(_SERVER_LIMITS)
    written = server.feed(*pieces)
    return server.application.notes, written, server.client.is_ended, server.client.is_aborted


def _received(head, pieces, *, closes):
    upstream = UpstreamInMemory(head, _UPSTREAM_LIMITS)
    upstream.feed(*pieces)
    if closes:
        upstream.end()
    # Kept and then lost because of bytes after the end is the same as never kept.
    return upstream.receiver.notes, "gone" in upstream.pool.notes


def _cut(data, places):
    edges = [0, *sorted(places), len(data)]
    return [data[a:b] for a, b in pairwise(edges) if a < b]


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_cut_anywhere_is_served_as_if_it_came_whole(name):
    data = REQUESTS[name]
    whole = _served([data])
    assert whole[1], "every request of the corpus is answered"
    for place in range(1, len(data)):
        assert _served(_cut(data, [place])) == whole, f"cut at {place}"
    assert _served([bytes([byte]) for byte in data]) == whole, "byte by byte"


@pytest.mark.parametrize("name", RESPONSES)
def test_a_response_cut_anywhere_is_received_as_if_it_came_whole(name):
    head, data, closes = RESPONSES[name]
    whole = _received(head, [data], closes=closes)
    assert whole[0][-1][0] in ("ended", "failed"), "every response of the corpus comes to an end"
    for place in range(1, len(data)):
        assert _received(head, _cut(data, [place]), closes=closes) == whole, f"cut at {place}"
    assert _received(head, [bytes([byte]) for byte in data], closes=closes) == whole


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_requests_on_one_connection_in_any_pieces_are_served_alike(data):
    names = data.draw(st.lists(st.sampled_from(sorted(REQUESTS)), min_size=1, max_size=3))
    message = b"".join(REQUESTS[name] for name in names)
    places = data.draw(st.sets(st.integers(1, len(message) - 1), max_size=12))
    assert _served(_cut(message, places)) == _served([message])


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_any_response_in_any_pieces_is_received_alike(data):
    head, message, closes = RESPONSES[data.draw(st.sampled_from(sorted(RESPONSES)))]
    places = data.draw(st.sets(st.integers(1, len(message) - 1), max_size=12))
    whole = _received(head, [message], closes=closes)
    assert _received(head, _cut(message, places), closes=closes) == whole
