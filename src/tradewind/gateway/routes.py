"""The route table of the public port: which paths the gateway answers itself, in whose words.

Every route needs a key; a test walks the table. Paths with a name in them are found by their
prefix, which is compared with the bytes of the request line: percent-decoding comes after the
match, so that no two parsers can differ on what a path is.
"""

import functools
from collections.abc import Callable, Iterator
from urllib.parse import unquote_to_bytes

import msgspec

from tradewind import __version__
from tradewind.gateway.admission_check import check_admission
from tradewind.gateway.azure_inference import (
    inference_chat,
    inference_embeddings,
    inference_info,
)
from tradewind.gateway.content_safety import ROUTES as CONTENT_SAFETY_ROUTES
from tradewind.gateway.content_safety_blocklists import PREFIX as BLOCKLISTS
from tradewind.gateway.count_tokens import count_tokens
from tradewind.gateway.dialects import operations, surfaces
from tradewind.gateway.dialects.base import Inbound
from tradewind.gateway.dialects.messages import MessagesInbound
from tradewind.gateway.dialects.openai import OpenAIChat, OpenAIEmbeddings
from tradewind.gateway.dialects.surfaces import Surface
from tradewind.gateway.files import (
    delete_file,
    list_files,
    show_file,
    show_file_content,
    upload_file,
)
from tradewind.gateway.gemini import METHODS as GEMINI_METHODS
from tradewind.gateway.gemini import list_gemini_models, show_gemini_model
from tradewind.gateway.handle import handle
from tradewind.gateway.http.request import Request
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.models import list_models, show_model
from tradewind.gateway.moderations import moderate
from tradewind.gateway.openapi import Address, describe
from tradewind.gateway.responses import (
    cancel_response,
    create_response,
    delete_response,
    list_input_items,
    show_response,
)
from tradewind.gateway.state import GatewayState
from tradewind.snapshot.contents import Grant
from tradewind.wire import chat
from tradewind.wire.errors import ApiError

Answer = Callable[[GatewayState, Exchange, Grant, str], None]
"""Answers one request; the text is the name in the path, or empty."""

Make = Callable[[Request, Surface, str | None], Inbound]
"""Parses a request on a surface; the text is a model that the path names, which wins over the
body's. Raises ApiError 400."""


_LONGEST_SHOWN = 64


class Route(msgspec.Struct, frozen=True):
    method: bytes
    surface: Surface
    answer: Answer


class Found(msgspec.Struct, frozen=True):
    """What lies at a path: a route for each method, and the name in the path that led here."""

    routes: tuple[Route, ...]
    name: str

    @property
    def surface(self) -> Surface:
        return self.routes[0].surface

    def by_method(self, method: bytes) -> Route:
        """Raises ApiError 405 that names the methods there are; 404 for one of Google's that is
        not there, since it is part of the path.
        """
        for route in self.routes:
            if route.method == method:
                return route
        if method == b"POST" and self.surface is surfaces.GEMINI:
            called = self.name.rpartition(":")[2][:_LONGEST_SHOWN]
            raise ApiError(
                404,
                f"There is no method {called!r} here; a call ends in ':generateContent', for one.",
                code="unknown_url",
            )
        allowed = ", ".join(route.method.decode() for route in self.routes)
        raise ApiError(
            405,
            f"This path takes {allowed} only.",
            code="method_not_allowed",
            headers=b"allow: %b\r\n" % allowed.encode(),
        )


def find(path: bytes, *, is_google: bool = False) -> Found | Surface | None:
    """Return what lies at a path; its surface when the path is ours but leads nowhere; None when
    it is not ours.

    `is_google`: the request has a header that only clients of Google's API send. `/v1/models` is a
    path of theirs too, and its answer has another form there.
    """
    if is_google and path.startswith(b"/v1/models"):
        path = b"/v1beta" + path[3:]
    exact = _FOUND.get(path)
    if exact is not None:
        return exact
    if path.startswith(BLOCKLISTS):
        return None  # the control plane keeps them
    for prefix, surface, find_under in PREFIXES:
        if path.startswith(prefix):
            return find_under(path[len(prefix) :]) or surface
    return None


def _under_v1(rest: bytes) -> Found | None:
    if rest.startswith(b"models/"):
        shown = Found((Route(b"GET", surfaces.OPENAI, show_model),), _decoded(rest[7:]))
        return _gemini_method(rest[7:]) or shown
    if rest.startswith(b"responses/"):
        return _response(rest[10:])
    if rest.startswith(b"files/"):
        return _file(rest[6:])
    return None


