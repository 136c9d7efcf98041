"""What is known of a model, in words, with who says so and since when. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from tradewind.features.catalog.rules.lifecycle import Life, Lifecycle, schedule
from tradewind.features.catalog.schemas import CatalogModel, FactRow
from tradewind.portal import formats

CAPABILITIES = {
    "tools": "Tool calling",
    "structured_output": "Structured output",
    "reasoning": "Reasoning",
    "attachments": "Attachments",
    "temperature": "Temperature",
}
OPERATIONS = {
    "chat": "Chat",
    "completions": "Completions",
    "embeddings": "Embeddings",
    "rerank": "Rerank",
    "moderations": "Moderation",
    "images": "Image generation",
    "image_edits": "Image editing",
    "speech": "Text to speech",
    "transcription": "Speech to text",
    "translation": "Translation",
}
_SOURCES = {
    "models_dev": "models.dev",
    "huggingface": "Hugging Face",
    "openrouter": "OpenRouter",
    "ollama": "Ollama",
    "genai_prices": "genai-prices",
    "mteb": "MTEB",
    "inferred": "inferred from its family",
    "openai_models": "the host's own list",
    "published": "its publisher",
    "operator": "your administrator",
    "builtin": "Tradewind",
}
_STAGES = {
    Lifecycle.PREVIEW: "Preview",
    Lifecycle.GA: "Generally available",
    Lifecycle.LEGACY: "Legacy",
    Lifecycle.DEPRECATED: "Deprecated",
    Lifecycle.RETIRED: "Retired",
}
_STAGE_MEANINGS = {
    Lifecycle.PREVIEW: "It may change and may end soon.",
    Lifecycle.GA: "",
    Lifecycle.LEGACY: "A better one is there; nothing changes yet.",
    Lifecycle.DEPRECATED: "It answers until its last day; nobody deploys it anew.",
    Lifecycle.RETIRED: "Calls are refused and name the replacement.",
}


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    value: str
    source: str
    """Who says so; empty where nobody in particular is known to."""
    observed_on: date | None
    others: Sequence[tuple[str, str]] = ()
    """What other sources say instead: their names and values."""


@dataclass(frozen=True, slots=True)
class Stage:
    label: str
    when: str
    """Empty where no day is told."""
    state: str
    """`past`, `now` or `ahead`."""
    meaning: str


def source_name(source: str) -> str:
    return _SOURCES.get(source, source)


def known_facts(model: CatalogModel, told: Sequence[FactRow]) -> list[Fact]:
    """Return the facts of a model in the order they are read in; unknown ones are left out."""
    by_name: dict[str, list[FactRow]] = {}
    for row in told:
        by_name.setdefault(row.name, []).append(row)
    found: list[Fact] = []
    for name, label in _LABELS.items():
        value = _value(name, getattr(model, name))
        if not value:
            continue
        winner = next((row for row in by_name.get(name, ()) if row.is_winner), None)
        others = tuple(
            (source_name(row.source), other)
            for row in by_name.get(name, ())
            if not row.is_winner and (other := _value(name, _parsed(name, row.value))) != value
        )
        found.append(
            Fact(
                label,
                value,
                "" if winner is None else source_name(winner.source),
                None if winner is None else winner.observed_on,
                others,
            )
        )
    return found


_LABELS = {
    "operation": "Task",
    "context_tokens": "Context",
    "max_output_tokens": "Longest answer",
    "dimensions": "Dimensions",
    "parameters": "Parameters",
    "input_modalities": "Takes",
    "output_modalities": "Gives",
    "capabilities": "Can",
    "open_weights": "Weights",
    "family": "Family",
    "released_on": "Released",
    "knowledge": "Knows until",
}


def _value(name: str, value: Any) -> str:
    if value is None or value in ("", (), []):
        return ""
    match name:
        case "operation":
            return OPERATIONS.get(str(value), str(value))
        case "context_tokens" | "max_output_tokens":
            return f"{formats.count(value)} tokens" if value else ""
        case "dimensions":
            return formats.count(value)
        case "parameters":
            return formats.compact(value)
        case "input_modalities" | "output_modalities":
            return ", ".join(str(one) for one in value)
        case "capabilities":
            return ", ".join(CAPABILITIES.get(str(one), str(one)).lower() for one in value)
        case "open_weights":
            return "open" if value else "closed"
        case "released_on":
            return formats.day(value) if isinstance(value, date) else str(value)
        case _:
            return str(value)


def _parsed(name: str, value: Any) -> Any:
    if name != "released_on" or not isinstance(value, str):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError:
        return value


def lifecycle_label(lifecycle: str) -> str:
    return _STAGES.get(Lifecycle(lifecycle), lifecycle)


def timeline(model: CatalogModel, now: datetime, *, is_kept_here: bool) -> list[Stage]:
    """Return the stages of a model's life: those behind it, where it is, and what may come.

    Of a model whose weights are not here, nobody here has promised any time: for it, no day ahead
    is said but one that was announced.
    """
    state = Lifecycle(model.lifecycle)
    order = list(_STAGES)
    here = order.index(state)
    ahead = _earliest(model, state, now, is_kept_here=is_kept_here)
    stages: list[Stage] = []
    for place, stage in enumerate(order):
        if place < here:
            if stage is Lifecycle.GA and model.released_on is not None:
                stages.append(Stage(_STAGES[stage], formats.day(model.released_on), "past", ""))
            continue
        if place == here:
            when = _since(model, state, is_kept_here=is_kept_here)
            stages.append(Stage(_STAGES[stage], when, "now", _STAGE_MEANINGS[stage]))
            continue
        if stage is Lifecycle.GA and state is Lifecycle.PREVIEW:
            stages.append(Stage(_STAGES[stage], "", "ahead", ""))
            continue
        when = ahead.get(stage, "")
        if when:
            stages.append(Stage(_STAGES[stage], when, "ahead", ""))
    return stages


def _since(model: CatalogModel, state: Lifecycle, *, is_kept_here: bool) -> str:
    if not is_kept_here and state is Lifecycle.GA:
        # When the list was read says nothing of when it came out.
        return formats.day(model.released_on) if model.released_on else ""
    return f"since {formats.day(model.lifecycle_since)}"


def _earliest(
    model: CatalogModel, state: Lifecycle, now: datetime, *, is_kept_here: bool
) -> Mapping[Lifecycle, str]:
    if model.retires_on is not None and state is not Lifecycle.RETIRED:
        told = {Lifecycle.RETIRED: f"on {formats.day(model.retires_on)}"}
        if model.deprecates_on is not None and state is not Lifecycle.DEPRECATED:
            told[Lifecycle.DEPRECATED] = f"on {formats.day(model.deprecates_on)}"
        return told
    if not is_kept_here:
        return {}
    ga_since = None if state is Lifecycle.PREVIEW else model.lifecycle_since
    life = Life(state, model.lifecycle_since, ga_since, model.retires_on)
    plan = schedule(life, now.astimezone(UTC).date())
    if plan is None:
        return {}
    days = {
        Lifecycle.LEGACY: plan.legacy_on,
        Lifecycle.DEPRECATED: plan.deprecated_on,
        Lifecycle.RETIRED: plan.retires_on,
    }
    return {
        stage: f"not before {formats.day(day)}" for stage, day in days.items() if day is not None
    }
