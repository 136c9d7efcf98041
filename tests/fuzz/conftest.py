"""A longer look than a run of all tests takes: `TRADEWIND_TEST_FUZZ_S=600` gives each parser that
many seconds, `TRADEWIND_TEST_FUZZ_CORPUS` names a folder to keep what was found interesting, and
`TRADEWIND_TEST_EXAMPLES=100` makes Schemathesis try as many for each operation. Both then go by
chance; without them a run is the same every time.
"""

import sys
from pathlib import Path

import uvloop

# The gateway's own test parts, which import each other by their plain names.
sys.path += [str(Path(__file__).parents[1] / "gateway" / part) for part in ("", "http")]


def pytest_asyncio_loop_factories(config, item):
    return {"uvloop": uvloop.new_event_loop}