def _response(rest: bytes) -> Found | None:
    """`/v1/responses/{id}`, with `/cancel` or `/input_items` behind it."""
    name, slash, part = rest.partition(b"/")
    routes = RESPONSE_ROUTES.get(slash + part)
    return None if routes is None or not name else Found(routes, _decoded(name))


def _file(rest: bytes) -> Found | None:
    """`/v1/files/{id}`, with `/content` behind it."""
    name, slash, part = rest.partition(b"/")
    routes = FILE_ROUTES.get(slash + part)
    return None if routes is None or not name else Found(routes, _decoded(name))


def _under_gemini(rest: bytes) -> Found | None:
    """`/v1beta/models`, `/v1beta/models/{name}`, and `:{method}` behind that."""
    if rest == b"models":
        return Found((Route(b"GET", surfaces.GEMINI, list_gemini_models),), "")
    if not rest.startswith(b"models/"):
        return None
    shown = Found((Route(b"GET", surfaces.GEMINI, show_gemini_model),), _decoded(rest[7:]))
    return _gemini_method(rest[7:]) or shown


def _gemini_method(path: bytes) -> Found | None:
    """The part behind the last colon tells, since a name may end in a policy (`name:floor`)."""
    name, _, method = path.rpartition(b":")
    answer = GEMINI_METHODS.get(method)
    if answer is None or not name:
        return None
    return Found(_post(surfaces.GEMINI, answer), _decoded(name))


def _under_azure(rest: bytes) -> Found | None:
    """Azure OpenAI: `/openai/deployments/{name}/{operation}?api-version=…`, `/openai/v1/…`, and
    the paths without a deployment, such as `/openai/responses`. The version is not looked at.
    """
    if rest.startswith(b"deployments/"):
        # Names have a slash in them, which clients send as it is: the operation is what ends it.
        for operation in _LONGEST_FIRST:
            name = rest[12:].removesuffix(b"/" + operation)
            if len(name) < len(rest) - 12 and name:
                answer = _deployment(OPERATIONS[operation])
                return Found(_post(surfaces.AZURE_OPENAI, answer), _decoded(name))
        return None
    found = find(b"/" + rest if rest.startswith(b"v1/") else b"/v1/" + rest)
    return found if isinstance(found, Found) else None


def _under_content_safety(rest: bytes) -> Found | None:  # noqa: ARG001  all are found by the table
    return None


def addresses() -> Iterator[Address]:
    """Yield every route of the table as clients call it, with names in braces."""
    of_v1 = {path[4:].decode(): routes for path, routes in ROUTES.items() if path[:4] == b"/v1/"}
    of_v1["models/{model}"] = (Route(b"GET", surfaces.OPENAI, show_model),)
    for part, routes in RESPONSE_ROUTES.items():
        of_v1["responses/{response_id}" + part.decode()] = routes
    for part, routes in FILE_ROUTES.items():
        of_v1["files/{file_id}" + part.decode()] = routes
    others = {path.decode(): found for path, found in ROUTES.items() if path[:4] != b"/v1/"}
    tables = [("", others), *((prefix, of_v1) for prefix in ("/v1/", "/openai/v1/", "/openai/"))]
    for prefix, table in tables:
        for path, routes in table.items():
            for route in routes:
                yield Address(route.method.decode(), prefix + path, route.surface.name)
    for operation in OPERATIONS:
        path = f"/openai/deployments/{{deployment}}/{operation.decode()}"
        yield Address("POST", path, surfaces.AZURE_OPENAI.name)
    for path in ("/v1beta/models", "/v1beta/models/{model}"):
        yield Address("GET", path, surfaces.GEMINI.name)
    for method in GEMINI_METHODS:
        for prefix in ("/v1beta/", "/v1/"):
            path = f"{prefix}models/{{model}}:{method.decode()}"
            yield Address("POST", path, surfaces.GEMINI.name)


@functools.cache
def _description() -> bytes:
    return describe(addresses(), __version__)


def _show_description(
    state: GatewayState,  # noqa: ARG001  every route is called alike
    exchange: Exchange,
    grant: Grant,  # noqa: ARG001
    name: str,  # noqa: ARG001
) -> None:
    exchange.respond(200, b"content-type: application/json\r\n", _description())


def _decoded(name: bytes) -> str:
    return unquote_to_bytes(name[:600]).decode("utf-8", "replace")


def _post(surface: Surface, answer: Answer) -> tuple[Route, ...]:
    return (Route(b"POST", surface, answer),)


