"""Amazon Bedrock: chat by Converse and ConverseStream for every publisher's models; by InvokeModel
embeddings of Titan and Cohere, and rerank of Cohere and Amazon.

The credential is an API key of Bedrock, or JSON with `access_key_id`, `secret_access_key` and
perhaps `session_token`, which requests are signed with. Options of a target: `region`, where the
host's name does not tell it.

Sources: docs.aws.amazon.com, Amazon Bedrock API Reference, "Converse", "ConverseStream",
"InvokeModel"; User Guide, "Use an Amazon Bedrock API key".
"""

import re
import secrets
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from tradewind.plugins.providers.base import (
    Dialect,
    Prepared,
    ProviderRequest,
    Reader,
    host_of,
    request_bytes,
)
from tradewind.plugins.providers.dialects import bedrock_cohere, sigv4
from tradewind.plugins.providers.dialects.converse import (
    ConverseAnswer,
    ConverseStream,
    TitanEmbedding,
)
from tradewind.plugins.providers.dialects.converse_requests import converse_body, titan_body
from tradewind.plugins.providers.dialects.paths import path_segment
from tradewind.plugins.providers.dialects.quirks import wrong_option
from tradewind.plugins.providers.dialects.refusals import error_of
from tradewind.snapshot.contents import Operation, Target
from tradewind.wire.chat import ChatRequest, encode
from tradewind.wire.decoding import UNREADABLE
from tradewind.wire.errors import ApiError

_SERVICE = "bedrock"
_JSON = "application/json"
_REGION = re.compile(r"[a-z]{2}(?:-[a-z0-9]{1,16}){1,4}")
_REGION_IN_HOST = re.compile(r"bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")
_KEY_ID = re.compile(r"[A-Za-z0-9]{1,128}")
_TOKEN = re.compile(r"[\x21-\x7e]{0,16384}")


class Bedrock:
    name = "bedrock"
    dialects: frozenset[Dialect] = frozenset()
    operations = frozenset({Operation.CHAT, Operation.EMBEDDINGS, Operation.RERANK})
    files_at = None

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """`now` is the clock that signatures are dated by, in Unix seconds."""
        self._now = now

    def prepare(self, request: ProviderRequest, target: Target) -> Prepared:
        now = self._now()
        name = request.endpoint.name
        reader: Reader
        if request.operation is not Operation.CHAT:
            members, reader = _invocation(request, target.upstream_model)
            action, body = b"invoke", encode(members)
        else:
            body = encode(converse_body(request.fields))
            answer_id = f"chatcmpl-{secrets.token_hex(12)}"
            parsed = request.parsed
            if request.is_stream:
                shows_usage = isinstance(parsed, ChatRequest) and parsed.wants_usage_chunk
                action = b"converse-stream"
                reader = ConverseStream(name, answer_id, int(now), shows_usage=shows_usage)
            else:
                action, reader = b"converse", ConverseAnswer(name, answer_id, int(now))
        path = b"/model/%b/%b" % (path_segment(target.upstream_model), action)
        keys = _keys_of(target.credential)
        authorization, lines = None, b""
        if keys is not None:
            authorization, lines = _signature(keys, target, path, body, now)
        head = request_bytes(
            target, path, body, authorization=authorization, headers=lines + request.headers
        )
        return Prepared(head, body, reader)

    def error_of(self, status: int, body: bytes) -> ApiError:
        return error_of(status, body)


def _invocation(request: ProviderRequest, model: str) -> tuple[dict[str, Any], Reader]:
    """Return the body that the publisher of a model has for what Converse does not do."""
    fields, name = request.fields, request.endpoint.name
    if request.operation is Operation.RERANK:
        return bedrock_cohere.ranking(fields, name, model)
    if bedrock_cohere.is_of_cohere(model):
        return bedrock_cohere.embeddings(fields, name, model)
    is_base64 = bytes(fields.get("encoding_format", b"")) == b'"base64"'
    return titan_body(fields), TitanEmbedding(name, is_base64=is_base64)


def _signature(
    keys: sigv4.Keys, target: Target, path: bytes, body: bytes, now: float
) -> tuple[bytes, bytes]:
    """Return the line that opens the host, and the further lines that belong to it."""
    added = sigv4.signed_headers(
        keys,
        sigv4.Scope(_region_of(target), _SERVICE),
        method="POST",
        path=target.base_path + path.decode(),
        query="",
        headers={"content-type": _JSON, "host": host_of(target.address)},
        body=body,
        at=now,
    )
    # The date and the signature change with every call, so neither may go into a cached head.
    lines = b"".join(b"%b: %b\r\n" % (name.encode(), added[name].encode()) for name in added)
    return b"", lines


def _region_of(target: Target) -> str:
    region = target.options.get("region") or ""
    if not region:
        matched = _REGION_IN_HOST.search(target.address)
        region = matched[1] if matched is not None else target.region
    if _REGION.fullmatch(region) is None:
        raise wrong_option("region", region)
    return region


class _KeysInJson(msgspec.Struct, frozen=True):
    access_key_id: str
    secret_access_key: str
    session_token: str = ""


@lru_cache(maxsize=256)
def _keys_of(credential: str) -> sigv4.Keys | None:
    """Return the keys in a credential; None when it is an API key."""
    if not credential.startswith("{"):
        return None
    try:
        found = msgspec.json.decode(credential, type=_KeysInJson)
    except UNREADABLE:
        raise _wrong_credential() from None
    if _KEY_ID.fullmatch(found.access_key_id) is None or not _TOKEN.fullmatch(found.session_token):
        raise _wrong_credential()
    return sigv4.Keys(found.access_key_id, found.secret_access_key, found.session_token)


def _wrong_credential() -> ApiError:
    return ApiError(
        502,
        "The model's provider is not set up right: its credential cannot be read.",
        type="server_error",
        code="upstream_error",
    )
