"""What the weights of a version are, as far as deploying them needs to know."""

from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Connection

from tradewind.features.artifacts.schemas import ArtifactDetail, FileFacts
from tradewind.features.artifacts.service import facts_together
from tradewind.features.deployments.fit import Shape
from tradewind.plugins.engines.gguf import GgufFacts
from tradewind.plugins.engines.weights import describe_weights
from tradewind.snapshot.contents import Operation

STORED = "sha256:"
"""Begins the `artifact` of a version whose files are in the store: the digest of its manifest."""
_ENCODERS = frozenset({"bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "modern-bert"})
"""Architectures of GGUF files that read a text at once and keep no cache."""


class Weighed(NamedTuple):
    size: int
    """Of all files of weights, in bytes."""
    shape: Shape
    context_tokens: int | None
    has_chat_template: bool | None
    """None: not known."""
    can_run: bool = True
    """False for files that no engine here loads."""


Weigh = Callable[[Connection, str], Weighed | None]
"""Takes a version's `artifact`; None when its weights are not here."""


def weigher(find: Callable[[Connection, str], ArtifactDetail | None]) -> Weigh:
    """`find` returns the artifact of a digest."""

    def weigh(tx: Connection, artifact: str) -> Weighed | None:
        if artifact.startswith(STORED):
            found = find(tx, artifact)
            return None if found is None else of_artifact(found)
        described = describe_weights(artifact)
        if described is None:
            return None
        facts = described.facts
        return Weighed(
            described.size,
            _shape(facts),
            facts.context_tokens,
            facts.has_chat_template,
        )

    return weigh


def of_artifact(found: ArtifactDetail) -> Weighed:
    """Return what an artifact weighs, from the facts of its scan."""
    weights = [file for file in found.files if file.facts.format == "gguf"]
    facts = facts_together(found.files)
    return Weighed(
        sum(file.size for file in weights) or found.row.size,
        _shape(facts),
        facts.context_tokens,
        facts.chat_template is not None,
        can_run=bool(weights) and not found.row.is_quarantined,
    )


def operation_of(weighed: Weighed) -> Operation:
    """Return what a model is for, when nobody told: encoders make vectors."""
    return Operation.EMBEDDINGS if weighed.shape.is_encoder else Operation.CHAT


def _shape(facts: FileFacts | GgufFacts) -> Shape:
    return Shape(
        layers=facts.layers,
        heads=facts.heads,
        key_value_heads=facts.key_value_heads,
        key_length=facts.key_length,
        value_length=facts.value_length,
        embedding_length=facts.embedding_length,
        is_encoder=facts.architecture in _ENCODERS,
    )
