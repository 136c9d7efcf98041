"""Which targets rest, by how their calls ended. Passive: no call is made to find out.

A target *rests* after three failures in a row, or at once when nobody is there: 2 s, then double
each time, up to 60 s; 30 s when it is not set up right. When the time is up it is *due*: exactly
one call, the probe, goes to it, and the others only after that one has had its first byte. A *busy*
target (429, 503) is healthy; it goes behind the others for as long as it asked for. What began
before a rest says nothing of the target after it. Kept by replica, so that a restarted one starts
anew.
"""

from enum import IntEnum

from tradewind.gateway.routing.ask import AttemptResult

FAILURES_BEFORE_REST = 3
FIRST_REST_S = 2.0
LONGEST_REST_S = 60.0
MISCONFIGURED_REST_S = 30.0
BUSY_S = 1.0
"""For a target that does not say how long it is busy."""
LONGEST_BUSY_S = 60.0
MOST_RECORDS = 1024

_BAD = frozenset({AttemptResult.FAILED, AttemptResult.UNREACHABLE, AttemptResult.MISCONFIGURED})


class Level(IntEnum):
    """Lower is better."""

    FIT = 0
    BUSY = 1
    RESTING = 2


class _Record:
    """What is known of one target that is not simply well."""

    __slots__ = (
        "busy_since",
        "busy_until",
        "failures",
        "probe",
        "rest_s",
        "rested_at",
        "until",
    )

    def __init__(self) -> None:
        self.failures = 0
        """In a row, since it last rested."""
        self.rest_s = 0.0
        """How long its last rest was; 0 when it does not rest."""
        self.rested_at = 0.0
        self.until = 0.0
        self.probe: float | None = None
        """When the call that is its probe was started; None when there is none."""
        self.busy_since = 0.0
        self.busy_until = 0.0


class Health:
    """`now` is one steady clock's, in seconds."""

    __slots__ = ("rests", "unwell")

    def __init__(self) -> None:
        self.unwell: dict[str, _Record] = {}
        """Targets that are not simply well. Commonly empty, and then nothing need be asked."""
        self.rests = 0
        """How often a target was sent to rest."""

    def level(self, replica: str, now: float) -> Level:
        record = self.unwell.get(replica)
        if record is None:
            return Level.FIT
        if record.rest_s and (record.probe is not None or now < record.until):
            return Level.RESTING
        return Level.BUSY if now < record.busy_until else Level.FIT

    def is_due(self, replica: str, now: float) -> bool:
        """Tell whether the next call to this target is its probe."""
        record = self.unwell.get(replica)
        return (
            record is not None
            and record.rest_s > 0
            and record.probe is None
            and now >= record.until
        )

    def rests_until(self, replica: str) -> float:
        record = self.unwell.get(replica)
        return 0.0 if record is None else record.until

    def started(self, replica: str, now: float) -> None:
        """A call is sent to it. The first after its rest is the probe."""
        if self.unwell and self.is_due(replica, now):
            self.unwell[replica].probe = now

    def answered(self, replica: str, started: float) -> None:
        """A call that started then got an answer, or the first byte of one: the target is well."""
        record = self.unwell.get(replica)
        if record is None or (record.rest_s and started < record.rested_at):
            return
        if started < record.busy_since:
            record.failures = 0
            record.rest_s = 0.0
            record.probe = None
        else:
            del self.unwell[replica]

    def ended(
        self,
        replica: str,
        result: AttemptResult,
        *,
        started: float,
        now: float,
        retry_after_s: float | None = None,
    ) -> None:
        """Learn from an attempt that ended now. `started` is what `started` was told, exactly: the
        probe is known by it.
        """
        if result is AttemptResult.OK:
            self.answered(replica, started)
            return
        record = self.unwell.get(replica)
        if record is not None and record.rest_s:
            if started < record.rested_at:
                return
            if started == record.probe:
                record.probe = None
            elif result in _BAD:
                # Sent to it because everything rested: not what its rest waits for.
                return
        if result is AttemptResult.CALLER:
            return
        if record is None:
            record = self._new_record(replica)
        if result is AttemptResult.BUSY:
            busy_s = BUSY_S if retry_after_s is None else min(retry_after_s, LONGEST_BUSY_S)
            record.busy_since = now
            record.busy_until = now + busy_s
            record.failures = 0
            record.rest_s = 0.0
            record.probe = None
            return
        record.failures += 1
        if (
            record.rest_s
            or record.failures >= FAILURES_BEFORE_REST
            or result is AttemptResult.UNREACHABLE
        ):
            self._rest(record, result, now)

    def _rest(self, record: _Record, result: AttemptResult, now: float) -> None:
        if result is AttemptResult.MISCONFIGURED:
            rest_s = MISCONFIGURED_REST_S
        elif record.rest_s:
            rest_s = min(2 * record.rest_s, LONGEST_REST_S)
        else:
            rest_s = FIRST_REST_S
        record.rest_s = rest_s
        record.rested_at = now
        record.until = now + rest_s
        record.failures = 0
        self.rests += 1

    def _new_record(self, replica: str) -> _Record:
        records = self.unwell
        if len(records) >= MOST_RECORDS:
            # The oldest is most likely of a replica that is long gone.
            del records[next(iter(records))]
        record = records[replica] = _Record()
        return record
