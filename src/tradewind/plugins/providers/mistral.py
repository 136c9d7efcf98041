"""Mistral's own platform: OpenAI's dialect with names of its own, and strict about the rest.

Members of its dialect (`safe_prompt`, `prompt_mode`, `random_seed`) pass through. It tells the
usage of a stream in the last event with a choice, whether asked or not.

Source: docs.mistral.ai, API reference.
"""

import msgspec
from msgspec.structs import replace

from tradewind.plugins.providers.base import (
    PATHS,
    Dialect,
    Prepared,
    ProviderRequest,
)
from tradewind.plugins.providers.dialects.chat_requests import no_place_for
from tradewind.plugins.providers.dialects.mistral import (
    EMBEDDING_QUIRKS,
    QUIRKS,
    PlainContent,
    change_messages,
)
from tradewind.plugins.providers.dialects.openai import error_of
from tradewind.plugins.providers.dialects.openai_requests import Wire, prepare
from tradewind.snapshot.contents import Operation, Target
from tradewind.wire.errors import ApiError

_CHAT = Wire(PATHS, quirks=QUIRKS)
_EMBEDDINGS = Wire(PATHS, quirks=EMBEDDING_QUIRKS)
_AS_IS = Wire()
# The dialect has members for these, and none for the same thing under another name.
_REFUSED = ("logit_bias", "functions", "function_call", "audio", "web_search_options")


class Mistral:
    name = "mistral"
    dialects: frozenset[Dialect] = frozenset()
    operations = frozenset({Operation.CHAT, Operation.EMBEDDINGS, Operation.MODERATIONS})
    files_at = None

    def prepare(self, request: ProviderRequest, target: Target) -> Prepared:
        match request.operation:
            case Operation.CHAT:
                fields = request.fields.copy()
                for name in _REFUSED:
                    if fields.get(name) is not None and bytes(fields[name]) != b"null":
                        raise no_place_for(name)
                    fields.pop(name, None)
                change_messages(fields)
                request = msgspec.structs.replace(request, fields=fields)
                prepared = prepare(request, target, _CHAT)
                reader = PlainContent(prepared.reader, is_stream=request.is_stream)
                return replace(prepared, reader=reader)
            case Operation.EMBEDDINGS:
                return prepare(request, target, _EMBEDDINGS)
            case _:
                return prepare(request, target, _AS_IS)

    def error_of(self, status: int, body: bytes) -> ApiError:
        return error_of(status, body)
