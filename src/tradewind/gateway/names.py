"""From the model name a client wrote to the endpoints it may mean, and the policy it asks for.

`publisher/model[@version][:policy]`, or any alias. Names are compared without regard to case when
the exact one is not there: deployments are, on the platforms that clients come from.
"""

from typing import NamedTuple

from tradewind.snapshot.contents import OPERATIONS_OF, Endpoint, Grant, Operation
from tradewind.snapshot.view import SnapshotView
from tradewind.wire.errors import ApiError, model_not_found

_SORT_OF_POLICY = {
    "nitro": "throughput",
    "fastest": "throughput",
    "floor": "price",
    "cheapest": "price",
    "quick": "latency",
}
_ROUTES = {
    Operation.CHAT: "chat/completions",
    Operation.COMPLETIONS: "completions",
    Operation.EMBEDDINGS: "embeddings",
    Operation.RERANK: "rerank",
    Operation.MODERATIONS: "moderations",
    Operation.IMAGES: "images/generations",
    Operation.IMAGE_EDITS: "images/edits",
    Operation.SPEECH: "audio/speech",
    Operation.TRANSCRIPTION: "audio/transcriptions",
    Operation.TRANSLATION: "audio/translations",
}


class Named(NamedTuple):
    """An endpoint, and how the name asks for its targets to be sorted."""

    endpoint: Endpoint
    sort: str | None


def endpoint_of(view: SnapshotView, grant: Grant, name: str, operation: Operation) -> Named:
    """Return what the key may call under this name. Raises ApiError 404, or 400 for the wrong
    route.
    """
    endpoint, sort = view.endpoint(name), None
    if endpoint is None and ":" in name:
        base, _, policy = name.rpartition(":")
        sort = _SORT_OF_POLICY.get(policy)
        endpoint = None if sort is None else view.endpoint(base)
    if endpoint is None or not may_call(grant, endpoint):
        raise model_not_found(name)
    if operation not in OPERATIONS_OF[endpoint.operation]:
        raise ApiError(
            400,
            f"The model '{endpoint.name}' does not do {operation}; call "
            f"/v1/{_ROUTES[endpoint.operation]}.",
            param="model",
            code="unsupported_operation",
        )
    return Named(endpoint, sort)


def may_call(grant: Grant, endpoint: Endpoint) -> bool:
    """Tell whether this key may call this endpoint at all."""
    if endpoint.organization_id and endpoint.organization_id != grant.organization_id:
        return False
    return grant.models is None or endpoint.name in grant.models
