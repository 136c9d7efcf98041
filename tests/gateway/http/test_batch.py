"""The write batch: one flush a turn, the journal first."""

import pytest
from http_parts import HandLoop, MemoryTransport

from tradewind.gateway.http.batch import WriteBatch


class _Silent:
    def connection_made(self, transport):
        pass

    def connection_lost(self, error):
        pass


class _Parts:
    def __init__(self, before_flush=None):
        self.loop = HandLoop()
        self.batch = WriteBatch(self.loop, before_flush)
        self.one, self.two = (MemoryTransport(self.loop, _Silent()) for _ in range(2))


def test_writes_of_a_turn_leave_together_and_in_order():
    parts = _Parts()
    parts.batch.write(parts.one, b"a")
    parts.batch.write(parts.two, b"x")
    parts.batch.write(parts.one, b"b")
    parts.batch.write(parts.one, b"c")
    assert parts.one.written == b""
    parts.loop.turn()
    assert (parts.one.written, parts.two.written) == (b"abc", b"x")


def test_the_journal_is_written_before_any_byte():
    seen = []
    parts = _Parts(lambda: seen.append(bytes(parts.one.written)))
    parts.batch.write(parts.one, b"a")
    parts.loop.turn()
    assert seen == [b""]
    assert parts.one.written == b"a"


def test_a_scheduled_flush_runs_without_bytes_and_once():
    runs = []
    parts = _Parts(lambda: runs.append(1))
    parts.batch.schedule()
    parts.batch.schedule()
    parts.loop.turn()
    assert runs == [1]


def test_what_waits_for_the_flush_runs_after_the_bytes():
    parts = _Parts()
    seen = []
    parts.batch.after_flush(lambda: seen.append(bytes(parts.one.written)))
    parts.batch.write(parts.one, b"a")
    parts.loop.turn()
    parts.loop.turn()
    assert seen == [b"a"]


def test_bytes_are_not_sent_when_the_journal_could_not_be_written():
    def fail():
        raise OSError("no space")

    parts = _Parts(fail)
    parts.batch.write(parts.one, b"a")
    with pytest.raises(OSError, match="no space"):
        parts.loop.turn()
    assert parts.one.written == b""
    assert parts.one.is_aborted
    assert not parts.two.is_aborted


def test_a_write_during_the_flush_leaves_with_the_next():
    parts = _Parts()

    class Answering(_Silent):
        def pause_writing(self):
            parts.batch.write(parts.two, b"paused")

    full = MemoryTransport(parts.loop, Answering(), high_water=1)
    parts.batch.write(full, b"abc")
    parts.loop.turn()
    assert parts.two.written == b"paused"


def test_a_closing_transport_is_passed_over_and_a_refusing_one_harms_no_other(caplog):
    parts = _Parts()

    class Refusing(MemoryTransport):
        def write(self, data):
            raise RuntimeError("Cannot call write() after write_eof()")

    refusing = Refusing(parts.loop, _Silent())
    parts.batch.write(parts.one, b"a")
    parts.batch.write(refusing, b"b")
    parts.batch.write(parts.two, b"c")
    parts.one.close()
    parts.loop.turn()
    assert parts.one.written == b""
    assert refusing.is_aborted
    assert parts.two.written == b"c"
    assert "refused its bytes" in caplog.text


def test_flush_now_leaves_nothing_for_later():
    parts = _Parts()
    parts.batch.write(parts.one, b"a")
    parts.batch.flush_now()
    assert parts.one.written == b"a"
    parts.loop.turn()
    assert parts.one.written == b"a"


def test_a_turn_that_brings_much_is_flushed_before_its_end():
    parts = _Parts()
    for _ in range(6):
        parts.batch.write(parts.one, bytes(64 * 1024))
    assert len(parts.one.written) >= 256 * 1024
    parts.loop.turn()
    assert len(parts.one.written) == 6 * 64 * 1024


def test_much_written_during_a_flush_keeps_its_place():
    parts = _Parts()

    class Answering(_Silent):
        def pause_writing(self):
            for _ in range(6):
                parts.batch.write(parts.two, b"b" * 64 * 1024)

    full = MemoryTransport(parts.loop, Answering(), high_water=1)
    parts.batch.write(full, b"abc")
    parts.batch.write(parts.two, b"a")
    parts.loop.turn()
    assert parts.two.written == b"a" + b"b" * 6 * 64 * 1024
