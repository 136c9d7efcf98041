"""Reading what replicas write."""

from pathlib import Path

import pytest

from tradewind.plugins.engines.engine_logs import MOST_TAIL_BYTES, EngineLogs

DEPLOYMENT = "dep_" + "0" * 26


@pytest.fixture
def logs(tmp_path: Path) -> EngineLogs:
    return EngineLogs(tmp_path)


def write(tmp_path: Path, text: str, name: str = f"engine-{DEPLOYMENT}.log") -> None:
    (tmp_path / name).write_text(text)


def test_the_end_of_a_log_is_whole_lines(tmp_path: Path, logs: EngineLogs):
    write(tmp_path, "first\nsecond\nthird\n")
    assert logs.tail(DEPLOYMENT, 1).text == "first\nsecond\nthird\n"
    tail = logs.tail(DEPLOYMENT, 1, most_bytes=10)
    assert (tail.text, tail.is_cut) == ("third\n", True)


def test_what_was_moved_aside_comes_before_the_rest(tmp_path: Path, logs: EngineLogs):
    write(tmp_path, "old\n", f"engine-{DEPLOYMENT}.log.1")
    write(tmp_path, "new\n")
    assert logs.tail(DEPLOYMENT, 1).text == "old\nnew\n"
    assert b"".join(logs.whole(DEPLOYMENT, 1)) == b"old\nnew\n"


def test_only_news_are_told_and_all_of_a_file_that_was_begun_anew(tmp_path: Path, logs: EngineLogs):
    write(tmp_path, "one\n")
    seen = logs.tail(DEPLOYMENT, 1)
    assert logs.news(DEPLOYMENT, 1, seen.position).text == ""
    write(tmp_path, "one\ntwo\n")
    assert logs.news(DEPLOYMENT, 1, seen.position).text == "two\n"
    write(tmp_path, "x\n")
    assert logs.news(DEPLOYMENT, 1, seen.position).text == "x\n"


def test_the_first_error_is_found(tmp_path: Path, logs: EngineLogs):
    write(tmp_path, "0.00.001 I all is well\n0.00.002 E srv load: broken\n0.00.003 E more\n")
    assert logs.first_error(DEPLOYMENT, 1) == "0.00.002 E srv load: broken"


def test_a_log_cannot_be_read_without_a_bound(tmp_path: Path, logs: EngineLogs):
    write(tmp_path, "x" * 99 + "\n" * 1 + "y" * (2 * MOST_TAIL_BYTES))
    assert len(logs.news(DEPLOYMENT, 1, 0).text) == MOST_TAIL_BYTES
    assert len(logs.tail(DEPLOYMENT, 1, most_bytes=10**9).text) <= MOST_TAIL_BYTES


def test_control_characters_are_not_handed_on(tmp_path: Path, logs: EngineLogs):
    write(tmp_path, "a\x1b[31mb\tc\n")
    assert logs.tail(DEPLOYMENT, 1).text == "a�[31mb\tc\n"


def test_replicas_are_numbered(tmp_path: Path, logs: EngineLogs):
    for beside in ("", ".2", ".3", ".x"):
        write(tmp_path, "", f"engine-{DEPLOYMENT}{beside}.log")
    assert logs.numbers(DEPLOYMENT) == [1, 2, 3]


@pytest.mark.parametrize("name", ["", "..", "dep_../../etc/passwd", DEPLOYMENT + "/x", "*"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, logs: EngineLogs, name: str):
    write(tmp_path, "secret\n", "engine-.log")
    assert logs.numbers(name) == []
    assert logs.tail(name, 1).text == ""
    assert logs.first_error(name, 1) == ""
    assert list(logs.whole(name, 1)) == []
