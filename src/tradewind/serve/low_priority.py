"""Processes for work that takes a core for long: the worker has calls to look after meanwhile, and
their memory goes back to the system when they end.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping

from tradewind.core.parent_death import end_with_parent

_LEAST_PRIORITY = 19
_POLL_S = 0.2
_GRACE_S = 5.0


def run_module(module: str, environment: Mapping[str, str], stop: threading.Event) -> bool:
    """Run `python -m module --parent PID` and wait for its end or for `stop`; return whether it
    came to its own good end.

    To be called by a thread that lives as long as the process may: the kernel ends it with the
    thread.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", module, "--parent", str(os.getpid())],
        stdin=subprocess.DEVNULL,
        env=dict(environment),
    )
    while process.poll() is None:
        if stop.wait(_POLL_S):
            process.terminate()
            try:
                process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    return process.returncode == 0


def step_back(parent: int) -> None:
    """Give way to every other process, and end with the parent. Called by the process itself."""
    end_with_parent(parent)
    os.nice(_LEAST_PRIORITY)
