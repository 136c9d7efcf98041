"""Google, and any other host that speaks the Gemini dialect.

A Gemini request goes through with nothing changed but the model's name; one in the common form is
translated. Options of a target: `thinking` (`level`, `budget` or `none`: how the model is told to
reason, where its name does not say), `project` and `location` for Vertex AI, whose paths differ and
whose credential is a bearer token.

Sources: ai.google.dev, API reference, "Generating content", "Embeddings"; cloud.google.com, "Vertex
AI API", `projects.locations.publishers.models.generateContent`.
"""

import re
from functools import lru_cache
from urllib.parse import quote

from tradewind.plugins.providers.base import (
    Dialect,
    Prepared,
    ProviderRequest,
    Reader,
    request_bytes,
)
from tradewind.plugins.providers.dialects.gemini import GeminiAnswer, GeminiStream, error_of
from tradewind.plugins.providers.dialects.gemini_chat import (
    GeminiAnswerAsChat,
    GeminiStreamAsChat,
)
from tradewind.plugins.providers.dialects.gemini_embeddings import (
    GeminiEmbeddings,
    GeminiEmbeddingsAsOpenAI,
    to_batch,
    with_model,
)
from tradewind.plugins.providers.dialects.gemini_request import to_gemini
from tradewind.plugins.providers.dialects.quirks import wrong_option
from tradewind.snapshot.contents import Operation, Target
from tradewind.wire.chat import ChatRequest, Fields, encode
from tradewind.wire.embeddings import EmbeddingsRequest
from tradewind.wire.errors import ApiError

_COLLECTIONS = ("models/", "tunedModels/")
_PLACE = re.compile(r"[a-z0-9][a-z0-9.:-]{0,62}")
_DEFAULT_LOCATION = "global"


class Google:
    name = "google"
    dialects = frozenset({Dialect.GEMINI})
    operations = frozenset({Operation.CHAT, Operation.EMBEDDINGS})
    files_at = None

    def prepare(self, request: ProviderRequest, target: Target) -> Prepared:
        if request.operation is Operation.EMBEDDINGS:
            fields, reader, method = _embeddings(request, target)
        else:
            fields, reader, method = _chat(request, target)
        body = encode(fields)
        project = target.options.get("project", "")
        place = target.options.get("location") or target.region or _DEFAULT_LOCATION
        head = request_bytes(
            target,
            _path(target.upstream_model, method, project, place),
            body,
            authorization=None if project else _key_line(target.credential),
            headers=request.headers,
        )
        return Prepared(head, body, reader)

    def error_of(self, status: int, body: bytes) -> ApiError:
        return error_of(status, body)


def _chat(request: ProviderRequest, target: Target) -> tuple[Fields, Reader, str]:
    name = request.endpoint.name
    is_stream = request.is_stream
    method = "streamGenerateContent?alt=sse" if is_stream else "generateContent"
    reader: Reader
    if request.dialect is Dialect.GEMINI:
        shown = None if target.upstream_model == name else name
        reader = GeminiStream(shown) if is_stream else GeminiAnswer(shown)
        return request.fields, reader, method
    parsed = request.parsed
    if is_stream:
        shows_usage = isinstance(parsed, ChatRequest) and parsed.wants_usage_chunk
        reader = GeminiStreamAsChat(name, shows_usage=shows_usage)
    else:
        reader = GeminiAnswerAsChat(name)
    return to_gemini(request, target), reader, method


def _embeddings(request: ProviderRequest, target: Target) -> tuple[Fields, Reader, str]:
    if target.options.get("project"):
        raise ApiError(
            400,
            "Embeddings of this model are not spoken on Vertex AI; use the Gemini API's host.",
            param="model",
            code="unsupported_operation",
        )
    resource = _resource(target.upstream_model)
    if request.dialect is Dialect.GEMINI:
        method = "batchEmbedContents" if "requests" in request.fields else "embedContent"
        return with_model(request.fields, resource), GeminiEmbeddings(), method
    parsed = request.parsed
    as_base64 = isinstance(parsed, EmbeddingsRequest) and parsed.encoding_format == "base64"
    reader = GeminiEmbeddingsAsOpenAI(request.endpoint.name, as_base64=as_base64)
    return to_batch(request, resource), reader, "batchEmbedContents"


def _resource(model: str) -> str:
    return model if model.startswith(_COLLECTIONS) else f"models/{model}"


@lru_cache(maxsize=4096)
def _path(model: str, method: str, project: str, place: str) -> bytes:
    """Return the path behind the base path. Raises ApiError 502 for an option that is none."""
    resource = quote(_resource(model), safe="/")
    if project:
        if _PLACE.fullmatch(project) is None:
            raise wrong_option("project", project)
        if _PLACE.fullmatch(place) is None:
            raise wrong_option("location", place)
        resource = f"projects/{project}/locations/{place}/publishers/google/{resource}"
    return f"/{resource}:{method}".encode()


@lru_cache(maxsize=1024)
def _key_line(credential: str) -> bytes:
    return b"x-goog-api-key: " + credential.encode() if credential else b""
