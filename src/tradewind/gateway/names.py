"""From the model name a client wrote to the endpoint it means, and the policy it asks for.

`publisher/model[@version][:policy]`, or any alias. A version is part of a name or an alias, never
guessed: where `model@2026-01` is not there, `model` is not taken for it. Names are compared without
regard to case when the exact one is not there, as deployments are on the platforms that clients
come from.
"""

import difflib
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from tradewind.gateway.routing.ask import OWN
from tradewind.snapshot.contents import OPERATIONS_OF, Endpoint, Grant, Operation
from tradewind.snapshot.view import SnapshotView
from tradewind.wire.errors import ApiError, model_not_found, model_retired

_SORT_OF_POLICY = {
    "nitro": "throughput",
    "fastest": "throughput",
    "floor": "price",
    "cheapest": "price",
    "quick": "latency",
    "own": OWN,
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
# Bounds of the work for a name that is not there: a client in a loop must not cost more than its
# calls would.
_MOST_NAMES_SEARCHED = 4096
_MOST_OWN_NAMES_SEARCHED = 512
_NEIGHBOURS = 8
_MOST_COMPARED = 6
_MOST_CHARACTERS = 64
_MOST_SUGGESTED = 3
_MOST_NAMES_TOLD = 5
_LEAST_SIMILARITY = 0.55


class Named(NamedTuple):
    """An endpoint, and how the name asks for its targets to be sorted."""

    endpoint: Endpoint
    sort: str | None


def endpoint_of(view: SnapshotView, grant: Grant, name: str, operation: Operation) -> Named:
    """Return what the key may call under this name.

    Raises ApiError 404 for what is not there, 403 for what the key is not for, 400 for the wrong
    route.
    """
    named = find_endpoint(view, grant, name)
    if operation not in OPERATIONS_OF[named.endpoint.operation]:
        raise ApiError(
            400,
            f"The model '{named.endpoint.name}' does not do {operation}; call "
            f"/v1/{_ROUTES[named.endpoint.operation]}.",
            param="model",
            code="unsupported_operation",
        )
    return named


def find_endpoint(view: SnapshotView, grant: Grant, name: str) -> Named:
    """As `endpoint_of`, for any operation."""
    endpoint, sort = _look_up(view, name), None
    if endpoint is None and ":" in name:
        base, _, policy = name.rpartition(":")
        sort = _SORT_OF_POLICY.get(policy.lower())
        endpoint = None if sort is None else _look_up(view, base)
    if endpoint is None or not _may_see(grant, endpoint):
        raise model_not_found(name, _advice(view, grant, name))
    if grant.models is not None and endpoint.name not in grant.models:
        raise ApiError(
            403,
            f"This key may not use the model '{endpoint.name}'. {_told_names(grant.models)}",
            param="model",
            code="model_not_allowed",
        )
    if endpoint.ending is not None and endpoint.ending.is_retired:
        raise model_retired(endpoint.name, endpoint.ending.replacement)
    if endpoint.gate and not _may_pass(view, grant, endpoint.gate):
        model = endpoint.gate.partition(" ")[0]
        raise ApiError(
            403,
            f"The licence of '{model}' has to be accepted first: an administrator of the"
            f" organization does so on /models/{model}.",
            param="model",
            code="licence_not_accepted",
        )
    if endpoint.sale and not _may_pass(view, grant, endpoint.sale.partition(" ")[0]):
        _, _, offer = endpoint.sale.partition(" ")
        raise ApiError(
            403,
            f"'{endpoint.name}' is sold by subscription: '{offer}'. An administrator of the"
            " organization subscribes on /subscriptions, or with POST /api/subscriptions.",
            param="model",
            code="subscription_required",
        )
    if endpoint.price.is_charged and _needs_payer(view, grant):
        raise ApiError(
            403,
            f"Calls of '{endpoint.name}' are charged, and nobody has confirmed yet who pays: an"
            " administrator of the organization does so on /subscriptions, or with PUT"
            " /api/billing/payer.",
            param="model",
            code="payer_not_confirmed",
        )
    return Named(endpoint, sort)


def _needs_payer(view: SnapshotView, grant: Grant) -> bool:
    terms = view.terms(grant.organization_id)
    return terms is not None and terms.needs_payer


def _may_pass(view: SnapshotView, grant: Grant, gate: str) -> bool:
    terms = view.terms(grant.organization_id)
    return terms is not None and gate in terms.licences


def may_call(grant: Grant, endpoint: Endpoint) -> bool:
    """Tell whether this key may call this endpoint at all. A retired model is called by nobody."""
    if endpoint.ending is not None and endpoint.ending.is_retired:
        return False
    return _may_see(grant, endpoint) and (grant.models is None or endpoint.name in grant.models)


def _may_see(grant: Grant, endpoint: Endpoint) -> bool:
    """Another organization's own endpoint, or another project's, looks as if it were not there."""
    if not endpoint.organization_id:
        return True
    return endpoint.organization_id == grant.organization_id and (
        not endpoint.project_id or endpoint.project_id == grant.project_id
    )


def _look_up(view: SnapshotView, name: str) -> Endpoint | None:
    endpoint = view.endpoint(name)
    if endpoint is None:
        # Snapshots know every name and alias by its lower case too.
        folded = name.lower()
        if folded != name:
            endpoint = view.endpoint(folded)
    return endpoint


def _advice(view: SnapshotView, grant: Grant, name: str) -> str:
    """Return the nearest names that this key may call, and which it may call at all."""
    if grant.models is None:
        names = view.names()[:_MOST_NAMES_SEARCHED]
        told = "GET /v1/models lists what this key may use."
    else:
        names = tuple(sorted(islice(grant.models, _MOST_OWN_NAMES_SEARCHED)))
        told = _told_names(grant.models)
    base, _, policy = name.rpartition(":")
    if policy.lower() in _SORT_OF_POLICY:
        name = base
    suggested: list[str] = []
    for candidate in _nearest(names, name):
        endpoint = view.endpoint(candidate)
        if endpoint is not None and may_call(grant, endpoint):
            suggested.append(candidate)
            if len(suggested) == _MOST_SUGGESTED:
                break
    if not suggested:
        return told
    listed = ", ".join(f"'{candidate}'" for candidate in suggested)
    return f"The nearest names: {listed}. {told}"


def _told_names(models: frozenset[str]) -> str:
    if not models:
        return "It may use none."
    told = ", ".join(f"'{name}'" for name in sorted(islice(models, _MOST_NAMES_TOLD)))
    if len(models) > _MOST_NAMES_TOLD:
        told += f" and {len(models) - _MOST_NAMES_TOLD} more: GET /v1/models lists them"
    return f"It may use {told}."


def _nearest(names: tuple[str, ...], name: str) -> list[str]:
    """Return the most similar of the names, best first.

    Only those whose last part begins or ends alike are compared, and closely only the best few of
    them: a close comparison takes up to a millisecond.
    """
    wanted = name.lower()[:_MOST_CHARACTERS]
    leaf = _leaf(wanted)
    by_leaf, by_end = _orders(names)
    near: dict[str, None] = {}
    for ordered, key in ((by_leaf, leaf), (by_end, leaf[::-1])):
        at = bisect_left(ordered, (key,))
        for _, found in ordered[max(0, at - _NEIGHBOURS) : at + _NEIGHBOURS]:
            near[found] = None
    # Many leave the publisher out, so then it does not count.
    part_of, wanted = (str, wanted) if "/" in wanted else (_leaf, leaf)
    matcher = difflib.SequenceMatcher(None, "", wanted, autojunk=False)

    def similarity(candidate: str, *, is_close: bool) -> float:
        matcher.set_seq1(part_of(candidate.lower())[:_MOST_CHARACTERS])
        return matcher.ratio() if is_close else matcher.quick_ratio()

    at_most = sorted((-similarity(candidate, is_close=False), candidate) for candidate in near)
    closely = [
        (-similarity(candidate, is_close=True), candidate)
        for bound, candidate in at_most[:_MOST_COMPARED]
        if -bound >= _LEAST_SIMILARITY
    ]
    return [candidate for score, candidate in sorted(closely) if -score >= _LEAST_SIMILARITY]


def _leaf(name: str) -> str:
    return name.rpartition("/")[2]


_Order = Sequence[tuple[str, str]]


@lru_cache(maxsize=8)
def _orders(names: tuple[str, ...]) -> tuple[_Order, _Order]:
    """Return the names by their last parts and by how these end, each with what it is ordered by.

    Takes 10 ms for as many names as there may be, once for each catalog.
    """
    leaves = [(_leaf(name.lower())[:_MOST_CHARACTERS], name) for name in names]
    ends = [(leaf[::-1], name) for leaf, name in leaves]
    leaves.sort()
    ends.sort()
    return leaves, ends
