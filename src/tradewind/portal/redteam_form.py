"""The form of a campaign: what was typed, and the campaign it means."""

from collections.abc import Sequence
from dataclasses import dataclass

from tradewind.core.errors import InvalidInput
from tradewind.features.redteam import rules
from tradewind.features.redteam.schemas import Every, Size, Spec

TOOLS = (
    ("pyrit", "PyRIT: single and several turns, all converters"),
    ("garak", "garak: its own probes"),
    ("fake", "Scripted: eight prompts, to try the set-up"),
)
PACKS = (
    ("easy", "Easy: encodings and jailbreak templates"),
    ("moderate", "Moderate: also rewritten by a model"),
    ("difficult", "Difficult: also conversations of several turns"),
    ("baseline", "Baseline only: the seeds as they are"),
)
SIZES = (
    ("small", "Small: 2 seeds of each harm"),
    ("medium", "Medium: 10"),
    ("large", "Large: 50"),
)
FILTERS = (
    ("both", "Both, so that they can be compared"),
    ("on", "Only with the filter"),
    ("off", "Only without it"),
)
REPEATS = (
    ("", "Once, now"),
    ("daily", "Now, and every day at 03:00 UTC"),
    ("weekly", "Now, and every Monday at 03:00 UTC"),
)
_GARAK_PACKS = {"baseline": 1, "easy": 3, "moderate": 6, "difficult": 100}


@dataclass(frozen=True, slots=True)
class CampaignForm:
    name: str = ""
    target: str = ""
    tool: str = "pyrit"
    datasets: tuple[str, ...] = ("airt_hate", "airt_violence", "airt_sexual", "airt_illegal")
    pack: str = "easy"
    size: str = "small"
    scorer: str = "refusal"
    attacker: str = ""
    judge: str = ""
    filter: str = "both"
    max_tokens: str = "128"
    budget_tokens: str = "2000000"
    repeats: str = ""

    def to_spec(self, strategies: Sequence[str]) -> Spec:
        """`strategies` are those that the tool has. Raises InvalidInput."""
        filters = {"both": (True, False), "on": (True,), "off": (False,)}.get(self.filter)
        if filters is None:
            raise InvalidInput("say with the filter, without it, or both")
        try:
            size = Size(self.size)
        except ValueError as error:
            raise InvalidInput("the size is small, medium or large") from error
        chosen, converters = self._attacks(strategies)
        return Spec(
            tool=self.tool,
            target=self.target,
            attacker=self.attacker,
            judge=self.judge,
            datasets=self.datasets,
            strategies=chosen,
            converters=converters,
            scorer=self.scorer,
            filters=filters,
            per_harm=rules.SIZES[size],
            max_tokens=_number(self.max_tokens, "tokens of an answer"),
            budget_tokens=_number(self.budget_tokens, "tokens of the budget"),
        )

    def _attacks(self, offered: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if self.tool == "garak":
            return tuple(offered[: _GARAK_PACKS.get(self.pack, 1)]), ("none",)
        if self.tool == "fake":
            is_plain = self.pack == "baseline"
            return ("prompt_sending",), ("none",) if is_plain else ("none", "base64", "rot13")
        if self.pack == "baseline":
            return ("prompt_sending",), ("none",)
        if self.pack not in rules.PACKS:
            raise InvalidInput("the pack is baseline, easy, moderate or difficult")
        return rules.of_azure(rules.PACKS[self.pack])

    @property
    def every(self) -> Every | None:
        return Every(self.repeats) if self.repeats in {"daily", "weekly"} else None


def _number(text: str, what: str) -> int:
    try:
        return int(text.replace(",", "").replace(" ", "")[:12])
    except ValueError as error:
        raise InvalidInput(f"{what}: a whole number") from error
