from pathlib import Path

from tradewind.db.server_log import ServerLog


def test_the_reason_is_the_last_fatal_line_without_time_and_pid(tmp_path: Path) -> None:
    log = ServerLog(tmp_path / "log")
    log.add("2026-01-02 03:04:05.678 UTC [9] LOG:  starting PostgreSQL")
    log.add("2026-01-02 03:04:05.678 UTC [9] FATAL:  could not map memory")
    log.add("2026-01-02 03:04:05.678 UTC [9] LOG:  database system is shut down")
    log.add("2026-01-02 03:04:05.678 UTC [9] FATAL:  the database system is starting up")

    assert log.reason() == "could not map memory"
    assert log.mentions("map memory", "else")
    log.forget_tail()
    assert not log.mentions("map memory")
    assert log.reason() == "it said nothing"


def test_the_file_stays_bounded(tmp_path: Path) -> None:
    log = ServerLog(tmp_path / "log")
    for _ in range(3 * 1024 + 1):
        log.add("x" * 8192)

    sizes = sorted(file.stat().st_size for file in tmp_path.iterdir())
    assert len(sizes) == 2
    assert sizes[-1] < 9 * 1024 * 1024


def test_a_full_disk_loses_lines_of_the_file_and_nothing_else(tmp_path: Path) -> None:
    log = ServerLog(tmp_path / "absent" / "log")

    log.add("FATAL:  no space left")

    assert log.lost_lines == 1
    assert log.reason() == "no space left"
