from pathlib import Path

import pytest

from tradewind.plugins.engines.machine import (
    REQUIRED_CPU_FLAGS,
    MachineFacts,
    bundled_openmp,
    read_facts,
    refusal,
)

GOOD = MachineFacts("x86_64", frozenset(REQUIRED_CPU_FLAGS) | {"sse2"}, (2, 36), has_openmp=True)


def test_machine_with_everything_is_taken():
    assert refusal(GOOD) is None


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (GOOD._replace(machine="aarch64"), "is for x86-64 processors, this is aarch64"),
        (GOOD._replace(glibc=(2, 31)), "needs glibc 2.35 or newer, this machine has glibc 2.31"),
        (GOOD._replace(glibc=None), "this machine has another C library"),
        (GOOD._replace(cpu_flags=GOOD.cpu_flags - {"avx2"}), "this processor lacks avx2"),
        (
            GOOD._replace(cpu_flags=frozenset({"avx2", "fma", "f16c", "bmi2"})),
            "this processor lacks avx512f, avx512bw, avx512cd and 5 more",
        ),
        (GOOD._replace(cpu_flags=frozenset()), "lacks avx2, fma, f16c and 9 more"),
    ],
)
def test_refusal_is_one_line_with_the_way_out(facts: MachineFacts, said: str):
    error = refusal(facts)
    assert error is not None
    assert said in str(error)
    assert "set TRADEWIND_LLAMA_SERVER" in str(error)
    assert "\n" not in str(error)


def test_missing_openmp_says_what_to_install():
    error = refusal(GOOD._replace(has_openmp=False))
    assert error is not None
    assert "apt-get install libgomp1" in str(error)


def test_facts_of_this_machine_are_read():
    facts = read_facts()
    assert facts.machine
    assert facts.machine != "x86_64" or "sse2" in facts.cpu_flags


def test_openmp_inside_an_installed_package_is_found(tmp_path: Path):
    assert bundled_openmp(["", str(tmp_path / "none"), str(tmp_path)]) is None
    library = tmp_path / "some_package.libs" / "libgomp-e985bcbb.so.1.0.0"
    library.parent.mkdir()
    library.write_bytes(b"")
    assert bundled_openmp([str(tmp_path)]) == library
