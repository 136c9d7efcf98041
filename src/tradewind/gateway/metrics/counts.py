"""What a call adds to the numbers, and how they are read."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from tradewind.core.errors import StartupError
from tradewind.gateway.metrics.families import (
    ATTEMPTS,
    CALLS,
    DURATION,
    FAILURES,
    FAMILIES,
    FIRST_TOKEN,
    KINDS,
    LOOP_LAG,
    OUTCOMES,
    PER_TOKEN,
    PROCESS,
    QUEUE_WAIT,
    REFUSALS,
    RETRIES,
    SAFETY_FAILURES,
    SAFETY_FINDINGS,
    SAFETY_WAIT,
    TOKENS,
    UNCOUNTED,
    WORKERS,
    Block,
    Part,
)
from tradewind.gateway.metrics.region import LAYOUT, Region, Sibling
from tradewind.gateway.metrics.series import NOWHERE, Series, SeriesList
from tradewind.telemetry.families import Family, Merge, head_of, labels_of, lines_of
from tradewind.telemetry.genai import OTHER_ERROR, operation_name, provider_name
from tradewind.usage.event import Attempt, Outcome, SafetyTrail, Trail, Usage

_MOST_KEPT = 4096
"""Names whose place is kept ready; with more of them all are looked up anew."""
_MOST_CODES = 128
"""Codes of errors; a host that invents them must not take the place of others."""
# As ours are, and those of OpenAI: what else a host puts there may be a key or a sentence.
_CODE = re.compile(r"[a-z][a-z0-9_]{0,47}")
_Key = TypeVar("_Key")


def _places_in(block: Block) -> dict[Part, int]:
    places: dict[Part, int] = {}
    place = 0
    for part in block.parts:
        places[part] = place
        place += part.family.width
    return places


def _place_in_calls(family: Family, *labels: tuple[str, str]) -> int:
    return next(
        place
        for part, place in _places_in(CALLS).items()
        if part.family is family and part.labels[: len(labels)] == labels
    )


# Where a number of a call lies from the beginning of its block.
_DURATION = _place_in_calls(DURATION)
_DURATION_BOUNDS = DURATION.scaled_bounds
_DURATION_SUM = _DURATION + DURATION.width - 1
_FIRST = _place_in_calls(FIRST_TOKEN)
_FIRST_BOUNDS = FIRST_TOKEN.scaled_bounds
_FIRST_SUM = _FIRST + FIRST_TOKEN.width - 1
_PER = _place_in_calls(PER_TOKEN)
_PER_BOUNDS = PER_TOKEN.scaled_bounds
_PER_SUM = _PER + PER_TOKEN.width - 1
_TOKEN_BOUNDS = TOKENS.scaled_bounds
_INPUT, _OUTPUT = (place for part, place in _places_in(CALLS).items() if part.family is TOKENS)
_INPUT_SUM = _INPUT + TOKENS.width - 1
_OUTPUT_SUM = _OUTPUT + TOKENS.width - 1
_COMPLETED, _FAILED = Outcome.COMPLETED, Outcome.FAILED
_ENDED = {
    Outcome(outcome): place
    for outcome, place in zip(
        OUTCOMES, range(CALLS.width - len(OUTCOMES), CALLS.width), strict=True
    )
}


class Metrics:
    """The numbers of one gateway process. Used from the event loop's thread only."""

    def __init__(self, folder: Path | None = None, node: str = "gateway") -> None:
        """`folder` is where the processes of this host meet, each under a `node` of its own.
        Raises StartupError.
        """
        if folder is not None:
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise StartupError(f"the metrics {folder} cannot be used: {error}") from error
        self._region = Region(folder, node)
        self._numbers = self._region.numbers
        self._list = SeriesList(None if folder is None else folder / f"series.{LAYOUT}")
        place = self._list.place_of(PROCESS, ())
        if place is None:
            raise StartupError(f"the list of metrics in {folder} is held by a stopped process")
        self._process = {
            (part.family, part.labels): place + offset
            for part, offset in _places_in(PROCESS).items()
        }
        self._retries = self._process[RETRIES, ()]
        self._queue_wait = self._process[QUEUE_WAIT, ()]
        self._loop_lag = self._process[LOOP_LAG, ()]
        self._safety_wait = self._process[SAFETY_WAIT, ()]
        self._uncounted = self._process[UNCOUNTED, ()]
        self._calls: dict[tuple[str, str, str], int] = {}
        self._failures: dict[tuple[str, str, str, str], int] = {}
        self._attempts: dict[tuple[str, str], int] = {}
        self._refusals: dict[tuple[str, int, str], int] = {}
        self._findings: dict[tuple[str, ...], int] = {}
        self._safety_failures: dict[tuple[str, str], int] = {}
        self._kinds: dict[tuple[Family, str], int] = {}
        self._codes: set[str] = set()
        self._former: dict[int, int] = {}
        """By place: what a process of this name had counted before this one."""
        self.open_streams = 0

    # On the path of a call.

    def add_call(  # noqa: PLR0917  called once, and keywords cost on the hot path
        self,
        operation: str,
        model: str,
        host: str,
        outcome: Outcome,
        usage: Usage,
        first_token_us: int | None,
        duration_us: int,
        is_stream: bool = False,
        trail: Trail | None = None,
    ) -> None:
        """Count a call that was admitted and has ended. `host` is whose host answered."""
        numbers = self._numbers
        block = self._calls.get((operation, host, model))
        if block is None:
            block = self._block_of_calls(operation, host, model)
        numbers[block + _ENDED[outcome]] += 1
        read, written = usage.input_tokens, usage.output_tokens
        if read:
            numbers[block + _INPUT + bisect_left(_TOKEN_BOUNDS, read)] += 1
            numbers[block + _INPUT_SUM] += read
        if written:
            numbers[block + _OUTPUT + bisect_left(_TOKEN_BOUNDS, written)] += 1
            numbers[block + _OUTPUT_SUM] += written
        if is_stream:
            self.open_streams -= 1
            # Without tokens nothing was generated: an answer out of the cache comes at once.
            if outcome is _COMPLETED and written and first_token_us is not None:
                numbers[block + _FIRST + bisect_left(_FIRST_BOUNDS, first_token_us)] += 1
                numbers[block + _FIRST_SUM] += first_token_us
                if written > 1:
                    each = (duration_us - first_token_us) // (written - 1)
                    numbers[block + _PER + bisect_left(_PER_BOUNDS, each)] += 1
                    numbers[block + _PER_SUM] += each
        if outcome is _FAILED:
            code = "" if trail is None else trail.error_code
            block = self._block_of_failures(operation, host, model, code or outcome)
        # A block of failures begins with the duration as well.
        numbers[block + bisect_left(_DURATION_BOUNDS, duration_us)] += 1
        numbers[block + _DURATION_SUM] += duration_us
        if trail is not None:
            attempts = trail.attempts
            for attempt in attempts:
                place = self._attempts.get((attempt.host, attempt.failure))
                if place is None:
                    place = self._place_of_attempts(attempt)
                numbers[place] += 1
            if len(attempts) > 1:
                numbers[self._retries] += len(attempts) - 1
            if trail.queued_us:
                self._observe(self._queue_wait, _DURATION_BOUNDS, trail.queued_us)
            if trail.safety is not None:
                self._add_safety(trail.safety)

    def add_refusal(self, status: int, code: str | None = None, operation: str = "") -> None:
        """Count a call that was not admitted."""
        key = (operation, status, code or "")
        place = self._refusals.get(key)
        if place is None:
            labels = operation_name(operation), str(status), self._code(code or OTHER_ERROR)
            place = self._place(REFUSALS, labels, self._refusals, key)
        self._numbers[place] += 1

    def add_loop_lag(self, lag_us: int) -> None:
        self._observe(self._loop_lag, LOOP_LAG.scaled_bounds, lag_us)

    # What others count, written down now and then.

    def put(self, family: Family, number: int, *labels: tuple[str, str]) -> None:
        """Set a gauge of this process, or how far a counter of one of its parts has come."""
        place = self._process[family, labels]
        if family.kind == "counter":
            number += self._before(place)
        self._numbers[place] = number

    def put_kinds(self, family: Family, kinds: Mapping[str, int]) -> None:
        """Set how far the counters of a part have come since this process started."""
        for kind, number in kinds.items():
            place = self._kinds.get((family, kind))
            if place is None:
                place = self._place(KINDS[family], (kind,), self._kinds, (family, kind))
            if place != NOWHERE:
                self._numbers[place] = self._before(place) + number

    # Reading.

    def exposition(self, of_host: Iterable[tuple[Family, int]] = ()) -> bytes:
        """Return the numbers of all processes of this host in the text format of Prometheus.

        `of_host` are numbers that whoever is scraped knows for all.
        """
        self._list.refresh()
        own = Sibling(is_alive=True, numbers=self._numbers[: self._list.end].tolist())
        processes = [own, *self._region.siblings(self._list.end)]
        lines: dict[Family, list[str]] = {family: [] for family in FAMILIES}
        for series in self._list.series:
            _expose(series, processes, lines)
        alive = sum(each.is_alive for each in processes)
        for state, number in (("alive", alive), ("gone", len(processes) - alive)):
            lines[WORKERS].append(lines_of(WORKERS, labels_of([("state", state)]), [number]))
        for family, number in of_host:
            lines[family].append(lines_of(family, "", [number]))
        return "".join(
            head_of(family) + "".join(found) for family, found in lines.items() if found
        ).encode()

    def close(self) -> None:
        """Let go of the files. What was counted stays in them."""
        self._list.close()
        self._numbers.release()
        self._region.close()

    # What follows is private.

    def _add_safety(self, safety: SafetyTrail) -> None:
        numbers = self._numbers
        for flag in safety.flags:
            key = flag.check, flag.category, flag.direction, flag.action
            place = self._findings.get(key)
            if place is None:
                # A category of somebody's own is named by them.
                category = "custom" if flag.category.startswith("custom:") else flag.category
                labels = flag.check, category, flag.direction, flag.action
                place = self._place(SAFETY_FINDINGS, labels, self._findings, key)
            numbers[place] += 1
        for failure in safety.failures:
            place = self._safety_failures.get(failure)
            if place is None:
                labels = ("policy" if failure[1] == "missing" else failure[0]), failure[1]
                place = self._place(SAFETY_FAILURES, labels, self._safety_failures, failure)
            numbers[place] += 1
        if safety.examined_us:
            self._observe(self._safety_wait, SAFETY_WAIT.scaled_bounds, safety.examined_us)

    def _observe(self, place: int, bounds: tuple[int, ...], value: int) -> None:
        self._numbers[place + bisect_left(bounds, value)] += 1
        self._numbers[place + len(bounds) + 1] += value

    def _place_of_attempts(self, attempt: Attempt) -> int:
        labels = provider_name(attempt.host), attempt.failure or "ok"
        key = (attempt.host, attempt.failure)
        return self._place(ATTEMPTS, labels, self._attempts, key)

    def _block_of_calls(self, operation: str, host: str, model: str) -> int:
        labels = operation_name(operation), provider_name(host), model
        return self._place(CALLS, labels, self._calls, (operation, host, model))

    def _block_of_failures(self, operation: str, host: str, model: str, code: str) -> int:
        key = (operation, host, model, code)
        place = self._failures.get(key)
        if place is None:
            labels = operation_name(operation), provider_name(host), model, self._code(code)
            place = self._place(FAILURES, labels, self._failures, key)
        return place

    def _code(self, code: str) -> str:
        """Return the code of an error as a label. A host's own may be anything."""
        if code not in self._codes:
            if len(self._codes) >= _MOST_CODES or _CODE.fullmatch(code) is None:
                return OTHER_ERROR
            self._codes.add(code)
        return code

    def _place(
        self, block: Block, labels: tuple[str, ...], kept: dict[_Key, int], key: _Key
    ) -> int:
        """Return where a series is, and keep it ready by what it is asked for with."""
        place = self._list.place_of(block, labels)
        if place is None:
            self._numbers[self._uncounted] += 1
            return NOWHERE
        if len(kept) >= _MOST_KEPT:
            kept.clear()
        kept[key] = place
        return place

    def _before(self, place: int) -> int:
        return self._former.setdefault(place, self._numbers[place])


def _expose(series: Series, processes: Sequence[Sibling], lines: dict[Family, list[str]]) -> None:
    block, place = series.block, series.place
    names = [label.name for label in block.labels]
    pairs = list(zip(names, series.labels, strict=True))
    for part in block.parts:
        family = part.family
        width = family.width
        numbers = _merged(family, processes, place, place + width)
        place += width
        if any(numbers) or not block.is_sparse:
            labels = labels_of([*pairs, *part.labels])
            lines[family].append(lines_of(family, labels, numbers))


def _merged(family: Family, processes: Sequence[Sibling], start: int, end: int) -> list[int]:
    """Return the numbers of all processes as one; what is of a moment, of living ones alone."""
    of_each = [
        each.numbers[start:end] for each in processes if each.is_alive or family.kind != "gauge"
    ]
    if len(of_each) == 1:
        return list(of_each[0])
    if family.merge is Merge.SUM:
        return [sum(column) for column in zip(*of_each, strict=True)]
    merge = max if family.merge is Merge.MAX else min
    return [merge(column) for column in zip(*of_each, strict=True)]
