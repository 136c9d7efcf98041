"""A process that plays the gateway: makes calls up, journals them, and says what it promised.

    python acting_gateway.py FOLDER SEED DURABILITY

The first line on stdout is `ready`; each other one is a promise, written when a client would have
seen it: `open ID`, `progress ID TOKENS`, `end ID TOKENS NANOS`. SIGTERM ends it in good order; so
does the end of stdin, because then whoever started it is gone.
"""

import asyncio
import os
import random
import signal
import sys
import time
from pathlib import Path

from tradewind.core.ids import uuid7_bytes
from tradewind.testing.usage_records import end_of, opened_call, progress_of
from tradewind.usage.event import Opened, Outcome
from tradewind.usage.journal import Durability, Journal

_TURN_S = 0.004
_MOST_RUNNING = 200


class ActingGateway:
    def __init__(self, journal: Journal, chance: random.Random) -> None:
        self._journal = journal
        self._chance = chance
        self._running: dict[bytes, tuple[Opened, int]] = {}

    def turn(self) -> None:
        """One turn of the event loop: many calls move on, one flush, then what clients see."""
        room = _MOST_RUNNING - len(self._running)
        promises = [self._begin() for _ in range(min(room, self._chance.randrange(12)))]
        moving = min(len(self._running), self._chance.randrange(24))
        promises += [
            self._go_on(event_id) for event_id in self._chance.sample(list(self._running), moving)
        ]
        # The file has the frames before the socket has the bytes, as in the gateway.
        self._journal.when_durable(lambda is_safe: _say(promises) if is_safe else None)
        self._journal.flush()

    def end_all(self) -> None:
        promises = [self._end(event_id) for event_id in list(self._running)]
        self._journal.when_durable(lambda is_safe: _say(promises) if is_safe else None)
        self._journal.flush()

    def _begin(self) -> str:
        opened = opened_call(
            event_id=uuid7_bytes(),
            at_us=time.time_ns() // 1000,
            organization_id=f"org_{self._chance.randrange(5)}",
            key_id=f"key_{self._chance.randrange(5)}",
            model=f"model-{self._chance.randrange(3)}",
            input_tokens_estimate=self._chance.randrange(2000),
        )
        self._journal.append(opened)
        self._running[opened.event_id] = (opened, 0)
        return f"open {opened.event_id.hex()}\n"

    def _go_on(self, event_id: bytes) -> str:
        if self._chance.random() < 0.7:
            return self._end(event_id)
        opened, tokens = self._running[event_id]
        tokens += self._chance.randrange(1, 512)
        self._running[event_id] = (opened, tokens)
        self._journal.append(progress_of(opened, tokens))
        return f"progress {event_id.hex()} {tokens}\n"

    def _end(self, event_id: bytes) -> str:
        opened, tokens = self._running.pop(event_id)
        if self._chance.random() < 0.02:
            # A fault in the gateway itself: the call never gets its end.
            return ""
        tokens += self._chance.randrange(100)
        outcome = self._chance.choice([Outcome.COMPLETED, Outcome.CANCELLED, Outcome.FAILED])
        event = end_of(opened, output_tokens=tokens, outcome=outcome)
        self._journal.append(event)
        return f"end {event_id.hex()} {tokens} {event.cost_nanos}\n"


def _say(promises: list[str]) -> None:
    data = "".join(promises).encode()
    while data:
        data = data[os.write(1, data) :]


async def _run(folder: Path, seed: int, durability: Durability) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(0, lambda: stop.set() if not os.read(0, 100) else None)
    # Small segments, so that kills fall between two of them as well.
    journal = Journal.open(folder, node="crash", durability=durability, segment_bytes=200_000)
    gateway = ActingGateway(journal, random.Random(seed))
    _say(["ready\n"])
    while not stop.is_set():
        gateway.turn()
        await asyncio.sleep(_TURN_S)
    gateway.end_all()
    await journal.close()


if __name__ == "__main__":
    asyncio.run(
        _run(Path(sys.argv[1]), int(sys.argv[2]), "disk" if sys.argv[3] == "disk" else "process")
    )
