"""What the catalog asks of a source."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Protocol, TypeVar

import msgspec

from tradewind.core.errors import TradewindError

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")

Fetch = Callable[[str], bytes]
"""Returns what lies at an address. Whoever injects it bounds time and bytes, follows no way into
private networks, and raises an error of `core.errors` when nothing can be had."""

MAX_BYTES = 64 * 1024 * 1024
"""Of one answer: models.dev is 4 MB, the longest list of a hub 20."""
MAX_ENTRIES = 200_000
MAX_ID = 200
MAX_NAME = 200
MAX_DESCRIPTION = 600
MAX_TOKENS = 1_000_000_000
MAX_PARAMETERS = 1_000_000_000_000_000
MAX_DIMENSIONS = 1_000_000
_MAX_NANOS = 10**15  # a million of the currency for a million tokens: beyond it is no price
_MAX_TIERS = 16
_MAX_MODALITIES = 8
_MODALITIES = frozenset({"text", "image", "audio", "video", "pdf", "embedding", "score"})

TOOLS = "tools"
STRUCTURED_OUTPUT = "structured_output"
REASONING = "reasoning"
ATTACHMENTS = "attachments"
TEMPERATURE = "temperature"
CAPABILITIES = (TOOLS, STRUCTURED_OUTPUT, REASONING, ATTACHMENTS, TEMPERATURE)


class SourceUnreadable(TradewindError):
    """A source's answer is not the list it is known for. Names the source and what was wrong."""

    code = "source_unreadable"
    status = 502


class BadEntry(Exception):
    """One entry of a list cannot be used; `str(error)` is the reason it is counted under."""


class TierPrice(msgspec.Struct, frozen=True):
    """Nanos of US dollars per 1,000,000 tokens. None is not told, which is not free."""

    input_nanos: int | None = None
    output_nanos: int | None = None
    cached_input_nanos: int | None = None
    cache_write_nanos: int | None = None
    from_context_tokens: int = 0
    """Holds for calls whose input is longer than this."""


class SourceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What one source says of one model at one host."""

    source: str
    host: str
    """Id of a known host or of a connection; empty for a source that describes models and serves
    none (a hub of weights)."""
    upstream_id: str
    """What the host is sent as `model`; at a hub, the repository."""
    name: str = ""
    publisher_hint: str = ""
    """Who makes it, as far as the source has a place for that; the id may say more."""
    family: str = ""
    description: str = ""
    licence_hint: str = ""
    is_gated: bool | None = None
    released_on: date | None = None
    knowledge: str = ""
    """Until when it knows the world: `2024`, `2024-10` or `2024-10-31`."""
    input_modalities: tuple[str, ...] | None = None
    output_modalities: tuple[str, ...] | None = None
    capabilities: frozenset[str] | None = None
    """Out of CAPABILITIES."""
    open_weights: bool | None = None
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    parameters: int | None = None
    dimensions: int | None = None
    """Of the vectors it gives."""
    prices: tuple[TierPrice, ...] = ()
    """Ordered by the length of input they hold from; empty when none is told."""
    meters: tuple[tuple[str, int], ...] = ()
    """Nanos per 1,000,000 units of other meters (`requests`, `images`), by their names."""
    status: str = ""
    """`beta`, `deprecated` or empty."""
    is_router: bool = False
    """It picks a model for each call and is none itself."""
    is_price_only: bool = False
    """Its id may stand for several of the host's (a list of prices is no list of models)."""
    digest: str = ""
    quantization: str = ""
    downloads: int | None = None
    url: str = ""
    observed_on: date | None = None
    """The day the source's list is of; None is the day it was read."""


class Reading(msgspec.Struct, frozen=True):
    """What a source said at one time."""

    entries: tuple[SourceEntry, ...]
    skipped: dict[str, int]
    """How many entries of the list could not be used, by reason."""


class Source(Protocol):
    """A member of the family. Holds no state; reading twice reads twice."""

    @property
    def name(self) -> str: ...

    def read(self, fetch: Fetch) -> Reading:
        """Raises SourceUnreadable, and what `fetch` raises."""
        ...


def fetch_bounded(fetch: Fetch, url: str, source: str) -> bytes:
    """Raises SourceUnreadable for an answer that is longer than MAX_BYTES."""
    data = fetch(url)
    if len(data) > MAX_BYTES:
        raise SourceUnreadable(f"{source}: the answer of {url} is longer than {MAX_BYTES} bytes")
    return data


