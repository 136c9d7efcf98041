"""Whether the packaged llama-server runs on this machine: facts read here, judged by a pure rule.

The packaged program is one build for one kind of processor. It was made on a machine with AVX-512
and its libraries use those instructions without asking (found by disassembly; started on an
emulated AVX2 processor it dies of SIGILL while it loads the model). So AVX2 is not enough.
"""

import os
import platform
import site
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tradewind.core.errors import StartupError

OPENMP = "libgomp.so.1"
WAY_OUT = "set TRADEWIND_LLAMA_SERVER to a llama-server of your own, or use a provider"
# The names of /proc/cpuinfo for what the build was compiled with and uses on the way to an answer.
# It also has AMX and bfloat16 code, which it asks for at run time or only uses for such models.
REQUIRED_CPU_FLAGS = (
    "avx2",
    "fma",
    "f16c",
    "bmi2",
    "avx512f",
    "avx512bw",
    "avx512cd",
    "avx512dq",
    "avx512vl",
    "avx512vbmi",
    "avx512_vnni",
    "avx_vnni",
)
REQUIRED_GLIBC = (2, 35)
_LIBRARY_FOLDERS = (
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/usr/local/lib",
)
_CPUINFO_BYTES = 64 * 1024


class MachineFacts(NamedTuple):
    machine: str
    """As `uname -m` says it."""
    cpu_flags: frozenset[str]
    glibc: tuple[int, int] | None
    """None where the C library is another."""
    has_openmp: bool


def refusal(facts: MachineFacts) -> StartupError | None:
    """Return why the packaged llama-server cannot run on such a machine, or None if it can."""
    if facts.machine not in ("x86_64", "amd64"):
        return StartupError(
            f"the packaged llama-server is for x86-64 processors, this is {facts.machine}",
            hint=WAY_OUT,
        )
    if facts.glibc is None or facts.glibc < REQUIRED_GLIBC:
        found = "another C library" if facts.glibc is None else "glibc {}.{}".format(*facts.glibc)
        return StartupError(
            f"the packaged llama-server needs glibc 2.35 or newer, this machine has {found}",
            hint=WAY_OUT,
        )
    missing = [flag for flag in REQUIRED_CPU_FLAGS if flag not in facts.cpu_flags]
    if missing:
        return StartupError(
            f"this processor lacks {_few(missing)}, which the packaged llama-server needs",
            hint=WAY_OUT,
        )
    if not facts.has_openmp:
        return StartupError(
            f"the packaged llama-server needs the library {OPENMP}",
            hint="apt-get install libgomp1",
        )
    return None


def read_facts() -> MachineFacts:
    """Return the facts of this machine. About 1 ms; loads and starts nothing."""
    return MachineFacts(
        platform.machine(),
        _cpu_flags(Path("/proc/cpuinfo")),
        _glibc(),
        has_system_openmp() or bundled_openmp() is not None,
    )


def has_system_openmp() -> bool:
    """Say whether the dynamic loader finds OpenMP by itself."""
    try:
        if OPENMP.encode() + b"\0" in Path("/etc/ld.so.cache").read_bytes():
            return True
    except OSError:
        pass  # no cache: the loader then looks in its standard folders, as we do
    return any(Path(folder, OPENMP).exists() for folder in _LIBRARY_FOLDERS)


def bundled_openmp(folders: Sequence[str] | None = None) -> Path | None:
    """Return an OpenMP library that lies inside an installed package, as many wheels carry one.

    `folders` is where packages are installed; this interpreter's by default.
    """
    for folder in (*site.getsitepackages(), *sys.path) if folders is None else folders:
        if folder and (found := sorted(Path(folder).glob("*.libs/libgomp*.so.1*"))):
            return found[0].resolve()
    return None


def _cpu_flags(cpuinfo: Path) -> frozenset[str]:
    try:
        with cpuinfo.open("rb") as stream:
            text = stream.read(_CPUINFO_BYTES).decode("ascii", "replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return frozenset(value.split())
    return frozenset()


def _glibc() -> tuple[int, int] | None:
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
        major, minor = version.split(".")[:2]
        return (int(major), int(minor)) if name == "glibc" else None
    except ValueError:
        return None


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
