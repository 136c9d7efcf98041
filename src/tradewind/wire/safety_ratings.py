"""Azure's annotations in Gemini's words. Pure.

Sources: "Content filtering annotations" (learn.microsoft.com) and "Safety settings",
`SafetyRating`, `BlockReason` (ai.google.dev).
"""

from collections.abc import Mapping
from typing import Any, cast

_PROBABILITIES = {"safe": "NEGLIGIBLE", "low": "LOW", "medium": "MEDIUM", "high": "HIGH"}
_ORDER = list(_PROBABILITIES.values())
_CATEGORIES = {
    "hate": "HARM_CATEGORY_HATE_SPEECH",
    "sexual": "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "violence": "HARM_CATEGORY_DANGEROUS_CONTENT",
    "self_harm": "HARM_CATEGORY_DANGEROUS_CONTENT",
}


def safety_ratings(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return `safetyRatings` for `content_filter_results`: nothing for categories that Gemini has
    no name for.
    """
    gravest: dict[str, dict[str, Any]] = {}
    for category, name in _CATEGORIES.items():
        found = _object(results.get(category))
        probability = _PROBABILITIES.get(str(found.get("severity")))
        if probability is None:
            continue
        rating = gravest.setdefault(name, {"category": name, "probability": probability})
        if _ORDER.index(probability) > _ORDER.index(rating["probability"]):
            rating["probability"] = probability
        if found.get("filtered") is True:
            rating["blocked"] = True
    return list(gravest.values())


def block_reason(results: Mapping[str, Any]) -> str:
    """Return why a prompt was blocked: `BLOCKLIST` where only that is why."""
    blocked = {name for name, found in results.items() if _object(found).get("filtered") is True}
    return "BLOCKLIST" if blocked == {"custom_blocklists"} else "SAFETY"


def _object(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
