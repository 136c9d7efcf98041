"""Which account at which provider a file goes to or lies at. Pure.

A file belongs to a *connection*: an account at a host, which targets of several models may share.
Targets on the platform's own engines have no files.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tradewind.gateway.lanes import conditions_of
from tradewind.gateway.names import find_endpoint, may_call
from tradewind.gateway.routing.ask import OWN, RouteAsk
from tradewind.gateway.routing.conditions import allowed_targets
from tradewind.gateway.state import GatewayState
from tradewind.plugins.providers.base import FilesWire, Provider
from tradewind.snapshot.contents import Endpoint, Grant, Target
from tradewind.wire.errors import ApiError
from tradewind.wire.stored_files import StoredFile

_MOST_MODELS_TOLD = 5


class FilePlace(NamedTuple):
    """An account that has files, as it is reached through one model."""

    endpoint: Endpoint
    target: Target
    provider: Provider
    wire: FilesWire


def place_for_upload(state: GatewayState, grant: Grant, model: str | None) -> FilePlace:
    """Return where a new file of this key goes. Raises ApiError when nothing or no one place is
    meant.
    """
    if model is not None:
        endpoint = find_endpoint(state.view, grant, model).endpoint
        place = next(_allowed_places(state, grant, endpoint), None)
        if place is None:
            raise ApiError(
                400,
                f"No host of '{endpoint.name}' has files.",
                param="model",
                code="files_not_supported",
            )
        return place
    found: dict[str, FilePlace] = {}
    for endpoint in state.view.endpoints_for(grant):
        if len(found) > _MOST_MODELS_TOLD or not may_call(grant, endpoint):
            continue
        try:
            for place in _allowed_places(state, grant, endpoint):
                found.setdefault(place.target.deployment_id, place)
        except ApiError:
            continue  # a policy leaves it no target
    if not found:
        raise ApiError(
            400,
            "No model that this key may use is at a host that has files.",
            code="files_not_supported",
        )
    if len(found) > 1:
        raise _ambiguous(list(found.values()))
    return next(iter(found.values()))


def place_of(state: GatewayState, grant: Grant, file: StoredFile) -> FilePlace:
    """Return where a file lies, for a key that may use a model there. Raises ApiError 409.

    Policies do not matter: the file is there already, and has to be read back or deleted.
    """
    hint = state.view.endpoint(file.model)
    if hint is not None and may_call(grant, hint):
        for place in _places(state, hint, hint.targets):
            if place.target.deployment_id == file.connection_id:
                return place
    for endpoint in state.view.endpoints_for(grant):
        if may_call(grant, endpoint):
            for place in _places(state, endpoint, endpoint.targets):
                if place.target.deployment_id == file.connection_id:
                    return place
    raise ApiError(
        409,
        f"No model that this key may use is at the host of file '{file.id}' any more. It was "
        f"uploaded for '{file.model}'.",
        code="file_out_of_reach",
    )


def _allowed_places(state: GatewayState, grant: Grant, endpoint: Endpoint) -> Iterator[FilePlace]:
    """Yield the places a new file may go to by what is asked of hosts, the first tier's first.

    Raises ApiError when a policy leaves none.
    """
    conditions = conditions_of(state.view, grant, endpoint)
    ask = RouteAsk(endpoint.operation, conditions)
    targets = allowed_targets(endpoint, ask, state.providers)
    return _places(state, endpoint, tuple(sorted(targets, key=lambda target: target.tier)))


def _places(
    state: GatewayState, endpoint: Endpoint, targets: tuple[Target, ...]
) -> Iterator[FilePlace]:
    for target in targets:
        provider = state.providers.get(target.provider)
        if provider is None or target.host == OWN:
            continue
        files_at = provider.files_at
        if files_at is not None:
            yield FilePlace(endpoint, target, provider, files_at(target))


def _ambiguous(places: list[FilePlace]) -> ApiError:
    names = list(dict.fromkeys(place.endpoint.name for place in places))
    told = ", ".join(f"'{name}'" for name in names[:_MOST_MODELS_TOLD])
    return ApiError(
        400,
        "This key's models are at several hosts that have files. Say which by a model, in the "
        f"header `x-tradewind-model`, as `?model=` or in the form: {told}.",
        param="model",
        code="missing_model",
    )
