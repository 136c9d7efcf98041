"""What a model takes of a machine, as a sum. Pure, and an estimate: see `Fit`.

The key-value cache of llama.cpp has, for each token of each slot, one key and one value of every
layer: `layers x key-value heads x (key length + value length) x 2 bytes` (f16), all of it written
to when the engine starts. Checked against measurements of SmolLM2 135M Q4_1 (30 layers, 3
key-value heads of 64): 873 MiB with 4 slots of 8,192 tokens, 511 MiB with 2, 195 MiB with one of
2,048. What is left when weights and cache are taken off is 56 to 58 MiB: the overhead below.
"""

from enum import StrEnum

import msgspec

MIB = 1024 * 1024
KEPT_PROMPTS_BYTES = 256 * MIB
"""What llama-server may keep of earlier prompts, as it is started here. It grows with use."""
_CACHE_BYTES = 2
_PROGRAM_BYTES = 48 * MIB
# Activations of one batch: a few rows as wide as the model, in f32.
_BATCH_TOKENS = 512
_ROWS = 8
_FLOAT_BYTES = 4
# Of what is free: the system and other programs need room to move, and an estimate errs.
_FITS_UP_TO = 0.80
_TIGHT_UP_TO = 0.95


class Verdict(StrEnum):
    FITS = "fits"
    TIGHT = "tight"
    DOES_NOT_FIT = "does_not_fit"


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says of a model, as far as memory goes."""

    layers: int | None = None
    key_value_heads: int | None = None
    key_length: int | None = None
    value_length: int | None = None
    heads: int | None = None
    embedding_length: int | None = None
    is_encoder: bool = False
    """It reads a text at once and keeps no cache, as BERT does."""


class Machine(msgspec.Struct, frozen=True):
    """What this machine has."""

    memory_bytes: int
    available_bytes: int
    cores: int


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """An estimate, with the numbers it was made of. Bytes."""

    weights_bytes: int
    cache_bytes: int | None
    """Of keys and values; None when the file does not tell its shape."""
    cache_token_bytes: int | None
    overhead_bytes: int
    replica_bytes: int
    """The sum of these."""
    replicas: int
    """That are to be added."""
    total_bytes: int
    kept_prompts_bytes: int
    """Not in the sum: it comes with use, and up to so much."""
    available_bytes: int
    memory_bytes: int
    context_tokens: int
    slots: int
    threads: int
    cores: int
    verdict: Verdict
    reasons: tuple[str, ...]
    """Why it is not a plain yes, in words."""


def estimate(
    *,
    weights_bytes: int,
    shape: Shape,
    context_tokens: int,
    slots: int,
    threads: int,
    replicas: int,
    machine: Machine,
) -> Fit:
    """Return what `replicas` more of such replicas take of the machine."""
    token_bytes = cache_token_bytes(shape)
    cache = None if token_bytes is None else token_bytes * context_tokens * slots
    overhead = _overhead(shape, context_tokens)
    replica = weights_bytes + (cache or 0) + overhead
    total = replica * replicas
    kept = 0 if shape.is_encoder else KEPT_PROMPTS_BYTES * replicas
    verdict, reasons = _judge(
        total=total,
        kept=kept,
        threads=threads * replicas,
        machine=machine,
        is_cache_known=cache is not None,
    )
    return Fit(
        weights_bytes=weights_bytes,
        cache_bytes=cache,
        cache_token_bytes=token_bytes,
        overhead_bytes=overhead,
        replica_bytes=replica,
        replicas=replicas,
        total_bytes=total,
        kept_prompts_bytes=kept,
        available_bytes=machine.available_bytes,
        memory_bytes=machine.memory_bytes,
        context_tokens=context_tokens,
        slots=slots,
        threads=threads,
        cores=machine.cores,
        verdict=verdict,
        reasons=tuple(reasons),
    )


def with_room(fit: Fit, freed_bytes: int) -> Fit:
    """Return the same estimate on this machine once so much more of it is free."""
    machine = Machine(
        fit.memory_bytes, min(fit.memory_bytes, fit.available_bytes + freed_bytes), fit.cores
    )
    verdict, reasons = _judge(
        total=fit.total_bytes,
        kept=fit.kept_prompts_bytes,
        threads=fit.threads * fit.replicas,
        machine=machine,
        is_cache_known=fit.cache_bytes is not None,
    )
    return msgspec.structs.replace(
        fit, available_bytes=machine.available_bytes, verdict=verdict, reasons=tuple(reasons)
    )


def cache_token_bytes(shape: Shape) -> int | None:
    """Return what one token takes in the key-value cache; None when the file does not say.

    A model whose layers look back over a window only takes less than this.
    """
    if shape.is_encoder:
        return 0
    heads = shape.key_value_heads or shape.heads
    if not shape.layers or not heads:
        return None
    length = None
    if shape.embedding_length and shape.heads:
        length = shape.embedding_length // shape.heads
    key, value = shape.key_length or length, shape.value_length or length
    if not key or not value:
        return None
    return shape.layers * heads * (key + value) * _CACHE_BYTES


def _overhead(shape: Shape, context_tokens: int) -> int:
    width = shape.embedding_length or 4096
    # An encoder computes a text in one piece, with every token looking at every other one.
    batch = max(context_tokens, _BATCH_TOKENS) if shape.is_encoder else _BATCH_TOKENS
    looks = (shape.heads or 1) * batch * batch * _FLOAT_BYTES if shape.is_encoder else 0
    return _PROGRAM_BYTES + batch * width * _ROWS * _FLOAT_BYTES + looks


def _judge(
    *, total: int, kept: int, threads: int, machine: Machine, is_cache_known: bool
) -> tuple[Verdict, list[str]]:
    free = machine.available_bytes
    reasons: list[str] = []
    if total > free * _TIGHT_UP_TO:
        reasons.append("it takes more memory than is free")
        return Verdict.DOES_NOT_FIT, reasons
    if total > free * _FITS_UP_TO:
        reasons.append("it leaves little memory to others")
    elif total + kept > free * _TIGHT_UP_TO:
        reasons.append("with all the prompts that it may keep it leaves little memory to others")
    if threads > machine.cores:
        reasons.append(f"it works with {threads} threads on {machine.cores} cores")
    if not is_cache_known:
        reasons.append("the file does not tell how much each token takes")
    return (Verdict.TIGHT if reasons else Verdict.FITS), reasons
