"""Data sets that organizations bring along: JSON, CSV and YAML, in PyRIT's format or in Azure's.
Pure; a file is hostile until it is parsed.

PyRIT: an object with `seeds`, each with `value` and perhaps `harm_categories`, and defaults for all
of them beside (https://microsoft.github.io/PyRIT/code/datasets/). Azure's AI Red Teaming Agent: a
list of objects with `messages` and `metadata.target_harms`. CSV: a column `value`, `prompt`, `goal`
or `objective`, and perhaps `harm` or `category`.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

import yaml

from tradewind.features.redteam.errors import SeedsRefused

MOST_BYTES = 4 * 1024 * 1024
MOST_SEEDS = 5_000
LONGEST_SEED = 20_000
OTHER = "other"
_MOST_HARMS = 100
_MOST_YAML_EVENTS = 500_000
_DEEPEST = 40
_TEXTS = ("value", "prompt", "goal", "objective", "text", "content")
_HARMS = ("harm", "harm_category", "harm_categories", "category", "risk_category", "risk-type")
_SAME = {
    "hate_speech": "hate",
    "hate_unfairness": "hate",
    "hateful": "hate",
    "violent": "violence",
    "sexual_content": "sexual",
    "selfharm": "self_harm",
    "suicide": "self_harm",
}


def parse(data: bytes, name: str = "") -> list[tuple[str, str]]:
    """Return pairs of harm and text, each text once. The kind is told by the name's ending, else by
    the content. Raises SeedsRefused.
    """
    if len(data) > MOST_BYTES:
        raise SeedsRefused(f"a data set has at most {MOST_BYTES // 1024**2} MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SeedsRefused("the file is not UTF-8 text") from error
    if "\0" in text:
        raise SeedsRefused("the file is not text")
    kind = name.rsplit(".", 1)[-1].lower() if "." in name else ""
    if kind == "csv":
        found = _of_csv(text)
    elif kind in {"yaml", "yml", "prompt"}:
        found = _of_told(_yaml(text))
    elif kind in {"json", "jsonl"} or text.lstrip()[:1] in {"[", "{"}:
        found = _of_told(_json(text))
    else:
        columns = {each.strip().lower() for each in text.split("\n", 1)[0].split(",")}
        found = _of_csv(text) if columns & {*_TEXTS} else _of_told(_yaml(text))
    pairs = list(dict.fromkeys(found))
    if not pairs:
        raise SeedsRefused(
            "the file has no seeds", hint="see docs/reference/red-team.md for its formats"
        )
    if len(pairs) > MOST_SEEDS:
        raise SeedsRefused(f"a data set has at most {MOST_SEEDS:,} seeds")
    if len({harm for harm, _ in pairs}) > _MOST_HARMS:
        raise SeedsRefused(f"a data set has at most {_MOST_HARMS} harms")
    return pairs


def harm_name(told: object) -> str:
    """Return a harm as reports name it: lower case, and one word for what has several."""
    if isinstance(told, list | tuple):
        listed = cast("list[object]", told)
        told = listed[0] if listed else ""
    if isinstance(told, Mapping):
        told = cast("Mapping[str, object]", told).get("risk-type", "")
    slug = re.sub(r"[^a-z0-9]+", "_", str(told or "").lower()[:80]).strip("_")[:40]
    return _SAME.get(slug, slug) or OTHER


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise SeedsRefused("the JSON is too deep") from error
    except ValueError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) > 1 and lines[0].lstrip().startswith("{"):
            return _json_lines(lines)
        raise SeedsRefused(f"the JSON cannot be read: {error}") from error


def _json_lines(lines: list[str]) -> object:
    try:
        return [json.loads(line) for line in lines[: MOST_SEEDS + 1]]
    except (ValueError, RecursionError) as error:
        raise SeedsRefused(f"the JSON lines cannot be read: {error}") from error


def _yaml(text: str) -> object:
    """Aliases are refused, since a few of them unfold to gigabytes; tags make no objects."""
    depth = 0
    try:
        for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
            if isinstance(event, yaml.AliasEvent):
                raise SeedsRefused("the YAML has aliases, which are not read")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST or count > _MOST_YAML_EVENTS:
                raise SeedsRefused("the YAML is too deep or too long")
        return cast("object", yaml.safe_load(text))
    except (yaml.YAMLError, ValueError) as error:
        raise SeedsRefused(f"the YAML cannot be read: {_first_line(error)}") from error


def _of_csv(text: str) -> Iterable[tuple[str, str]]:
    lines = text.split("\n")
    # PyRIT's own CSV files begin with a line for the version.
    while lines and lines[0].startswith("#"):
        lines.pop(0)
    reader = csv.DictReader(io.StringIO("\n".join(lines)), strict=True)
    try:
        names = {str(each).strip().lower(): each for each in reader.fieldnames or ()}
        column = next((names[each] for each in _TEXTS if each in names), None)
        if column is None:
            raise SeedsRefused("the CSV has no column `value`, `prompt`, `goal` or `objective`")
        of_harm = next((names[each] for each in _HARMS if each in names), None)
        return [
            (harm_name(row.get(of_harm) if of_harm else ""), seed)
            for row in reader
            if (seed := _clean(row.get(column)))
        ]
    except csv.Error as error:
        raise SeedsRefused(f"the CSV cannot be read: {error}") from error


def _of_told(told: object) -> Iterable[tuple[str, str]]:
    defaults: Mapping[str, Any] = {}
    if isinstance(told, Mapping):
        defaults = cast("Mapping[str, Any]", told)
        told = defaults.get("seeds", defaults.get("prompts", defaults.get("data", ())))
    if not isinstance(told, list):
        raise SeedsRefused("the file holds no list of seeds")
    found: list[tuple[str, str]] = []
    for each in cast("list[object]", told)[: MOST_SEEDS + 1]:
        pair = _seed(each, defaults)
        if pair is not None:
            found.append(pair)
    return found


def _seed(told: object, defaults: Mapping[str, Any]) -> tuple[str, str] | None:
    if isinstance(told, str):
        seed = _clean(told)
        return (_harm(defaults), seed) if seed else None
    if not isinstance(told, Mapping):
        return None
    members = cast("Mapping[str, Any]", told)
    if members.get("modality", members.get("data_type", "text")) != "text":
        return None
    messages = members.get("messages")
    if isinstance(messages, list):
        texts = [
            cast("Mapping[str, Any]", each).get("content")
            for each in cast("list[object]", messages)
            if isinstance(each, Mapping)
            and cast("Mapping[str, Any]", each).get("role", "user") == "user"
        ]
        seed = _clean(texts[-1] if texts else "")
        metadata = members.get("metadata")
        known: Mapping[str, Any] = {}
        if isinstance(metadata, Mapping):
            known = cast("Mapping[str, Any]", metadata)
        harm = harm_name(known.get("target_harms") or known.get("target_harm") or _harm(defaults))
        return (harm, seed) if seed else None
    seed = _clean(next((members[each] for each in _TEXTS if each in members), ""))
    harm = _harm(members)
    return ((harm if harm != OTHER else _harm(defaults)), seed) if seed else None


def _harm(members: Mapping[str, Any]) -> str:
    return harm_name(next((members[each] for each in _HARMS if members.get(each)), ""))


def _clean(told: object) -> str:
    return told.strip()[:LONGEST_SEED] if isinstance(told, str) else ""


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
