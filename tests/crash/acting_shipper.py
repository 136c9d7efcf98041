"""A process that ships a journal: `python acting_shipper.py FOLDER`, the database's URL in
DATABASE_URL. It says `ready` once; then SIGTERM ends it in good order, the end of stdin at once.
"""

import logging
import os
import signal
import sys
import threading
from pathlib import Path

from tradewind.db.database import Database
from tradewind.features.metering.shipper import run_shipper


def _leave_with_the_parent() -> None:
    while os.read(0, 100):
        pass
    os._exit(3)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threading.Thread(target=_leave_with_the_parent, daemon=True).start()
    os.write(1, b"ready\n")
    database = Database(os.environ["DATABASE_URL"], application_name="acting-shipper")
    run_shipper(database, Path(sys.argv[1]), stop, poll_s=0.02)
