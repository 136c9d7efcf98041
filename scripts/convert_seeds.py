"""Write the attacks that the evasion suite meets: seeds through every text converter of PyRIT.

Runs in PyRIT's own environment, which has nothing of ours:

    PYTHON scripts/convert_seeds.py seeds.txt tests/plugins/checks/converted_attacks.jsonl.gz

where PYTHON is what `serve.environments.ensure_environment(folder, "pyrit", print)` returns.
`seeds.txt` has one attack a line (`serve.safety_training.samples.write_samples` picks them).
Converters that need a model or a network are left out, and the log says so. One line of the result
is one converter: `{"converter": "...", "texts": ["...", ...]}`; the first is the seeds themselves.
"""
# PyRIT is not in the environment that the type checker sees.
# pyright: reportMissingImports=false

import asyncio
import gzip
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyrit.converter as converters
from pyrit.datasets import TextJailBreak
from pyrit.setup import initialize_pyrit_async

_ARGUMENTS = {
    "CaesarConverter": {"caesar_offset": 7},
    "VigenereConverter": {"key": "lemon"},
    "RepeatTokenConverter": {"token_to_repeat": "ok", "times_to_repeat": 12},
    "SuffixAppendConverter": {"suffix": "Thanks, and have a nice day!"},
    "SearchReplaceConverter": {"pattern": " the ", "replace": " teh "},
}
_VARIANTS = {
    "CodeChameleonConverter": [
        {"encrypt_type": kind} for kind in ("reverse", "binary_tree", "odd_even", "length")
    ]
}
_TIMEOUT_S = 20


def _made_of_others() -> dict[str, dict[str, Any]]:
    words = converters.WordProportionSelectionStrategy(proportion=0.5, seed=1)
    return {
        "SelectiveTextConverter": {
            "sub_converter": converters.Base64Converter(),
            "selection_strategy": words,
        },
        "TextJailbreakConverter": {
            "jailbreak_template": TextJailBreak(template_file_name="dan_11.yaml")
        },
    }


def _text_converters() -> Iterator[tuple[str, Any, dict[str, Any]]]:
    given = _ARGUMENTS | _made_of_others()
    for name in sorted(dir(converters)):
        try:
            kind = getattr(converters, name) if name.endswith("Converter") else None
        except ImportError:  # One for pictures, whose libraries were left out.
            continue
        if not isinstance(kind, type) or "text" not in getattr(kind, "SUPPORTED_INPUT_TYPES", ()):
            continue
        if "text" not in kind.SUPPORTED_OUTPUT_TYPES:
            continue
        for arguments in _VARIANTS.get(name, [given.get(name, {})]):
            label = name.removesuffix("Converter")
            if name in _VARIANTS:
                label += f" ({next(iter(arguments.values()))})"
            yield label, kind, arguments


async def _convert(kind: Any, arguments: dict[str, Any], seeds: list[str]) -> list[str]:
    random.seed(1)
    converter = kind(**arguments)
    texts = []
    for seed in seeds:
        async with asyncio.timeout(_TIMEOUT_S):
            converted = await converter.convert_async(prompt=seed)
        texts.append(converted.output_text)
    return texts


async def main(seeds: list[str], target: str) -> None:
    await initialize_pyrit_async("InMemory", load_defaults=False, silent=True)
    lines = [json.dumps({"converter": "", "texts": seeds}, ensure_ascii=True)]
    for label, kind, arguments in _text_converters():
        try:
            texts = await _convert(kind, arguments, seeds)
        # A converter without its model, its network or its library says so in its own way.
        except Exception as error:  # noqa: BLE001
            print(f"left out {label}: {type(error).__name__}: {str(error)[:120]}", file=sys.stderr)
            continue
        lines.append(json.dumps({"converter": label, "texts": texts}, ensure_ascii=True))
    with gzip.GzipFile(target, "wb", mtime=0) as file:
        file.write("\n".join(lines).encode() + b"\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines(), sys.argv[2]))