def _deployment(make: Make) -> Answer:
    surface = surfaces.AZURE_OPENAI

    def answer(state: GatewayState, exchange: Exchange, grant: Grant, name: str) -> None:
        request = exchange.request
        if not request.headers.get(b"content-type", b"").startswith(b"multipart/"):
            # The path says which model it is, so bodies commonly do not.
            request.body = chat.encode(chat.decode_fields(request.body) | {"model": name})
        handle(state, exchange, grant, make(request, surface, name))

    return answer


def _operation(make: Make, surface: Surface) -> Answer:
    def answer(state: GatewayState, exchange: Exchange, grant: Grant, name: str) -> None:
        handle(state, exchange, grant, make(exchange.request, surface, name or None))

    return answer


def _chat(request: Request, surface: Surface, model: str | None) -> Inbound:
    return OpenAIChat(request.body, surface, model)


def _embeddings(request: Request, surface: Surface, model: str | None) -> Inbound:
    return OpenAIEmbeddings(request.body, surface, model)


def _messages(request: Request, surface: Surface, model: str | None) -> Inbound:  # noqa: ARG001
    return MessagesInbound(request.body)


def _other(make: operations.Make) -> Make:
    def made(request: Request, surface: Surface, model: str | None) -> Inbound:
        return make(request.body, request.headers.get(b"content-type", b""), surface, model)

    return made


OPERATIONS: dict[bytes, Make] = {
    b"chat/completions": _chat,
    b"embeddings": _embeddings,
    **{path: _other(make) for path, make in operations.MAKERS.items()},
}
"""What OpenAI v1 calls an operation, behind `/v1/` and behind Azure's deployments."""

_LONGEST_FIRST = sorted(OPERATIONS, key=len, reverse=True)

ROUTES: dict[bytes, tuple[Route, ...]] = {
    **{
        b"/v1/" + path: _post(surfaces.OPENAI, _operation(make, surfaces.OPENAI))
        for path, make in OPERATIONS.items()
    },
    b"/v1/files": (
        Route(b"GET", surfaces.OPENAI, list_files),
        Route(b"POST", surfaces.OPENAI, upload_file),
    ),
    b"/v1/moderations": _post(surfaces.OPENAI, moderate),
    b"/v1/messages": _post(surfaces.MESSAGES, _operation(_messages, surfaces.MESSAGES)),
    b"/v1/admission:check": _post(surfaces.OPENAI, check_admission),
    b"/v1/messages/count_tokens": _post(surfaces.MESSAGES, count_tokens),
    b"/v1/models": (Route(b"GET", surfaces.OPENAI, list_models),),
    b"/v1/openapi.json": (Route(b"GET", surfaces.OPENAI, _show_description),),
    b"/v1/responses": _post(surfaces.OPENAI, create_response),
    b"/models/chat/completions": _post(surfaces.AZURE_INFERENCE, inference_chat),
    b"/models/embeddings": _post(surfaces.AZURE_INFERENCE, inference_embeddings),
    b"/models/info": (Route(b"GET", surfaces.AZURE_INFERENCE, inference_info),),
    **{
        b"/contentsafety/" + path: _post(surfaces.CONTENT_SAFETY, answer)
        for path, answer in CONTENT_SAFETY_ROUTES.items()
    },
}
"""Whole paths."""

_FOUND = {path: Found(routes, "") for path, routes in ROUTES.items()}

RESPONSE_ROUTES: dict[bytes, tuple[Route, ...]] = {
    b"": (
        Route(b"GET", surfaces.OPENAI, show_response),
        Route(b"DELETE", surfaces.OPENAI, delete_response),
    ),
    b"/cancel": _post(surfaces.OPENAI, cancel_response),
    b"/input_items": (Route(b"GET", surfaces.OPENAI, list_input_items),),
}
"""By what follows the id of a response."""

FILE_ROUTES: dict[bytes, tuple[Route, ...]] = {
    b"": (
        Route(b"GET", surfaces.OPENAI, show_file),
        Route(b"DELETE", surfaces.OPENAI, delete_file),
    ),
    b"/content": (Route(b"GET", surfaces.OPENAI, show_file_content),),
}
"""By what follows the id of a file."""

FindUnder = Callable[[bytes], Found | None]
PREFIXES: tuple[tuple[bytes, Surface, FindUnder], ...] = (
    (b"/v1/", surfaces.OPENAI, _under_v1),
    (b"/v1beta/", surfaces.GEMINI, _under_gemini),
    (b"/openai/", surfaces.AZURE_OPENAI, _under_azure),
    (b"/contentsafety/", surfaces.CONTENT_SAFETY, _under_content_safety),
)
"""Prefixes that are all ours; the function gets what follows the prefix."""
