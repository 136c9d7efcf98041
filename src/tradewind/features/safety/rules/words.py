"""A policy in plain English: one sentence for each rule and each check."""

from tradewind.features.safety.schemas import CheckDraft, PolicyContent, RuleDraft
from tradewind.snapshot.safety import Action, Direction, Streaming

_CATEGORIES = {
    "hate": "hate",
    "self_harm": "self-harm",
    "sexual": "sexual content",
    "violence": "violence",
    "jailbreak": "attempts to break the rules of the model",
    "indirect_attack": "instructions that hide in documents",
    "pii": "personal data",
    "secret": "passwords, keys and tokens",
    "profanity": "profanity",
    "protected_material_text": "protected texts",
    "protected_material_code": "protected code",
    "ungrounded_material": "claims that the sources do not support",
    "blocklist": "terms of blocklists",
}
_DIRECTIONS = {
    Direction.PROMPT: "in what the caller writes",
    Direction.DOCUMENT: "in documents and results of tools",
    Direction.COMPLETION: "in what the model says",
}
_ACTIONS = {
    Action.ANNOTATE: "Notes",
    Action.REVIEW: "Puts before a person",
    Action.REDACT: "Takes out",
    Action.BLOCK: "Blocks",
}
_CHECKS = {
    "harms": "hate, self-harm, sexual content and violence",
    "prompt_shield": "attacks on the model",
    "pii": "personal data",
    "secrets": "passwords, keys and tokens",
    "profanity": "profanity",
    "blocklist": "the terms of blocklists",
    "protected_material": "protected texts",
    "groundedness": "claims without support",
    "custom_category": "categories of your own",
}


def words_of_category(category: str) -> str:
    """Return what people call a category."""
    if category.startswith("custom:"):
        return f"what the category {category[7:]!r} describes"
    if category.startswith("pii."):
        return f"personal data ({category[4:].replace('_', ' ')})"
    return _CATEGORIES.get(category, category.replace("_", " "))


def words_of_direction(direction: Direction) -> str:
    return _DIRECTIONS[direction]


def band_of(severity: int) -> str:
    """Return Azure's word for a severity: safe, low, medium or high."""
    return ("safe", "low", "medium", "high")[min(max(severity, 0), 7) // 2]


def words_of_rule(rule: RuleDraft) -> str:
    """As in "Blocks violence from medium (4) on in what the model says"."""
    return (
        f"{_ACTIONS[rule.action]} {words_of_category(rule.category)} from"
        f" {band_of(rule.threshold)} ({rule.threshold}) on {words_of_direction(rule.direction)}"
    )


def words_of_check(check: CheckDraft) -> str:
    """As in "Looks for personal data in what the caller writes; the call is refused when that takes
    longer than 500 ms or fails".
    """
    by_model = check.options.get("endpoint")
    what = _CHECKS.get(check.name)
    if what is None:
        asked = by_model or check.options.get("connection", "")
        what = f"what {check.name} finds" + (f" (asking {asked})" if asked else "")
    where = _listed([words_of_direction(each) for each in Direction if each in check.directions])
    then = "passes, and it is counted," if check.fails_open else "is refused"
    return (
        f"Looks for {what} {where}; the call {then} when that takes longer than"
        f" {check.deadline_ms:,} ms or fails"
    )


def words_of_streaming(streaming: Streaming) -> str:
    if streaming is Streaming.BUFFERED:
        return "Streamed text goes out once it was looked at"
    return "Streamed text goes out at once, and is taken back when something is found"


def words_of_policy(content: PolicyContent) -> list[str]:
    """Return the sentences of a whole policy: rules, then checks, then how it streams."""
    if content.is_empty:
        return ["Looks at nothing and stops nothing"]
    return [
        *map(words_of_rule, content.rules),
        *map(words_of_check, content.checks),
        words_of_streaming(content.streaming),
    ]


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
