"""A replayed hour of calls, on a simulated clock: who is refused was due to be, and who waits as
told gets in.

The calls come as a Poisson stream with answers of very different lengths; the seed is in the name.
"""

import random

import pytest
from admission_parts import PROJECT, Gateway, headers_of, terms_of

from tradewind.snapshot.contents import Limits

MINUTES = 10
REQUESTS, TOKENS = 600, 120_000


def trace(seed, share, *, with_tokens):
    """Yield (seconds since the last call, tokens of the call): together `share` of the quota."""
    source = random.Random(seed)
    sizes = [
        min(2000, max(1, int(source.lognormvariate(4.5, 1.0)))) for _ in range(REQUESTS * MINUTES)
    ]
    if with_tokens:
        scale = TOKENS * MINUTES * share / sum(sizes)
        sizes = [max(1, int(size * scale)) for size in sizes]
    pauses = [source.expovariate(1.0) for _ in sizes]
    per_call = 60.0 / (REQUESTS * share)
    scale = per_call * len(pauses) / sum(pauses)
    return [(pause * scale, size) for pause, size in zip(pauses, sizes, strict=True)]


def gateway_with(*, with_tokens):
    tokens = TOKENS if with_tokens else None
    return Gateway(
        limits=Limits(REQUESTS, tokens, 1000),
        terms=[terms_of(PROJECT, limits=Limits(REQUESTS * 2, tokens and tokens * 2))],
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("with_tokens", [False, True])
def test_at_99_percent_of_the_quota_nobody_is_refused(seed, with_tokens):
    gateway = gateway_with(with_tokens=with_tokens)
    for pause, size in trace(seed, 0.99, with_tokens=with_tokens):
        gateway.loop.turn(pause)
        told = gateway.ask(read=size // 2, write=size - size // 2)
        assert told.is_admitted, told.error.message
        told.admission.settle(size, 0, gateway.loop.time)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("with_tokens", [False, True])
def test_at_120_percent_every_wait_that_is_told_suffices_and_half_of_it_does_not(seed, with_tokens):
    gateway = gateway_with(with_tokens=with_tokens)
    refused = suffices = too_early = tried_half = 0
    for pause, size in trace(seed, 1.2, with_tokens=with_tokens):
        gateway.loop.turn(pause)
        read, write = size // 2, size - size // 2
        told = gateway.ask(read=read, write=write)
        if not told.is_admitted:
            refused += 1
            wait_s = headers_of(told.error.headers)["retry-after-ms"] / 1000
            if wait_s > 0.004:
                tried_half += 1
                gateway.loop.turn(wait_s / 2)
                too_early += not gateway.ask(read=read, write=write).is_admitted
                wait_s /= 2
            gateway.loop.turn(wait_s)
            told = gateway.ask(read=read, write=write)
            suffices += told.is_admitted
        if told.is_admitted:
            told.admission.settle(size, 0, gateway.loop.time)
    assert refused > 100
    assert suffices == refused
    assert too_early == tried_half
