"""The rules of webhooks: pure, without clock, database or randomness."""

import re
from collections.abc import Sequence
from datetime import timedelta

from tradewind.core.base_urls import MAX_URL_CHARACTERS, parse_base_url
from tradewind.core.errors import InvalidInput
from tradewind.features.webhooks.schemas import EventKind, EventUrl

DESCRIPTION_MAX = 200
MOST_ATTEMPTS = 11
"""With the waits between them about a day, see `wait_after`."""
FAILING_MAX = timedelta(days=3)
"""A destination that nothing reached for so long is disabled."""
OVERLAP = timedelta(hours=24)
"""For how long a replaced secret goes on signing."""
_FIRST_WAIT_S = 5
_GROWTH = 4
_LONGEST_WAIT_S = 6 * 3600
_JITTER = 0.1
_QUERY = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")


def parse_url(text: str, *, is_private_network: bool) -> EventUrl:
    """Return the parts of a destination's URL. Raises InvalidInput, which never repeats the text:
    a URL may hold a password of the receiver's.
    """
    if len(text) > MAX_URL_CHARACTERS:
        raise InvalidInput(f"the URL is longer than {MAX_URL_CHARACTERS} characters")
    place, question, query = text.partition("?")
    try:
        url = parse_base_url(place)
    except ValueError as error:
        raise InvalidInput(f"the URL {error}", hint="write https://host/path") from error
    if url.scheme != "https" and not is_private_network:
        raise InvalidInput(
            "the URL is not encrypted",
            hint="write https://, or say that the host is in a private network",
        )
    if not _QUERY.fullmatch(query):
        raise InvalidInput("the URL has a query with characters that must be percent-encoded")
    # Unlike the base of an API, it is called as it was typed: with the slash at its end.
    path = url.path + ("/" if place.endswith("/") or not url.path else "")
    return EventUrl(url.scheme, url.host, url.port, path + question + query)


def clean_description(text: str) -> str:
    """Return a description without outer spaces; it may be empty. Raises InvalidInput."""
    description = text.strip()
    if len(description) > DESCRIPTION_MAX or (description and not description.isprintable()):
        raise InvalidInput(f"the description is not up to {DESCRIPTION_MAX} printable characters")
    return description


def clean_kinds(kinds: Sequence[str]) -> list[str]:
    """Return the kinds of events in order and each once. Raises InvalidInput."""
    known = {kind.value for kind in EventKind}
    for kind in kinds:
        if kind not in known:
            raise InvalidInput(
                f"there is no kind of event {kind[:64]!r}",
                hint=f"choose among {', '.join(sorted(known))}",
            )
    if not kinds:
        raise InvalidInput("no kind of event is chosen", hint="choose at least one")
    return sorted(set(kinds))


def wait_after(attempts: int, chance: float, *, retry_after_s: int | None = None) -> timedelta:
    """Return how long to wait after so many failed attempts: 5 s, then four times as long each
    time, up to six hours, a tenth more or less by `chance` (0 to 1), so that what failed together
    does not come back together. What the receiver asks for is heeded as far as six hours.
    """
    assert attempts >= 1
    assert 0 <= chance <= 1
    # The exponent is bounded, because 4**1000 is no number of seconds anybody needs.
    wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * _GROWTH ** min(attempts - 1, 16))
    wait_s = wait_s * (1 - _JITTER + 2 * _JITTER * chance)
    asked_s = min(_LONGEST_WAIT_S, max(0, retry_after_s or 0))
    return timedelta(seconds=max(wait_s, asked_s))
