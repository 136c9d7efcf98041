"""The file that says how many gateways there are."""

from pathlib import Path

import pytest

from tradewind.snapshot.live_gateways import (
    LiveGateways,
    read_live_gateways,
    stamp_of,
    write_live_gateways,
)


def test_what_is_written_is_read_and_each_write_shows(tmp_path: Path):
    path = tmp_path / "snapshot" / "live-gateways"
    assert (read_live_gateways(path), stamp_of(path)) == (None, None)
    write_live_gateways(path, LiveGateways(2, 5))
    assert read_live_gateways(path) == LiveGateways(2, 5)
    former = stamp_of(path)
    write_live_gateways(path, LiveGateways(1, 1))
    assert read_live_gateways(path) == LiveGateways(1, 1)
    assert stamp_of(path) != former
    assert [each.name for each in path.parent.iterdir()] == ["live-gateways"]


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"[]", b'{"nodes":0,"gateways":1}', b'{"nodes":3,"gateways":2}', b'{"nodes":"2'],
)
def test_what_says_nothing_sensible_is_nothing(tmp_path: Path, content: bytes):
    path = tmp_path / "live-gateways"
    path.write_bytes(content)
    assert read_live_gateways(path) is None
