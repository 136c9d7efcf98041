"""Starts the Schemathesis command against a running API."""

import asyncio
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

EXAMPLES = int(os.environ.get("TRADEWIND_TEST_EXAMPLES", "0"))
"""Of each operation, made by chance. Without it a run is short, and the same every time: what it
finds is then what a change has brought.
"""
_FEW = 3
_CHECKS = (
    "refuses_in_its_own_words",
    # What is answered is what the description says.
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)
_SHORT_RUN = ("--generation-deterministic", "--exclude-path-regex", "^/openai/(?!deployments/)")
_LONG_RUN = ("--generation-database", "none")
_HERE = Path(__file__).parent


class Known(NamedTuple):
    """What there is to name; see `schemathesis_hooks`."""

    ids: Mapping[str, Sequence[str]] = {}
    models: Mapping[str, str] = {}
    is_stranger: bool = False


class Run(NamedTuple):
    status: int
    report: str

    def check(self, *, fewest_cases: int) -> None:
        assert self.status == 0, self.report[-8000:]
        cases = re.search(r"Test cases:\s+(\d+) generated", self.report)
        assert cases is not None
        assert int(cases[1]) > fewest_cases


async def attack(description: bytes, url: str, key: str, known: Known, folder: Path) -> Run:
    """Try every operation of an OpenAPI description with boundary values, wrong types and chance.
    In a short run, paths that are the same routes once more are left out.

    A failed check, a connection that breaks and an answer that does not come make the status bad.
    """
    spec = folder / "openapi.json"
    spec.write_bytes(description)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", str(spec), "--url", url),
        *("--header", f"Authorization: Bearer {key}", "--header", "Content-Language: en"),
        *("--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES or _FEW)),
        *("--checks", ",".join(_CHECKS), "--continue-on-failure", "--warnings", "off"),
        *("--request-timeout", "60", "--max-redirects", "0", "--no-color"),
        *("--suppress-health-check", "all"),
        *(_LONG_RUN if EXAMPLES else _SHORT_RUN),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(_HERE),
            "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
            "TRADEWIND_FUZZ_KNOWN": json.dumps(known._asdict()),
            "PYTHONHASHSEED": "0",
            "COLUMNS": "100",
        },
    )
    said, _ = await process.communicate()
    return Run(process.returncode or 0, said.decode("utf-8", "replace"))
