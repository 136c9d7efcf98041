"""`POST /v1/admission:check`: would this call be admitted now? Takes nothing and costs nothing.

The body is that of the call itself: a chat completion, or embeddings when it has `input`.
"""

from tradewind.gateway.admission.check import Checked
from tradewind.gateway.dialects.base import Inbound
from tradewind.gateway.dialects.openai import OpenAIChat, OpenAIEmbeddings
from tradewind.gateway.handle import ask_of
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.names import endpoint_of
from tradewind.gateway.state import GatewayState
from tradewind.snapshot.contents import Grant
from tradewind.wire.chat import decode_fields

_JSON = b"content-type: application/json\r\n"


def check_admission(
    state: GatewayState,
    exchange: Exchange,
    grant: Grant,
    name: str,  # noqa: ARG001  every route is called alike
) -> None:
    """Raises ApiError for what would be refused as it is: a body or a model that is none."""
    body = exchange.request.body
    fields = decode_fields(body)
    is_chat = "messages" in fields or "input" not in fields
    inbound: Inbound = OpenAIChat(body) if is_chat else OpenAIEmbeddings(body)
    endpoint = endpoint_of(state.view, grant, inbound.model, inbound.operation).endpoint

    def answer(checked: Checked) -> None:
        exchange.respond(200, _JSON, checked.body())

    state.admissions.check(ask_of(grant, endpoint, inbound, 0.0), answer)
