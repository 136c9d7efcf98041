"""Why a process ended, in one line. Pure."""

import re
import signal

_LONGEST_REASON = 300
_LAST_LINES = 6

_MEANINGS = {
    signal.SIGILL: "this processor lacks an instruction that the program was built for",
    signal.SIGKILL: "killed, by someone or for want of memory",
    signal.SIGSEGV: "it crashed",
    signal.SIGABRT: "it gave up",
    signal.SIGBUS: "the model's file changed or the disk failed while it was read",
}
# llama-server begins a line with the time and a letter for the level: "0.00.003.248 E srv  …".
_LEVEL = re.compile(r"^[0-9.]+ ([A-Z]) +")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\u00a0-\uffff]+")


def exit_reason(status: int, log_tail: str) -> str:
    """Return one line of at most 300 characters: how it ended, and what the log says of it.

    A program that gives up tells the cause first and then what failed for it, so the first of its
    last errors is taken. One that is ended by a signal has had no time to say anything: its last
    line shows what it was at.
    """
    # What a program that was asked to end wrote before is no reason.
    said = "" if status in (0, -signal.SIGTERM) else _said(log_tail, is_failure=status > 0)
    line = f"{_how(status)}: {said}" if said else _how(status)
    return line if len(line) <= _LONGEST_REASON else line[: _LONGEST_REASON - 1] + "…"


def _how(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    try:
        number = signal.Signals(-status)
    except ValueError:
        return f"ended by signal {-status}"
    meaning = _MEANINGS.get(number)
    return f"ended by {number.name} ({meaning})" if meaning else f"ended by {number.name}"


def _said(log_tail: str, *, is_failure: bool) -> str:
    lines = [_UNPRINTABLE.sub(" ", line).strip() for line in log_tail.splitlines()]
    lines = [line for line in lines if line][-_LAST_LINES:]
    errors = [line for line in lines if (m := _LEVEL.match(line)) and m[1] == "E"]
    chosen = errors[:1] if is_failure and errors else lines[-1:]
    return " ".join(_LEVEL.sub("", line) for line in chosen)
