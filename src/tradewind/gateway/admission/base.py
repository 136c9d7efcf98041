"""What a call asks of admission, and what it holds once it is in."""

from typing import Protocol

import msgspec

from tradewind.snapshot.contents import Endpoint, Grant


class Ask(msgspec.Struct, frozen=True):
    """One call that wants to run."""

    grant: Grant
    endpoint: Endpoint
    input_estimate: int
    """Tokens, reckoned from bytes."""
    most_input: int
    """Tokens that the input surely does not exceed: for holds that must never be too small."""
    output_limit: int | None
    """Most output tokens the client wants, over all choices; None is what the model can."""
    queue_s: float = 0.0
    """How long the caller would rather wait than be refused."""
    choices: int = 1
    """Answers that are generated side by side."""


class Admission(Protocol):
    """What an admitted call holds."""

    most_output_tokens: int | None
    """Beyond this, over all choices, the call must be stopped: its budget pays for no more. None is
    no bound.
    """

    def headers(self, now: float) -> bytes:
        """Return the `x-ratelimit-*` lines of this moment, from the numbers that admit."""
        ...

    def settle(self, used_tokens: int, cost_nanos: int, now: float) -> None:
        """End the call: give back what was reserved but not used. Exactly once."""
        ...


class Waiting(Protocol):
    """A call that is not decided yet."""

    def cancel(self) -> None:
        """The caller has gone: neither callback comes any more, and nothing stays taken."""
        ...
