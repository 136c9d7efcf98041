"""Azure AI Model Inference: one form for the models of many publishers, OpenAI's but for a few
names.

Options of a target: `api_version`, `auth` and those of `dialects/quirks`. What the form does not
know is passed through to the model (`extra-parameters`), which says itself what it refuses.

Source: learn.microsoft.com, "Azure AI Model Inference REST API reference", "Get Chat Completions".
"""

from functools import lru_cache

from msgspec.structs import replace

from tradewind.plugins.providers.base import (
    PATHS,
    Dialect,
    Prepared,
    ProviderRequest,
)
from tradewind.plugins.providers.dialects.azure import (
    FilteredStream,
    api_version_of,
    authorization_of,
)
from tradewind.plugins.providers.dialects.openai import error_of
from tradewind.plugins.providers.dialects.openai_requests import Wire, prepare
from tradewind.plugins.providers.dialects.quirks import Quirks, quirks_of
from tradewind.snapshot.contents import Operation, Target
from tradewind.wire.errors import ApiError

_DEFAULT_VERSION = "2024-05-01-preview"
_OPERATIONS = frozenset({Operation.CHAT, Operation.EMBEDDINGS})
_EXTRA = b"extra-parameters: pass-through\r\n"
# The form has the roles system, user, assistant and tool, and `max_tokens` only.
_QUIRKS = Quirks((("max_completion_tokens", "max_tokens"),), knows_developer=False)


class AzureInference:
    name = "azure_inference"
    dialects: frozenset[Dialect] = frozenset()
    operations = _OPERATIONS
    files_at = None

    def prepare(self, request: ProviderRequest, target: Target) -> Prepared:
        paths = _paths(target.base_path, api_version_of(target, _DEFAULT_VERSION))
        quirks = quirks_of(target)
        if not quirks.renames:
            quirks = quirks._replace(renames=_QUIRKS.renames)
        if target.options.get("developer_role") != "developer":
            quirks = quirks._replace(knows_developer=False)
        wire = Wire(paths, authorization_of(target), _EXTRA, quirks)
        prepared = prepare(request, target, wire)
        if request.is_stream:
            return replace(prepared, reader=FilteredStream(prepared.reader))
        return prepared

    def error_of(self, status: int, body: bytes) -> ApiError:
        return error_of(status, body)


@lru_cache(maxsize=64)
def _paths(base_path: str, version: str) -> dict[Operation, bytes]:
    start = b"" if base_path.endswith("/models") else b"/models"
    query = b"?api-version=" + version.encode()
    return {operation: start + PATHS[operation] + query for operation in _OPERATIONS}
