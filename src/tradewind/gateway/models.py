"""`GET /v1/models` and `GET /v1/models/{id}`: what this key may call."""

from tradewind.gateway.http.server import Exchange
from tradewind.gateway.names import find_endpoint, may_call
from tradewind.gateway.state import GatewayState
from tradewind.snapshot.contents import Endpoint, Grant
from tradewind.wire.models import Model, ModelList, encode

_JSON = b"content-type: application/json\r\n"


def list_models(
    state: GatewayState,
    exchange: Exchange,
    grant: Grant,
    name: str,  # noqa: ARG001  every route is called alike
) -> None:
    models = [
        _model(endpoint)
        for endpoint in state.view.endpoints_for(grant)
        if may_call(grant, endpoint)
    ]
    exchange.respond(200, _JSON, encode(ModelList(models)))


def show_model(state: GatewayState, exchange: Exchange, grant: Grant, name: str) -> None:
    """Raises ApiError 404 for a model that is not there, 403 for one the key may not use."""
    found = find_endpoint(state.view, grant, name)
    exchange.respond(200, _JSON, encode(_model(found.endpoint)))


def _model(endpoint: Endpoint) -> Model:
    return Model(
        id=endpoint.name,
        created=endpoint.created_at_ms // 1000,
        owned_by=endpoint.publisher,
        context_length=endpoint.context_tokens,
    )
