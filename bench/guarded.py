"""What the default safety policy costs: the same gateway with it and without, under the same loads.

The calls are of 1 KB at 16 connections: with pauses, which tells how long one takes, and without,
which tells what one costs. Streams come at 50 tokens a second.
"""

import contextlib
import json
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

from bench.backstage import running_backstage
from bench.gateway import running_gateway
from bench.loads import CHAT_PATH, JsonFigures, load_json, run_load
from bench.mock import Pace, running_mock
from bench.processes import BenchError, pss_mb
from bench.servers import Server
from tradewind.snapshot.safety import Action, CheckUse, Direction, Policy, Rule

CONNECTIONS = 16
STREAMS = 8
_SLOW = Pace(100, 20_000, 5)
"""Of a host: 100 tokens of five bytes, one each 20 ms."""
_PROMPT, _DOCUMENT, _ANSWER = Direction.PROMPT, Direction.DOCUMENT, Direction.COMPLETION
_HARMS = ("hate", "self_harm", "sexual", "violence")
# As migration 1600 writes it.
DEFAULT_POLICY = Policy(
    "policy_bench",
    1,
    "Default",
    rules=(
        *(
            Rule(harm, direction, 6, Action.BLOCK)
            for harm in _HARMS
            for direction in (_PROMPT, _ANSWER)
        ),
        Rule("jailbreak", _PROMPT, 6, Action.BLOCK),
        Rule("indirect_attack", _DOCUMENT, 6, Action.BLOCK),
    ),
    checks=(
        CheckUse("harms", frozenset({_PROMPT, _ANSWER}), 10_000),
        CheckUse("prompt_shield", frozenset({_PROMPT, _DOCUMENT}), 10_000),
        CheckUse("pii", frozenset(Direction), 10_000),
        CheckUse("secrets", frozenset(Direction), 10_000),
        CheckUse("profanity", frozenset({_PROMPT, _ANSWER}), 10_000),
    ),
)


class StreamTimes(NamedTuple):
    ttft_ms_p50: float
    gap_ms_p99: float
    """Between two reads of one stream."""


class GuardedFigures(NamedTuple):
    """Medians over the rounds."""

    added_ms_p50: float
    """To a call, by its median, where connections pause between their calls."""
    saturated_added_ms_p50: float
    """The same where the gateway's core is never idle, so that each call waits for others."""
    added_cpu_us: float
    """Of the gateway, a call."""
    requests_per_s: float
    stream_added_ttft_ms: float
    stream_gap_ms_p99: float
    memory_mb: float
    """More than without the policy, after the load."""

    def as_dict(self) -> dict[str, float]:
        return {name: round(value, 1) for name, value in self._asdict().items()}


def measure_guarded(folder: Path, rounds: int, seconds: int) -> GuardedFigures:
    """Raises BenchError when a call is not answered, or was not looked at."""
    folder.mkdir()
    with contextlib.ExitStack() as stack:
        mock = stack.enter_context(running_mock(folder, _SLOW))
        backstage = stack.enter_context(running_backstage(folder))
        plain, guarded = (
            stack.enter_context(
                running_gateway(place, mock.port, backstage.socket, starts=1, policies=policies)
            ).server
            for place, policies in (
                (_place(folder, "plain"), ()),
                (_place(folder, "guarded"), (DEFAULT_POLICY,)),
            )
        )
        for server in (plain, guarded):
            _calls(server, 1)
        calls: list[tuple[JsonFigures, JsonFigures]] = []
        paced: list[tuple[float, float]] = []
        streams: list[tuple[StreamTimes, StreamTimes]] = []
        for _ in range(rounds):
            calls.append(
                (
                    _calls(plain, seconds),
                    _calls(guarded, seconds),
                )
            )
            paced.append((_paced(plain, seconds), _paced(guarded, seconds)))
            streams.append((_stream(plain), _stream(guarded)))
        memory = pss_mb(guarded.pids[0]) - pss_mb(plain.pids[0])
    added_cpu_us = statistics.median(after.cpu_us - before.cpu_us for before, after in calls)
    if added_cpu_us <= 0:
        raise BenchError("the default policy cost nothing: it did not hold")
    return GuardedFigures(
        added_ms_p50=statistics.median(after - before for before, after in paced),
        saturated_added_ms_p50=statistics.median(
            after.p50_ms - before.p50_ms for before, after in calls
        ),
        added_cpu_us=added_cpu_us,
        requests_per_s=statistics.median(after.requests_per_s for _, after in calls),
        stream_added_ttft_ms=statistics.median(
            after.ttft_ms_p50 - before.ttft_ms_p50 for before, after in streams
        ),
        stream_gap_ms_p99=statistics.median(after.gap_ms_p99 for _, after in streams),
        memory_mb=memory,
    )


def _calls(server: Server, seconds: int) -> JsonFigures:
    # Each with a prompt of its own, or verdicts on it would be remembered.
    return load_json(server, seconds, connections=CONNECTIONS, varies=True)


def _place(folder: Path, name: str) -> Path:
    place = folder / name
    place.mkdir()
    return place


def _paced(server: Server, seconds: int) -> float:
    """Return the median of calls with pauses between them, in milliseconds."""
    result = run_load(
        [
            *(sys.executable, "-m", "bench.paced_client", server.url + CHAT_PATH),
            *("--connections", str(CONNECTIONS), "--duration", str(seconds)),
        ],
        server,
    )
    return result["p50_ms"]


def _stream(server: Server) -> StreamTimes:
    """Read streams of one after the other on a few connections."""
    result = run_load(
        [
            *(sys.executable, "-m", "bench.stream_gaps", server.url + CHAT_PATH),
            *("--streams", str(STREAMS)),
        ],
        server,
    )
    if result["errors"]:
        raise BenchError(f"{server.name} failed: {json.dumps(result)}")
    return StreamTimes(result["ttft_ms_p50"], result["gap_ms_p99"])
