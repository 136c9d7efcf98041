"""A shipper in a process of its own: `python -m tradewind.serve.bench_billing.shipping FOLDER`.

Takes a journal over into the database of DATABASE_URL and prints what that took as JSON.
"""

import gc
import json
import os
import resource
import sys
import threading
import time
from pathlib import Path

from tradewind.db.database import Database
from tradewind.features.metering.shipper import run_shipper


def main(folder: Path) -> None:
    database = Database(os.environ["DATABASE_URL"], application_name="tradewind-bench-shipper")
    stop = threading.Event()
    # It takes over what is there, once, and returns.
    stop.set()
    # A batch is tens of thousands of objects, none in a cycle: looking for some after every
    # thousand would be a third of what shipping costs.
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
    began, began_s = time.monotonic(), time.process_time()
    run_shipper(database, folder, stop)
    print(
        json.dumps(
            {
                "cpu_s": time.process_time() - began_s,
                "wall_s": time.monotonic() - began,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
