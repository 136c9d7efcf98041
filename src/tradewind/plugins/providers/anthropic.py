"""Anthropic, and any other host that speaks the Messages dialect.

A Messages request goes through with nothing changed but the model's name; one in the common form is
translated. Options of a target: `version` (the `anthropic-version` header), `thinking` (`adaptive`
or `budget`: how the model is told to reason, where its name does not say).

Sources: platform.claude.com, "API overview" (headers), "Create a Message".
"""

from functools import lru_cache

import msgspec
from msgspec import Raw

from tradewind.plugins.providers.base import (
    Dialect,
    Prepared,
    ProviderRequest,
    Reader,
    request_bytes,
)
from tradewind.plugins.providers.dialects.messages import (
    MessagesAnswer,
    MessagesStream,
    error_of,
)
from tradewind.plugins.providers.dialects.messages_chat import (
    MessagesAnswerAsChat,
    MessagesStreamAsChat,
)
from tradewind.plugins.providers.dialects.messages_request import to_messages
from tradewind.snapshot.contents import Operation, Target
from tradewind.wire.chat import ChatRequest, Fields, encode
from tradewind.wire.decoding import UNREADABLE, refuse
from tradewind.wire.errors import ApiError
from tradewind.wire.messages import UNSIGNED

_PATH = b"/messages"
_VERSION = "2023-06-01"
_UNSIGNED = UNSIGNED.encode()


class Anthropic:
    name = "anthropic"
    dialects = frozenset({Dialect.MESSAGES})
    operations = frozenset({Operation.CHAT})
    files_at = None

    def prepare(self, request: ProviderRequest, target: Target) -> Prepared:
        name = request.endpoint.name
        reader: Reader
        if request.dialect is Dialect.MESSAGES:
            fields = request.fields.copy()
            fields["model"] = Raw(encode(target.upstream_model))
            fields["messages"] = _without_unsigned(fields["messages"])
            shown = None if target.upstream_model == name else name
            reader = MessagesStream(shown) if request.is_stream else MessagesAnswer(shown)
        else:
            fields = to_messages(request, target)
            parsed = request.parsed
            if request.is_stream:
                shows_usage = isinstance(parsed, ChatRequest) and parsed.wants_usage_chunk
                reader = MessagesStreamAsChat(name, shows_usage=shows_usage)
            else:
                reader = MessagesAnswerAsChat(name)
        body = encode(fields)
        head = request_bytes(
            target,
            _PATH,
            body,
            authorization=_key_line(target.credential),
            headers=_version_line(target.options.get("version", _VERSION)) + request.headers,
        )
        return Prepared(head, body, reader)

    def error_of(self, status: int, body: bytes) -> ApiError:
        return error_of(status, body)


class _Thinking(msgspec.Struct):
    type: str
    signature: str | None = None


_decode_messages = msgspec.json.Decoder(list[Fields]).decode
_decode_content = msgspec.json.Decoder(list[Raw]).decode
_decode_thinking = msgspec.json.Decoder(_Thinking).decode


def _without_unsigned(messages: Raw) -> Raw:
    """Return the messages without thinking that another target of the same endpoint wrote: only
    what this host has signed may be sent to it. Commonly there is none.
    """
    if _UNSIGNED not in bytes(messages):
        return messages
    kept: list[Fields] = []
    try:
        for message in _decode_messages(messages):
            content = bytes(message.get("content", b""))
            if content.startswith(b"[") and _UNSIGNED in content:
                blocks = [each for each in _decode_content(content) if not _is_unsigned(each)]
                if not blocks:
                    continue
                message["content"] = Raw(encode(blocks))
            kept.append(message)
    except UNREADABLE as error:
        raise refuse(error) from None
    return Raw(encode(kept))


def _is_unsigned(block: Raw) -> bool:
    if _UNSIGNED not in bytes(block):
        return False
    said = _decode_thinking(block)
    return said.type == "thinking" and said.signature == UNSIGNED


@lru_cache(maxsize=1024)
def _key_line(credential: str) -> bytes:
    return b"x-api-key: " + credential.encode() if credential else b""


@lru_cache(maxsize=64)
def _version_line(version: str) -> bytes:
    return b"anthropic-version: %b\r\n" % version.encode()
