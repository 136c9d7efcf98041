"""What holds of every client alike."""

from collections.abc import Mapping
from typing import Any

from tests.e2e.clients.tls_platform import REQUESTS_A_MINUTE


def expect_berth(arguments: Mapping[str, Any]) -> None:
    """A small model may book any berth, but what it writes fits the schema."""
    assert arguments.keys() == {"harbour", "nights"}
    assert isinstance(arguments["harbour"], str)
    assert isinstance(arguments["nights"], int)


def expect_berth_of_two(arguments: Mapping[str, Any]) -> None:
    """As above, where the schema allows two harbours."""
    expect_berth(arguments)
    assert arguments["harbour"] in ("Oslo", "Lisbon")


def expect_rate_limit(headers: Mapping[str, str]) -> None:
    """A refusal tells the limit, that nothing is left of it, and a wait that one request takes."""
    most_ms = 60_000 // REQUESTS_A_MINUTE
    assert 0 < int(headers["retry-after-ms"]) <= most_ms
    assert 0 < int(headers["retry-after"]) <= most_ms // 1000
    assert headers["x-ratelimit-limit-requests"] == str(REQUESTS_A_MINUTE)
    assert headers["x-ratelimit-remaining-requests"] == "0"
