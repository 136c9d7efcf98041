"""What the catalog takes in and hands out."""

from dataclasses import dataclass
from datetime import date

from tradewind.core.ids import ModelId
from tradewind.snapshot.contents import Operation


@dataclass(frozen=True, slots=True)
class NewModel:
    """A model that somebody adds, with its first version."""

    publisher: str
    publisher_name: str
    """Of a publisher that is not there yet."""
    slug: str
    display_name: str
    operation: Operation
    context_tokens: int
    max_output_tokens: int
    version: str
    artifact: str
    """`host:<what the host calls it>` of a model whose weights lie elsewhere."""
    description: str = ""
    licence: str = ""
    dimensions: int | None = None
    parameters: int | None = None
    released_on: date | None = None


@dataclass(frozen=True, slots=True)
class ModelFacts:
    model_id: ModelId
    name: str
    """"publisher/slug"."""
    slug: str
    display_name: str
    operation: Operation
    context_tokens: int
    max_output_tokens: int
