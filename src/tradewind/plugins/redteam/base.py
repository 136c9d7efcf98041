"""What a tool is, the job it is given and the lines it tells. The program's side is in `drivers`,
which imports nothing of this.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from tradewind.core.errors import InvalidInput

DATA = Path(__file__).resolve().parent / "data"
DRIVERS = Path(__file__).resolve().parent / "drivers"
MODEL_FREE = "none"
LONGEST_LINE_BYTES = 64 * 1024

Outcome = Literal["success", "failure", "blocked", "error", "undetermined"]


class Seed(msgspec.Struct, frozen=True):
    value: str
    harm: str
    dataset: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a driver is asked for; it goes to its standard input as JSON, so that the key is in no
    command line and no environment.
    """

    evidence: str
    """The SQLite file; a second run goes on from it."""
    endpoint: str
    key: str
    target: str
    attacker: str = ""
    judge: str = ""
    datasets: tuple[str, ...] = ()
    seeds: tuple[Seed, ...] = ()
    converters: tuple[str, ...] = (MODEL_FREE,)
    strategies: tuple[str, ...] = ("prompt_sending",)
    scorer: str = "refusal"
    filters: tuple[bool, ...] = (True, False)
    per_harm: int = 10
    most_attacks: int = 1_000
    seed: int = 0
    max_turns: int = 5
    max_tokens: int = 256
    concurrency: int = 2
    budget_tokens: int = 0
    tokens_used: int = 0
    labels: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"Job(target={self.target!r})"


class Planned(msgspec.Struct, frozen=True, tag_field="kind", tag="plan"):
    attacks: int
    tool: str
    """Name and version of what attacks."""


class Attacked(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="attack"):
    key: str
    harm: str
    strategy: str
    converter: str
    is_filtered: bool
    outcome: Outcome
    turns: int = 0
    retries: int = 0
    milliseconds: int = 0
    conversation: str = ""
    detail: str = ""
    tokens: int = 0
    tokens_of_all: int = 0
    """Spent so far by the run, tries again included."""


class Said(msgspec.Struct, frozen=True, tag_field="kind", tag="progress"):
    text: str


class Ended(msgspec.Struct, frozen=True, tag_field="kind", tag="end"):
    reason: Literal["done", "budget"]
    tokens: int = 0


class Failed(msgspec.Struct, frozen=True, tag_field="kind", tag="failed"):
    error: str


Line = Planned | Attacked | Said | Ended | Failed
_lines = msgspec.json.Decoder(Line)


def read_line(raw: bytes) -> Line:
    """Raises InvalidInput for what no driver of ours writes."""
    if len(raw) > LONGEST_LINE_BYTES:
        raise InvalidInput("a line of the driver is too long")
    try:
        return _lines.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"a line of the driver cannot be read: {error}") from error


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """What a campaign by a tool can choose from. The drivers' `--describe` writes the files."""

    version: str
    datasets: dict[str, dict[str, int]]
    """How many seeds of each harm a data set has."""
    converters: tuple[str, ...]
    converters_of_models: tuple[str, ...] = ()
    """Those that ask the attacker."""
    strategies: tuple[str, ...]
    strategies_of_models: tuple[str, ...] = ()
    """Those of several turns: they ask the attacker, and mostly the judge too."""
    scorers: tuple[str, ...]
    scorers_of_models: tuple[str, ...] = ()
    """Those that ask the judge."""
    templates: int = 0
    takes_seeds: bool = True
    """Whether it asks what it is handed, and not only what it brings along."""


class RedTeamTool(Protocol):
    """A member of the family."""

    @property
    def name(self) -> str: ...

    @property
    def environment(self) -> str | None:
        """The list of packages it runs with; None is our own interpreter."""
        ...

    @property
    def catalog(self) -> Catalog: ...

    def command(self, python: Path) -> tuple[str, ...]:
        """Return the driver's command line."""
        ...

    def environ(self, folder: Path) -> dict[str, str]:
        """Return what its environment holds, and nothing else: none of our settings. `folder` is
        the campaign's own, for whatever the tool writes beside its evidence.
        """
        ...


@cache
def catalog_of(name: str) -> Catalog:
    return msgspec.json.decode((DATA / f"{name}.json").read_bytes(), type=Catalog)


def environ_for(folder: Path, **more: str) -> dict[str, str]:
    """Return an environment in which no library reaches for a hub or for somebody's home."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "xdg"),
        "XDG_CONFIG_HOME": str(folder / "xdg"),
        "XDG_CACHE_HOME": str(folder / "xdg"),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
        **more,
    }


def encode_job(job: Job) -> bytes:
    """Return the one line that a driver reads."""
    told: dict[str, Any] = msgspec.to_builtins(job)
    return json.dumps(told).encode() + b"\n"
