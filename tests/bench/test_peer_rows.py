"""A gateway that cannot be measured is a row that says why, beside those that can."""

from rich.console import Console

from bench.loads import JsonFigures
from bench.peers import Row, table
from bench.processes import clocked, server_core, started


def test_the_table_shows_figures_and_reasons():
    figures = JsonFigures(cpu_us=55.5, requests_per_s=1234.0, p50_ms=1.0, p99_ms=2.0)
    rows = [
        Row("measured", {16: figures, 64: figures}, 42.0),
        Row("missing", {}, 0.0, "missing cannot be installed: no network"),
    ]
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table(rows, 10))
    shown = capture.get()
    assert "55.5" in shown
    assert "1,234" in shown
    assert "missing cannot be installed: no network" in shown


def test_a_program_that_does_not_exist_is_an_error_of_the_benchmark(tmp_path):
    log = tmp_path / "program.log"
    with started(["/nowhere/program"], core=server_core(), log=log, is_heard=False) as process:
        assert process.wait(30) != 0
    assert log.read_text()


def test_time_that_a_process_waits_for_its_core_is_told_from_time_it_runs(tmp_path):
    with started(["sleep", "60"], core=server_core(), log=tmp_path / "log") as process:
        before, after = clocked(process.pid), clocked(process.pid)
    assert after.at >= before.at
    assert after.queued >= before.queued >= 0
