"""`tradewind models call-through`: a model of the catalog called at a provider, and tried once."""

import http.client
import json
import time
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import InvalidInput
from tradewind.core.settings import Settings
from tradewind.features.endpoints.schemas import CalledThrough, Callers, CallThrough
from tradewind.serve.first_call import connect
from tradewind.serve.operating import operating
from tradewind.serve.sign_in_link import base_url_of
from tradewind.snapshot.contents import Operation

QUESTION = "Say hello in one short sentence."
_MOST_OUTPUT_TOKENS = 48
_NEWS_ARRIVE_S = 30.0
"""Gateways are told of a new endpoint and of a new key within moments."""
_RETRY_S = 0.1
_MOST_ANSWER_BYTES = 1024 * 1024
_OF_BEFORE = frozenset({"model_not_found", "invalid_api_key"})
_ASKED = {
    Operation.CHAT: "/v1/chat/completions",
    Operation.EMBEDDINGS: "/v1/embeddings",
}


class Tried(NamedTuple):
    """What came of one call through the public port."""

    status: int
    answer: str
    error: str
    """In the gateway's words; empty when it was answered."""
    code: str
    latency_ms: float
    cost: str
    currency: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Done:
    called: CalledThrough
    operation: Operation
    base_url: str
    tried: Tried | None
    """None when that was not wanted, or this kind of model is not tried."""


def call_through(settings: Settings, asked: CallThrough, *, tries: bool) -> Done:
    """Set it up and, with `tries`, make one call.

    Raises StartupError when no platform runs, and what `CallThroughs.call_through` raises.
    """
    if asked.callers is Callers.PROJECT:
        raise InvalidInput(
            "the command line acts in no project", hint="choose organization or everybody"
        )
    with operating(settings) as at:
        with at.database.transaction() as tx:
            called = at.services.call_throughs.call_through(tx, at.operator, asked)
            model = at.services.catalog.get_model(tx, called.endpoint.model_id)
            assert model.operation is not None, "an endpoint has a model that can be served"
        base_url = base_url_of(DataFolder(settings.data.resolve()))
        tried = None
        if tries and base_url and model.operation in _ASKED:
            with at.database.transaction() as tx:
                key = at.services.accounts.mint_start_up_key(tx).text
            tried = _try(settings, base_url, key, called.endpoint.name, model.operation)
        return Done(called, model.operation, base_url, tried)


def _try(settings: Settings, base_url: str, key: str, name: str, operation: Operation) -> Tried:
    deadline = time.monotonic() + _NEWS_ARRIVE_S
    while True:
        try:
            tried = _ask(settings, base_url, key, name, operation)
        except (OSError, http.client.HTTPException) as error:
            return Tried(0, "", f"the gateway does not answer: {error}", "", 0.0, "", "", "")
        if tried.code not in _OF_BEFORE or time.monotonic() > deadline:
            return tried
        time.sleep(_RETRY_S)


def _ask(settings: Settings, base_url: str, key: str, name: str, operation: Operation) -> Tried:
    url = urlsplit(base_url)
    port = url.port or {"https": 443}.get(url.scheme, 80)
    certificate = settings.tls_certificate if url.scheme == "https" else None
    connection = connect(url.hostname or "", port, certificate)
    body: dict[str, Any] = {"model": name, "input": QUESTION}
    if operation is Operation.CHAT:
        messages = [{"role": "user", "content": QUESTION}]
        body = {"model": name, "messages": messages, "max_tokens": _MOST_OUTPUT_TOKENS}
    began = time.perf_counter()
    try:
        connection.request(
            "POST",
            _ASKED[operation],
            json.dumps(body),
            {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        response = connection.getresponse()
        said = response.read(_MOST_ANSWER_BYTES)
    finally:
        connection.close()
    latency_ms = round((time.perf_counter() - began) * 1000, 1)
    told = _decoded(said)
    error: dict[str, Any] = told.get("error") or {}
    headers = response.headers
    return Tried(
        status=response.status,
        answer=_text_of(told),
        error=str(error.get("message", "")) if response.status != http.client.OK else "",
        code=str(error.get("code") or ""),
        latency_ms=latency_ms,
        cost=headers.get("x-tradewind-cost", ""),
        currency=headers.get("x-tradewind-currency", ""),
        request_id=headers.get("x-request-id", ""),
    )


def _decoded(said: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(said, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}


def _text_of(told: dict[str, Any]) -> str:
    for choice in told.get("choices") or ():
        return str(choice.get("message", {}).get("content") or "")
    for entry in told.get("data") or ():
        return f"{len(entry.get('embedding', ()))} numbers"
    return ""
