"""One format of log lines for every process."""

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_MOST_BYTES = 16 * 1024 * 1024


def log_to_stderr() -> None:
    """For a process whose output goes to a log file already."""
    logging.basicConfig(level=logging.INFO, format=_FORMAT)


def log_to_file(path: Path) -> None:
    """For a process that owns the terminal. At most two files of 16 MiB. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handler = RotatingFileHandler(path, maxBytes=_MOST_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter(_FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