def collect(items: Iterable[_Item], entry_of: Callable[[_Item], SourceEntry]) -> Reading:
    """Read every item that can be read; count the others under why not."""
    entries: list[SourceEntry] = []
    skipped: Counter[str] = Counter()
    for item in items:
        if len(entries) == MAX_ENTRIES:
            skipped[f"the list goes on after {MAX_ENTRIES} entries"] += 1
            continue
        try:
            entries.append(entry_of(item))
        except BadEntry as error:
            skipped[str(error)] += 1
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            skipped["the entry is not of the documented form"] += 1
    return Reading(tuple(entries), dict(sorted(skipped.items())))


def decode_list(data: bytes, decoder: msgspec.json.Decoder[_Answer], source: str) -> _Answer:
    """Decode the outermost part of an answer. Raises SourceUnreadable."""
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SourceUnreadable(
            f"{source}: the answer is not the documented list: {error}"
        ) from None


def clean_id(text: str) -> str:
    """Raises BadEntry for what a host cannot be asked for."""
    if not text or text != text.strip():
        raise BadEntry("its id is empty or has space around it")
    if len(text) > MAX_ID:
        raise BadEntry(f"its id is longer than {MAX_ID} characters")
    if not text.isprintable():
        raise BadEntry("its id is not printable")
    return text


def clean_text(text: str | None, longest: int = MAX_NAME) -> str:
    """Return it on one line, without what cannot be printed, and no longer than `longest`."""
    if not text:
        return ""
    head = text[: 4 * longest]
    if not head.isprintable():
        head = "".join(letter if letter.isprintable() else " " for letter in head)
    return " ".join(head.split())[:longest].strip()


def clean_tokens(count: float | None) -> int | None:
    """Return a number of tokens; None for nought, which lists write for what they do not know."""
    if count is None or count == 0:
        return None
    if not 0 < count <= MAX_TOKENS:
        raise BadEntry("a number of tokens is not between 1 and a thousand million")
    return int(count)


def clean_parameters(count: float | None) -> int | None:
    return int(count) if count is not None and 0 < count <= MAX_PARAMETERS else None


def clean_dimensions(count: float | None) -> int | None:
    return int(count) if count is not None and 0 < count <= MAX_DIMENSIONS else None


def clean_modalities(names: Iterable[str] | None) -> tuple[str, ...] | None:
    """Return those that are known, in the order of the list, each once; None when none is."""
    if names is None:
        return None
    known = dict.fromkeys(_MODALITY_NAMES.get(name, name) for name in names)
    return tuple(name for name in known if name in _MODALITIES)[:_MAX_MODALITIES] or None


_MODALITY_NAMES = {"file": "pdf", "embeddings": "embedding", "rerank": "score", "speech": "audio"}


def clean_day(text: str | None) -> date | None:
    """Return the day of `2024-10-31`, or of `2024-10` its first; None for anything else."""
    if not text:
        return None
    try:
        return date.fromisoformat(text if len(text) > len("2024-10") else f"{text}-01")
    except ValueError:
        return None


def day_of_seconds(seconds: float | None) -> date | None:
    """Return the day of a time in seconds since 1970, if it is one that can be meant."""
    if seconds is None or not 10**9 <= seconds < 2**33:
        return None
    return datetime.fromtimestamp(seconds, UTC).date()


def clean_knowledge(text: str | None) -> str:
    text = clean_text(text, len("2024-10-31"))
    is_day = all(part.isdigit() for part in text.split("-"))
    return text if is_day and len(text) in {4, 7, 10} else ""


def nanos_of(price: Decimal | None, *, scale: int = 9) -> int | None:
    """Return what `price` is in nanos after a shift by `scale` digits; None stays None.

    Some prices went through a float before they came into a list: 0.19999999999999998 stands for
    0.2, and nanos are fine enough to tell. Raises BadEntry for what is no price.
    """
    if price is None:
        return None
    # Asked before any arithmetic: 1e999999999 is a number of nine digits here and of a gigabyte
    # once it is an integer.
    if not price.is_finite() or price < 0 or price.adjusted() + scale > 15:
        raise BadEntry("a price is not a number between 0 and a million")
    if price.adjusted() + scale < -2:
        return 0
    nanos = int(price.scaleb(scale).to_integral_value(ROUND_HALF_EVEN))
    if nanos > _MAX_NANOS:
        raise BadEntry("a price is not a number between 0 and a million")
    return nanos


def ordered_tiers(tiers: Iterable[TierPrice]) -> tuple[TierPrice, ...]:
    """Return the prices by the length of input they hold from."""
    ordered = tuple(sorted(tiers, key=lambda tier: tier.from_context_tokens))
    if len(ordered) > _MAX_TIERS:
        raise BadEntry(f"it has more than {_MAX_TIERS} prices")
    return ordered
