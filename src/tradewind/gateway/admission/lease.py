"""What this gateway holds of one budget, and what one call may cost. Pure arithmetic in nanos."""
# ruff: noqa: PLR1730  a call of min() costs seven times its comparison, on the hot path

import msgspec

from tradewind.gateway.admission.base import Ask
from tradewind.snapshot.contents import Budget, Operation, Price
from tradewind.wire.leases import LeaseAsk, LeaseGrant

_PRICE_UNITS = 1_000_000
# What a host puts before a conversation by itself (a system prompt, the description of how to call
# tools) is read and billed as input, and is not in the request.
_HIDDEN_INPUT_TOKENS = 1024
_AS_MUCH_AS_IS_FAIR = 1 << 60
_CAPPED = frozenset({Operation.CHAT, Operation.COMPLETIONS})
_OF_OUTPUT = ("audio_output_tokens", "reasoning_tokens")
"""Meters of a part of the output, which may cost more than the rest of it."""
_OF_TOKENS = frozenset({"audio_input_tokens", *_OF_OUTPUT})
_LONGEST_AUDIO_MS_PER_BYTE = 2
"""Speech is coded with no less than 4 kbit/s."""


class WorstCase(msgspec.Struct, frozen=True):
    """The most that a call can cost, as a line in the number of its output tokens."""

    fixed: int
    """Cost of everything but output, in nanos times a million."""
    output_price: int
    """Nanos per million tokens."""
    most_output: int
    """Output tokens over all choices, by what the client and the model allow."""
    least_output: int
    """Fewer make no answer: one token for each choice."""
    can_cap: bool
    """Whether the host can be told to stop earlier."""
    currency: str
    whole_nanos: int
    """The cost with all the output."""

    def nanos(self, output_tokens: int) -> int:
        """Return the cost with so many output tokens, rounded up."""
        return -(-(self.fixed + output_tokens * self.output_price) // _PRICE_UNITS)

    @property
    def least_nanos(self) -> int:
        """What must be there for the call to run at all."""
        return self.nanos(
            min(self.least_output, self.most_output) if self.can_cap else self.most_output
        )

    def output_for(self, nanos: int) -> int:
        """Return how many output tokens an amount pays for, which is at least `least_nanos`."""
        if not self.output_price:
            return self.most_output
        return min(self.most_output, (nanos * _PRICE_UNITS - self.fixed) // self.output_price)


def worst_case(ask: Ask) -> WorstCase:
    """Return the most that a call can cost at its endpoint's price.

    Input is counted by the dearest of its prices, output by what is asked for and can be made, and
    meters by what their units cannot exceed for a request of this length.
    """
    endpoint, choices, most_input = ask.endpoint, ask.choices, ask.most_input
    output_limit = ask.output_limit
    price, context_tokens = endpoint.price, endpoint.context_tokens
    can_cap = output_limit != 0 and endpoint.operation in _CAPPED
    if can_cap:
        most_input += _HIDDEN_INPUT_TOKENS
        if most_input > context_tokens:
            most_input = context_tokens
    dearest = price.input_nanos
    if price.cached_input_nanos > dearest:
        dearest = price.cached_input_nanos
    if price.cache_write_nanos is not None and price.cache_write_nanos > dearest:
        dearest = price.cache_write_nanos
    by_model = endpoint.max_output_tokens
    if output_limit is None:
        # Hosts that add input and wanted output refuse what is longer than the context; for one
        # choice this is what remains of it.
        most_output = max(1, min(by_model, context_tokens - ask.input_estimate)) * choices
    else:
        most_output = by_model * choices
        if most_output > output_limit:
            most_output = output_limit
    output_price = price.output_nanos
    fixed = 0
    if price.meters:
        fixed = _meters(price, ask)
        dearest = max(dearest, price.meters.get("audio_input_tokens", 0))
        output_price = max(output_price, *(price.meters.get(meter, 0) for meter in _OF_OUTPUT))
    fixed += most_input * dearest
    return WorstCase(
        fixed,
        output_price,
        most_output,
        choices,
        can_cap,
        price.currency,
        -(-(fixed + most_output * output_price) // _PRICE_UNITS),
    )


def _meters(price: Price, ask: Ask) -> int:
    most = {
        "requests": 1,
        "images": ask.choices,
        "characters": ask.most_input,
        "audio_ms": ask.most_input * _LONGEST_AUDIO_MS_PER_BYTE,
    }
    return sum(
        nanos * most.get(meter, 1)
        for meter, nanos in price.meters.items()
        if meter not in _OF_TOKENS
    )


class Lease:
    """What one gateway holds of one budget in one period. `granted = used + held + available`."""

    __slots__ = (
        "answered_ticket",
        "asked_ticket",
        "away_until",
        "budget",
        "exhausted_until",
        "gone_until",
        "granted",
        "held",
        "is_asked",
        "is_in_doubt",
        "largest_waiting",
        "leased_elsewhere",
        "left",
        "period_end_ms",
        "period_ms",
        "reported_at",
        "reported_used",
        "used",
        "used_at",
        "waiting",
    )

    def __init__(self, budget: Budget, now: float) -> None:
        self.budget = budget
        self.period_ms: int | None = None
        self.period_end_ms: int | None = None
        self.granted = 0
        self.used = 0
        self.held = 0
        self.waiting = 0
        """What waiting calls would hold."""
        self.largest_waiting = 0
        self.left = 0
        """What nobody held, by the last answer."""
        self.leased_elsewhere = 0
        self.is_asked = False
        self.is_in_doubt = False
        """The last question was not answered: the control plane may have more leased than this."""
        self.asked_ticket = self.answered_ticket = -1
        """Of the newest call that waited when it was last asked, and when that was answered."""
        self.reported_used = 0
        self.reported_at = self.used_at = now
        self.exhausted_until = self.away_until = self.gone_until = 0.0
        """Until when the last answer is believed without asking again."""

    @property
    def available(self) -> int:
        return self.granted - self.used - self.held

    @property
    def is_empty(self) -> bool:
        """Say whether nothing is lost by forgetting it."""
        return not (self.held or self.waiting or self.is_asked or self.is_in_doubt) and (
            self.granted <= self.used == self.reported_used
        )

    def is_over(self, now_ms: int) -> bool:
        return self.period_end_ms is not None and now_ms >= self.period_end_ms

    def ask(self, *, is_returned: bool) -> LeaseAsk:
        """Return what to ask for; `is_returned` is that no more will be wanted for now.

        What lies idle is given back, and from here on it must not be held any more, whatever comes
        of the question: near the end of a budget other gateways would be refused for it. Calls that
        come while it is asked take of what is kept.
        """
        recent = self.used - self.reported_used
        spare = 0 if is_returned else max(4 * recent, self.left // 100)
        # Of many that wait only one is needed: the next answer comes soon, and other gateways have
        # calls that wait too.
        needed = self.held + min(self.waiting, self.largest_waiting)
        needed = max(needed, min(self.granted - self.used, self.held + self.waiting + spare))
        self.granted = min(self.granted, self.used + needed)
        wanted = needed if is_returned else _AS_MUCH_AS_IS_FAIR
        return LeaseAsk(self.budget.id, self.period_ms, self.used, needed, wanted)

    def wait_for(self, nanos: int) -> None:
        """A call waits that would hold so much."""
        self.waiting += nanos
        self.largest_waiting = max(self.largest_waiting, nanos)

    def stop_waiting(self, nanos: int) -> None:
        self.waiting -= nanos
        if not self.waiting:
            self.largest_waiting = 0

    def take_answer(
        self, asked: LeaseAsk, grant: LeaseGrant, now: float, believed_s: float
    ) -> None:
        """Take in the answer to what was asked; "nothing is left" is believed for a while."""
        self.away_until = 0.0
        self.is_in_doubt = False
        self.answered_ticket = self.asked_ticket
        self.reported_used, self.reported_at = asked.used_nanos, now
        if grant.is_gone:
            self.gone_until = now + believed_s
            return
        self.period_ms, self.period_end_ms = grant.period_ms, grant.period_end_ms
        self.granted = grant.granted_nanos
        self.left, self.leased_elsewhere = grant.left_nanos, grant.leased_nanos
        self.exhausted_until = 0.0 if self.left else now + believed_s
