"""The route table of the public port: which paths the gateway answers itself, in whose words.

Every route needs a key; a test walks the table. Paths with a name in them are found by their
prefix, which is compared with the bytes of the request line: percent-decoding comes after the
match, so that no two parsers can differ on what a path is.
"""

from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from tradewind.gateway.dialects import surfaces
from tradewind.gateway.dialects.openai import OpenAIChat, OpenAIEmbeddings
from tradewind.gateway.dialects.surfaces import Surface
from tradewind.gateway.handle import handle
from tradewind.gateway.http.server import Exchange
from tradewind.gateway.models import list_models, show_model
from tradewind.gateway.state import GatewayState
from tradewind.snapshot.contents import Grant
from tradewind.wire.errors import ApiError

Answer = Callable[[GatewayState, Exchange, Grant, str], None]
"""Answers one request; the text is the name in the path, or empty."""


class Route(NamedTuple):
    method: bytes
    surface: Surface
    answer: Answer


class Found(NamedTuple):
    """What lies at a path: a route for each method, and the name in the path that led here."""

    routes: tuple[Route, ...]
    name: str

    @property
    def surface(self) -> Surface:
        return self.routes[0].surface

    def by_method(self, method: bytes) -> Route:
        """Raises ApiError 405 that names the methods there are."""
        for route in self.routes:
            if route.method == method:
                return route
        allowed = ", ".join(route.method.decode() for route in self.routes)
        raise ApiError(
            405,
            f"This path takes {allowed} only.",
            code="method_not_allowed",
            headers=b"allow: %b\r\n" % allowed.encode(),
        )


def find(path: bytes) -> Found | Surface | None:
    """Return what lies at a path; its surface when the path is ours but leads nowhere; None when
    it is not ours.
    """
    exact = ROUTES.get(path)
    if exact is not None:
        return Found(exact, "")
    for prefix, surface, find_under in PREFIXES:
        if path.startswith(prefix):
            return find_under(path[len(prefix) :]) or surface
    return None


def _chat(state: GatewayState, exchange: Exchange, grant: Grant, name: str) -> None:  # noqa: ARG001
    handle(state, exchange, grant, OpenAIChat(exchange.request.body))


def _embeddings(
    state: GatewayState,
    exchange: Exchange,
    grant: Grant,
    name: str,  # noqa: ARG001
) -> None:
    handle(state, exchange, grant, OpenAIEmbeddings(exchange.request.body))


def _under_openai_v1(rest: bytes) -> Found | None:
    if rest.startswith(b"models/"):
        return Found((Route(b"GET", surfaces.OPENAI, show_model),), _decoded(rest[7:]))
    return None


def _decoded(name: bytes) -> str:
    return unquote_to_bytes(name[:600]).decode("utf-8", "replace")


def _post(surface: Surface, answer: Answer) -> tuple[Route, ...]:
    return (Route(b"POST", surface, answer),)


ROUTES: dict[bytes, tuple[Route, ...]] = {
    b"/v1/chat/completions": _post(surfaces.OPENAI, _chat),
    b"/v1/embeddings": _post(surfaces.OPENAI, _embeddings),
    b"/v1/models": (Route(b"GET", surfaces.OPENAI, list_models),),
}
"""Whole paths."""

FindUnder = Callable[[bytes], Found | None]
PREFIXES: tuple[tuple[bytes, Surface, FindUnder], ...] = (
    (b"/v1/", surfaces.OPENAI, _under_openai_v1),
)
"""Prefixes that are all ours; the function gets what follows the prefix."""
