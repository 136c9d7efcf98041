"""The list of hosts and their models that is shipped: a snapshot of models.dev, one object a line.

See data/NOTICE.txt for its day and licence. Decoding it takes about 50 ms; nothing is kept.
"""

import gzip
from datetime import date
from decimal import Decimal
from importlib import resources
from typing import NamedTuple

import msgspec

SHIPPED_ON = date(2026, 8, 18)
_DATA = "models-dev.jsonl.gz"


class ListedHost(msgspec.Struct, tag="provider", tag_field="kind", frozen=True):
    id: str
    name: str
    npm: str
    """The package of the AI SDK that talks to it; tells the form of its API."""
    doc: str
    env: str
    """Names of variables in which programs look for its credential, between semicolons."""
    api: str = ""


class ListedPrice(msgspec.Struct, frozen=True):
    """US dollars per 1,000,000 tokens, read as they are written: a float would already be another
    price.
    """

    cost_input: Decimal
    cost_output: Decimal
    cost_cache_read: Decimal | None = None
    cost_cache_write: Decimal | None = None
    cost_input_audio: Decimal | None = None
    cost_output_audio: Decimal | None = None
    min_context: int = 0


class ListedModalities(msgspec.Struct, frozen=True):
    input: tuple[str, ...]
    output: tuple[str, ...]


class ListedModel(msgspec.Struct, tag="model", tag_field="kind", frozen=True):
    id: str
    name: str
    provider_id: str
    attachment: int
    reasoning: int
    tool_call: int
    open_weights: int
    limit_context: int
    limit_output: int
    modalities: ListedModalities
    pricing: list[ListedPrice]
    family: str = ""
    structured_output: int | None = None
    temperature: int | None = None
    knowledge: str = ""
    status: str = ""


class ShippedList(NamedTuple):
    hosts: tuple[ListedHost, ...]
    models: tuple[ListedModel, ...]


def read_shipped() -> ShippedList:
    """Return the list that comes with this release."""
    packed = (resources.files("tradewind.plugins.sources") / "data" / _DATA).read_bytes()
    lines = _decoder.decode_lines(gzip.decompress(packed))
    return ShippedList(
        tuple(line for line in lines if isinstance(line, ListedHost)),
        tuple(line for line in lines if isinstance(line, ListedModel)),
    )


_decoder = msgspec.json.Decoder(ListedHost | ListedModel)
