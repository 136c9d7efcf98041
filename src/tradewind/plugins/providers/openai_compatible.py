"""Any host that speaks the OpenAI v1 dialect as it is."""

from functools import lru_cache

from msgspec import Raw

from tradewind.plugins.providers.base import (
    PATHS,
    Dialect,
    Prepared,
    ProviderRequest,
    Reader,
    request_bytes,
)
from tradewind.plugins.providers.dialects.openai import (
    StreamedAnswer,
    WholeAnswer,
    counts_of,
    counts_of_embeddings,
    error_of,
    renames_of,
)
from tradewind.snapshot.contents import Target
from tradewind.wire.chat import ChatRequest, encode
from tradewind.wire.errors import ApiError

# We always ask for usage, whether the client did or not: without it we would have to guess the
# bill.
_WITH_USAGE = Raw(b'{"include_usage":true}')


class OpenAICompatible:
    name = "openai_compatible"
    dialects: frozenset[Dialect] = frozenset()
    operations = frozenset(PATHS)

    def prepare(self, request: ProviderRequest, target: Target) -> Prepared:
        fields = request.fields.copy()
        fields["model"] = _member(target.upstream_model)
        name = request.endpoint.name
        parsed = request.parsed
        if isinstance(parsed, ChatRequest) and parsed.stream:
            fields["stream_options"] = _WITH_USAGE
            renames = renames_of(target.upstream_model, name)
            reader: Reader = StreamedAnswer(renames, shows_usage=parsed.wants_usage_chunk)
        else:
            is_chat = isinstance(parsed, ChatRequest)
            reader = WholeAnswer(
                None if target.upstream_model == name else name,
                counts_of if is_chat else counts_of_embeddings,
            )
        body = encode(fields)
        path = PATHS[request.operation]
        return Prepared(request_bytes(target, path, body, headers=request.headers), body, reader)

    def error_of(self, status: int, body: bytes) -> ApiError:
        return error_of(status, body)


@lru_cache(maxsize=1024)
def _member(text: str) -> Raw:
    return Raw(encode(text))
