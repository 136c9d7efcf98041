"""What fuzzing has found, each as the smallest case that showed it."""

import hashlib

import pytest
from http_parts import ServerInMemory, UpstreamInMemory
from targets import SNAPSHOTS

from tests.control.conftest import (
    accounts,
    administrator,
    app,
    built,
    client,
    first_run,
    services,
    usage,
    with_management_key,
)
from tests.fuzz.gateways import every_operation
from tradewind.snapshot import file
from tradewind.snapshot.errors import SnapshotDamaged
from tradewind.snapshot.layout import DIGEST_AT, PREAMBLE_BYTES

__all__ = [
    "accounts",
    "administrator",
    "app",
    "built",
    "client",
    "first_run",
    "services",
    "usage",
    "with_management_key",
]


def test_a_snapshot_whose_names_are_no_utf8_is_told_as_damaged():
    """A text that cannot be decoded raises an error of Python's own, which nobody was ready for."""
    [raw] = SNAPSHOTS.seeds
    behind = bytearray(raw[PREAMBLE_BYTES:])
    behind[behind.rindex(b"tw/small")] = 0xFF
    damaged = raw[:DIGEST_AT] + hashlib.sha256(behind).digest() + bytes(behind)
    with pytest.raises(SnapshotDamaged):
        file.decode(damaged)


@pytest.mark.parametrize(
    "interim",
    [
        b"HTTP/1.1 100 Continue\nX: y\r\n\r\n",
        b"HTTP/1.1 10x Continue\r\n\r\n",
        b"HTTP/1.1 1000 Continue\r\n\r\n",
    ],
)
def test_an_interim_response_that_is_none_is_malformed_however_it_is_cut(interim):
    """It was skipped without being parsed when it came whole, and refused when it came in two."""
    data = interim + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    for pieces in ([data], [data[:30], data[30:]], [bytes([byte]) for byte in data]):
        upstream = UpstreamInMemory(b"POST /v1/x HTTP/1.1\r\nhost: a\r\n\r\n")
        upstream.feed(*pieces)
        [(what, kind, *_)] = upstream.receiver.notes
        assert (what, kind) == ("failed", "malformed")


def test_a_whole_answer_is_not_lost_with_the_one_behind_it_that_is_cut():
    """It was when both requests came in one read, since what is written in a turn leaves together
    at its end and the reset did not wait for that.
    """
    first = b"GET /now HTTP/1.1\r\nHost: a\r\n\r\n"
    cut_off = b"GET /broken-late HTTP/1.0\r\nHost: a\r\n\r\n"
    for pieces in ([first + cut_off], [first, cut_off]):
        server = ServerInMemory()
        assert b"GET /now" in server.feed(*pieces)
        assert server.client.is_aborted


async def test_a_model_that_is_no_utf8_is_a_400_of_azures_inference_too(tmp_path):
    """Its members are decoded one by one, and this one raised an error of Python's own."""
    async with every_operation(tmp_path / "gateway") as gateway:
        body = b'{"model": "\xc0\xaf", "input": "Hi"}'
        answer = await (await gateway.client()).call("POST", "/models/embeddings", body)
        assert answer.status == 400


async def test_a_thousand_query_parameters_are_a_400(tmp_path):
    """The parser of queries counts them and raises; nobody caught it."""
    async with every_operation(tmp_path / "gateway") as gateway:
        query = "&".join(f"a{number}=1" for number in range(1000))
        answer = await (await gateway.client()).call("GET", f"/v1/responses/resp_1?{query}")
        assert (answer.status, answer.error["code"]) == (400, "invalid_value")


@pytest.mark.postgres
@pytest.mark.parametrize(
    "body", [b"\x00\xff\xfe", b"[" * 100_000, b'{"amount": %b}' % (b"9" * 5_000)]
)
def test_a_body_that_json_has_no_word_for_is_as_malformed_as_any_other(
    client, with_management_key, body
):
    """It was a 400 without a code of ours, which the description of the API knew nothing of."""
    headers = with_management_key | {"content-type": "application/json"}
    answer = client.post("/api/budgets", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert "cannot be read" in answer.json()["detail"]
