"""Would this call be admitted now? Answered from the numbers that admit; nothing is taken."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from tradewind.core.money import format_nanos
from tradewind.gateway.admission.base import Ask
from tradewind.gateway.admission.budgets import Budgets
from tradewind.gateway.admission.chain import Chain, Limit, Unit
from tradewind.gateway.admission.headers import Standing, standings
from tradewind.gateway.admission.lease import worst_case
from tradewind.gateway.admission.rates import wait_s
from tradewind.gateway.admission.store import Reading
from tradewind.snapshot.contents import Budget


class Decision(StrEnum):
    ADMIT = "admit"
    WAIT = "wait"
    NEVER = "never"
    """Not as things are: no wait is known that suffices."""


class Spendable(NamedTuple):
    """One budget at one moment, as this gateway knows it."""

    budget: Budget
    left_nanos: int | None
    """None is not known here: nothing was spent of it lately."""
    binds: bool


class Checked(NamedTuple):
    decision: Decision
    wait_s: float
    binding: Limit | Budget | None
    limits: list[Standing]
    budgets: list[Spendable]

    def body(self) -> bytes:
        """Return the JSON of the answer."""
        binding = self.binding
        return msgspec.json.encode(
            {
                "decision": self.decision.value,
                "wait_ms": -(-int(self.wait_s * 1_000_000) // 1000),
                "binding": None
                if binding is None
                else _budget(binding)
                if isinstance(binding, Budget)
                else _limit(binding),
                "chain": [
                    _limit(each.limit) | {"remaining": each.remaining, "reset_ms": each.reset_ms}
                    for each in self.limits
                ]
                + [
                    _budget(each.budget)
                    | {
                        "remaining": None
                        if each.left_nanos is None
                        else format_nanos(each.left_nanos)
                    }
                    for each in self.budgets
                ],
            }
        )


def check(
    ask: Ask,
    chain: Chain,
    tokens: int,
    *,
    readings: Sequence[Reading],
    budgets: Budgets,
    now: float,
) -> Checked:
    """Return what would become of a call that reserves so many tokens."""
    limits = standings(readings, now)
    spendable = _spendable(ask, chain, budgets)
    if chain.closed is not None:
        return Checked(Decision.NEVER, 0.0, chain.closed, limits, spendable)
    if tokens > chain.most_tokens:
        return Checked(Decision.NEVER, 0.0, chain.narrowest, limits, spendable)
    for each in spendable:
        if each.binds:
            return Checked(Decision.NEVER, 0.0, each.budget, limits, spendable)
    longest, binding = _longest_wait(readings, tokens, now)
    decision = Decision.WAIT if binding is not None else Decision.ADMIT
    return Checked(decision, longest, binding, limits, spendable)


def _longest_wait(
    readings: Sequence[Reading], tokens: int, now: float
) -> tuple[float, Limit | None]:
    longest, binding = 0.0, None
    for reading in readings:
        scope, calls = reading.scope, reading.calls
        requests_arrival, tokens_arrival = reading.requests_arrival, reading.tokens_arrival
        waits: list[tuple[Unit, float]] = []
        if scope.request_s:
            waits.append((Unit.REQUESTS, wait_s(requests_arrival, scope.request_s, now)))
        if scope.token_s:
            waits.append((Unit.TOKENS, wait_s(tokens_arrival, tokens * scope.token_s, now)))
        for unit, wait in waits:
            if wait > longest:
                longest, binding = wait, scope.limit(unit)
        most = scope.concurrent_requests
        if binding is None and most is not None and calls >= most:
            binding = scope.limit(Unit.CALLS)
    return longest, binding


def _spendable(ask: Ask, chain: Chain, budgets: Budgets) -> list[Spendable]:
    worst = worst_case(ask)
    found: list[Spendable] = []
    for budget in chain.budgets:
        left, is_spent = budgets.standing_of(budget)
        binds = is_spent or budget.currency != worst.currency
        found.append(Spendable(budget, left, binds and bool(worst.whole_nanos)))
    return found


def _limit(limit: Limit) -> dict[str, Any]:
    named: dict[str, Any] = {"scope": limit.kind.value, "id": limit.id}
    if limit.model:
        named["model"] = limit.model
    return named | {"limit": limit.amount, "unit": limit.unit.value}


def _budget(budget: Budget) -> dict[str, Any]:
    return {"scope": "budget", "id": budget.id, "name": budget.name, "unit": budget.currency}
