"""Picks the rows that our own tests carry, from those that no weights were trained on."""

import gzip
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tradewind.serve.safety_training.sources import Row, read_rows
from tradewind.serve.safety_training.training import without_near_duplicates

SEEDS_FILE = "seeds.txt"
HELD_OUT_FILE = "held_out_attacks.jsonl.gz"
_SEEDS = {"s_labs": 20, "neuralchemy": 10, "bastion": 20}
_ATTACKS = {"s_labs": 100, "neuralchemy": 60, "yanismiraoui": 20, "pyrit_templates": 20}
_BENIGN = 20
_LONGEST = 3_000
_SAYS_WHAT_IT_WANTS = re.compile(
    r"ignore|disregard|forget|reveal|system prompt|developer mode|restrict|DAN |guidelines"
    r"|supersede|override",
    re.IGNORECASE,
)
_IS_DISGUISED = re.compile(r"[\d<>|\n]|PWN|PON")


def write_samples(folder: Path, out: Path) -> None:
    """Write the attacks to convert and a sample of held-out rows. The same packages give the same
    files.
    """
    rows = [row for row in without_near_duplicates(read_rows(folder)) if row.split == "test"]
    out.mkdir(parents=True, exist_ok=True)
    (out / SEEDS_FILE).write_text("\n".join(seeds(rows)) + "\n", encoding="utf-8")
    lines = [
        json.dumps({"text": row.text, "attack": row.is_attack, "role": row.role, "of": row.source})
        for row in _sample(rows)
    ]
    with (out / HELD_OUT_FILE).open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        file.write("\n".join(lines).encode() + b"\n")


def seeds(rows: Sequence[Row]) -> list[str]:
    """Return fifty short attacks in plain English, one sentence or two each."""
    left = dict(_SEEDS)
    picked: list[str] = []
    for row in _shuffled(rows):
        is_fit = (
            row.is_attack
            and 40 <= len(row.text) <= 220
            and row.text.isascii()
            and _SAYS_WHAT_IT_WANTS.search(row.text)
            and not _IS_DISGUISED.search(row.text)
        )
        if is_fit and left.get(row.source):
            left[row.source] -= 1
            picked.append(row.text)
    return picked


def _sample(rows: Sequence[Row]) -> list[Row]:
    counts: defaultdict[tuple[str, bool], int] = defaultdict(int)
    picked: list[Row] = []
    for row in _shuffled(rows):
        most = _ATTACKS.get(row.source, 0) if row.is_attack else _BENIGN
        if len(row.text) <= _LONGEST and counts[row.source, row.is_attack] < most:
            counts[row.source, row.is_attack] += 1
            picked.append(row)
    return picked


def _shuffled(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: hashlib.sha256(b"sample" + row.text.encode()).digest())
