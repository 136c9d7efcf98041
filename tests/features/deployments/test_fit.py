"""What a model takes of a machine, against what was measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.features.deployments.fit import MIB, Machine, Shape, Verdict, estimate

SMOLLM2 = Shape(layers=30, heads=9, key_value_heads=3, embedding_length=576)
SMOLLM2_BYTES = 98_362_432
ROOMY = Machine(24 * 1024 * MIB, 22 * 1024 * MIB, 2)
SHAPES = st.builds(
    Shape,
    layers=st.integers(1, 200),
    heads=st.integers(1, 128),
    key_value_heads=st.integers(1, 128),
    embedding_length=st.integers(1, 32_768),
    is_encoder=st.booleans(),
)


def fit_of(*, context=8192, slots=4, replicas=1, machine=ROOMY, shape=SMOLLM2, threads=1):
    return estimate(
        weights_bytes=SMOLLM2_BYTES,
        shape=shape,
        context_tokens=context,
        slots=slots,
        threads=threads,
        replicas=replicas,
        machine=machine,
    )


# Resident memory of llama-server b10434 once it is ready, in MiB.
@pytest.mark.parametrize(
    ("slots", "context", "measured"), [(4, 8192, 873), (2, 8192, 511), (1, 2048, 195)]
)
def test_the_estimate_is_within_two_percent_of_what_was_measured(slots, context, measured):
    fit = fit_of(slots=slots, context=context)
    assert abs(fit.replica_bytes / MIB - measured) < 0.02 * measured


def test_the_sum_is_that_of_its_parts():
    fit = fit_of(replicas=3)
    assert fit.cache_token_bytes == 30 * 3 * (64 + 64) * 2
    assert fit.cache_bytes == fit.cache_token_bytes * 8192 * 4
    assert fit.replica_bytes == fit.weights_bytes + fit.cache_bytes + fit.overhead_bytes
    assert fit.total_bytes == 3 * fit.replica_bytes


@pytest.mark.parametrize(
    ("available_mib", "verdict"),
    [(4000, Verdict.FITS), (1000, Verdict.TIGHT), (900, Verdict.DOES_NOT_FIT)],
)
def test_the_verdict_follows_what_is_free(available_mib, verdict):
    machine = Machine(24 * 1024 * MIB, available_mib * MIB, 2)
    assert fit_of(machine=machine).verdict is verdict


def test_more_threads_than_cores_are_tight_and_said():
    fit = fit_of(threads=2, replicas=2)
    assert fit.verdict is Verdict.TIGHT
    assert fit.reasons == ("it works with 4 threads on 2 cores",)


def test_a_file_that_does_not_tell_its_shape_is_never_a_plain_yes():
    fit = fit_of(shape=Shape(layers=30))
    assert fit.cache_bytes is None
    assert fit.verdict is Verdict.TIGHT


def test_lengths_that_the_file_names_go_before_what_would_follow_from_its_width():
    shape = Shape(
        layers=18, heads=4, key_value_heads=1, embedding_length=640, key_length=256,
        value_length=256,
    )  # fmt: skip
    assert fit_of(shape=shape).cache_token_bytes == 18 * (256 + 256) * 2


def test_an_encoder_keeps_no_cache():
    fit = fit_of(shape=Shape(layers=6, heads=12, embedding_length=384, is_encoder=True))
    assert (fit.cache_bytes, fit.kept_prompts_bytes) == (0, 0)


@given(SHAPES, st.integers(1, 262_144), st.integers(1, 64), st.integers(0, 16))
def test_more_of_anything_never_takes_less(shape, context, slots, replicas):
    fit = fit_of(shape=shape, context=context, slots=slots, replicas=replicas)
    for more in ({"context": context + 1}, {"slots": slots + 1}, {"replicas": replicas + 1}):
        asked = {"context": context, "slots": slots, "replicas": replicas} | more
        assert fit_of(shape=shape, **asked).total_bytes >= fit.total_bytes
