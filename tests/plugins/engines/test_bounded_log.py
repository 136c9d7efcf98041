from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.plugins.engines.bounded_log import BoundedLog


def on_disk(path: Path) -> bytes:
    former = path.with_name(path.name + ".1")
    return (former.read_bytes() if former.exists() else b"") + path.read_bytes()


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_log_keeps_the_end_of_what_was_written_within_two_limits(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]
):
    path = tmp_path_factory.mktemp("log") / "logs" / "engine.log"
    log = BoundedLog(path, 256)
    for part in parts:
        log.write(part)
    log.close()
    written, kept = b"".join(parts), on_disk(path)
    assert written.endswith(kept)
    assert len(kept) <= 512
    assert len(kept) >= min(len(written), 256)


def test_log_goes_on_where_the_former_one_ended(tmp_path: Path):
    path = tmp_path / "engine.log"
    for text in (b"one\n", b"two\n"):
        log = BoundedLog(path, 1000)
        log.write(text)
        log.close()
    assert path.read_bytes() == b"one\ntwo\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_tail_is_text_of_bounded_length(tmp_path: Path):
    log = BoundedLog(tmp_path / "engine.log", 1_000_000)
    log.write(b"x" * 100_000)
    log.write(b"last \xff line\n")
    log.close()
    assert log.tail().endswith("last \ufffd line\n")
    assert len(log.tail()) <= 8192


def test_log_does_not_follow_a_planted_link(tmp_path: Path):
    (tmp_path / "victim").write_bytes(b"")
    (tmp_path / "engine.log").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError):
        BoundedLog(tmp_path / "engine.log", 1000)
