import signal

import pytest

from tradewind.plugins.engines.exits import exit_reason

FAILED_START = """\
0.00.009.050 E gguf_init_from_file: failed to open '/nope.gguf' (No such file or directory)
0.00.009.121 E llama_model_load: error loading model
0.00.040.153 E srv  llama_server: exiting due to model loading error
"""


def test_failed_start_is_told_by_its_first_error():
    assert exit_reason(1, FAILED_START) == (
        "ended with status 1: gguf_init_from_file: failed to open '/nope.gguf' "
        "(No such file or directory)"
    )


def test_program_without_levels_is_told_by_its_last_line():
    assert exit_reason(2, "loading\nerror: no such model\n\n") == (
        "ended with status 2: error: no such model"
    )


def test_crash_is_told_by_what_it_was_at_and_not_by_an_old_error():
    tail = "0.01.000.000 E srv send_error: input too large\n0.02.000.000 I slot: computing\n"
    assert exit_reason(-signal.SIGSEGV, tail) == "ended by SIGSEGV (it crashed): slot: computing"


def test_missing_instruction_is_named():
    assert "this processor lacks an instruction" in exit_reason(-signal.SIGILL, "")


@pytest.mark.parametrize("status", [0, -signal.SIGTERM])
def test_end_on_request_quotes_no_log(status: int):
    assert "serving" not in exit_reason(status, "serving a model")


def test_unknown_signal_keeps_its_number():
    assert exit_reason(-250, "") == "ended by signal 250"


def test_reason_is_one_bounded_line_without_control_characters():
    reason = exit_reason(1, "\x1b[31mred\x00\u2028" + "y" * 1000 + "\r")
    assert len(reason) == 300
    assert reason.isprintable()
