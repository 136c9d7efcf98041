"""The protocol of the family, and the words that cross its border."""

import re
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

import msgspec

from tradewind.core.errors import InvalidInput
from tradewind.snapshot.contents import Operation

MOST_SLOTS = 1024
MOST_CONTEXT_TOKENS = 16 * 1024 * 1024
MOST_THREADS = 1024
# unix(7): 108 bytes with the zero that ends them.
_SOCKET_PATH_MAX = 107
_REPLICA_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Goes into command lines, and llama-server takes a comma as the start of another name.
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}")
_SECRET = re.compile(r"[A-Za-z0-9_-]{16,256}")


class Engine(Protocol):
    """A member of the family. Thread-safe; one instance serves all its replicas."""

    name: ClassVar[str]
    provider: ClassVar[str]
    """Name of the member of the family `providers` that speaks to its replicas."""

    def check(self) -> None:
        """Return if this engine can run on this machine. Cheap, without side effects.

        Raises StartupError: one line, with the way out.
        """
        ...

    def plan(self, spec: "LaunchSpec", *, replica_id: str, run: Path, secret: str) -> "Launch":
        """Return how to start a replica whose socket and key file lie in `run`. Pure.

        `secret` is the random key that it will ask for. Raises InvalidInput.
        """
        ...

    def start(self, launch: "Launch", log: Path) -> "Process":
        """Start the replica and return at once; it is ready when `probe` says so.

        Raises StartupError when the process could not be started at all.
        """
        ...

    def probe(self, launch: "Launch") -> "Probe":
        """Ask the replica how it is. Takes at most about 2 s and never raises for its state."""
        ...

    def warm_up(self, launch: "Launch", operation: Operation, alias: str) -> "Probe":
        """Have it answer one small question, so that nobody's first call is its first.

        `ready` says that it did. May take minutes with a large model; never raises for its state.
        """
        ...

    def stop(self, process: "Process", grace_s: float) -> "Exit":
        """Ask it to end, kill it after `grace_s`, and wait until it is gone. Idempotent.

        Raises Unavailable when the kernel cannot end it.
        """
        ...


class LaunchSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which model to serve, and how. Check with `checked` before it comes from outside."""

    engine: str
    model_path: Path
    alias: str
    """The name by which the engine knows the model: `upstream_model` of its target."""
    operation: Operation
    context_tokens: int
    """What one request may use, whatever the other slots do."""
    slots: int
    """Requests worked on at once."""
    threads: int = 1
    device: str = "none"
    """`none` is the processor, `auto` is what the engine finds, else the engine's own name."""
    extra_arguments: tuple[str, ...] = ()
    """For what is not planned here. They come first, so they cannot undo address and key."""


class LaunchFile(msgspec.Struct, frozen=True):
    """A file that must be there before the start: `content`, or a link when `link_to` is set.

    Written with mode 0600 and removed after the end; links are left for other replicas.
    """

    path: Path
    content: str = ""
    link_to: Path | None = None


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """A planned start. Holds the key: never log it."""

    argv: tuple[str, ...]
    env: dict[str, str]
    """The whole environment; nothing is inherited, as the platform's own holds secrets."""
    address: str
    """Absolute path of a unix socket, or `127.0.0.1:port`."""
    credential: str
    files: tuple[LaunchFile, ...] = ()


class Probe(NamedTuple):
    """What was seen of a replica just now. `detail` is one line for a person."""

    ready: bool
    detail: str


class Exit(NamedTuple):
    """How a process ended. `status` is its exit status, or minus the number of its signal."""

    status: int
    reason: str
    """One line: what happened and, where the log tells, why."""


class Process(Protocol):
    """A started replica."""

    @property
    def pid(self) -> int: ...

    @property
    def exit(self) -> Exit | None:
        """None while it runs. Known within milliseconds of its end, without asking."""
        ...

    def wait(self, timeout_s: float | None = None) -> Exit | None:
        """Wait for the end; None when the time is over first."""
        ...


class Processes(Protocol):
    """Where replicas run: this machine (`local.LocalProcesses`) or, later, others."""

    def start(self, launch: Launch, log: Path) -> Process:
        """Raises StartupError."""
        ...

    def stop(self, process: Process, grace_s: float) -> Exit:
        """Raises Unavailable."""
        ...


def checked(spec: LaunchSpec, *, replica_id: str, secret: str) -> LaunchSpec:
    """Return `spec` if every engine may rely on it. Raises InvalidInput."""
    if not 1 <= spec.context_tokens <= MOST_CONTEXT_TOKENS:
        raise InvalidInput(f"a context of {spec.context_tokens} tokens cannot be served")
    if not 1 <= spec.slots <= MOST_SLOTS:
        raise InvalidInput(f"{spec.slots} slots cannot be served", hint=f"1 to {MOST_SLOTS}")
    if not 1 <= spec.threads <= MOST_THREADS:
        raise InvalidInput(f"{spec.threads} threads are not possible", hint=f"1 to {MOST_THREADS}")
    if not spec.model_path.is_absolute():
        raise InvalidInput(f"the model's path '{spec.model_path}' is not absolute")
    if not _ALIAS.fullmatch(spec.alias):
        raise InvalidInput(f"{spec.alias[:64]!r} cannot name a model to an engine")
    if not _REPLICA_ID.fullmatch(replica_id):
        raise InvalidInput(f"{replica_id[:64]!r} is not an id of a replica")
    if not _SECRET.fullmatch(secret):
        raise InvalidInput("an engine's key is 16 to 256 characters of A-Z, a-z, 0-9, _ and -")
    if any("\0" in argument for argument in spec.extra_arguments):
        raise InvalidInput("an argument of an engine contains a zero byte")
    return spec


def socket_path(run: Path, replica_id: str) -> Path:
    """Return where a replica listens: `run/engine-<id>.sock`. Raises InvalidInput if too long."""
    path = run / f"engine-{replica_id.removeprefix('rep_')}.sock"
    if not path.is_absolute() or len(bytes(path)) > _SOCKET_PATH_MAX:
        raise InvalidInput(
            f"'{path}' is no path for a socket",
            hint=f"it must be absolute and have at most {_SOCKET_PATH_MAX} bytes",
        )
    return path
