"""Azure OpenAI: OpenAI's dialect behind deployments of a resource.

The upstream model is the deployment's name. Options of a target: `api_version` (a date; `v1` for
the newer paths without one), `auth` (`bearer` when the credential is a token of Microsoft Entra ID)
and those of `dialects/quirks`. A deployment that is named like a model that reasons counts as one,
and is sent `max_completion_tokens` instead of `max_tokens`; of another name the option
`max_tokens_field` says so.

Source: learn.microsoft.com, "Azure OpenAI in Foundry Models REST API reference" and "Azure OpenAI
API version lifecycle" (v1).
"""

from functools import lru_cache

from msgspec.structs import replace

from tradewind.plugins.providers.base import (
    PATHS,
    Dialect,
    FilesWire,
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
from tradewind.plugins.providers.dialects.paths import path_segment
from tradewind.plugins.providers.dialects.quirks import for_model, quirks_of
from tradewind.snapshot.contents import Operation, Target
from tradewind.wire.errors import ApiError

_DEFAULT_VERSION = "2024-10-21"
_OPERATIONS = frozenset(PATHS) - {Operation.RERANK, Operation.MODERATIONS}


class AzureOpenAI:
    name = "azure_openai"
    dialects: frozenset[Dialect] = frozenset()
    operations = _OPERATIONS

    def files_at(self, target: Target) -> FilesWire:
        """Files are the resource's, not a deployment's."""
        authorization = authorization_of(target)
        version = api_version_of(target, _DEFAULT_VERSION)
        if target.base_path.endswith("/openai/v1"):
            return FilesWire(authorization=authorization)
        start = b"" if target.base_path.endswith("/openai") else b"/openai"
        if version == "v1":
            return FilesWire(start + b"/v1/files", authorization=authorization)
        query = b"?api-version=" + version.encode()
        return FilesWire(start + b"/files", query, authorization)

    def prepare(self, request: ProviderRequest, target: Target) -> Prepared:
        paths = _paths(
            target.base_path, target.upstream_model, api_version_of(target, _DEFAULT_VERSION)
        )
        quirks = for_model(quirks_of(target), target, request.operation)
        wire = Wire(paths, authorization_of(target), b"", quirks)
        prepared = prepare(request, target, wire)
        if request.is_stream and request.operation in (Operation.CHAT, Operation.COMPLETIONS):
            return replace(prepared, reader=FilteredStream(prepared.reader))
        return prepared

    def error_of(self, status: int, body: bytes) -> ApiError:
        return error_of(status, body)


@lru_cache(maxsize=1024)
def _paths(base_path: str, deployment: str, version: str) -> dict[Operation, bytes]:
    """Return the paths behind the base path, which may hold the first of their segments already."""
    if base_path.endswith("/openai/v1"):
        return PATHS
    start = b"" if base_path.endswith("/openai") else b"/openai"
    if version == "v1":
        return {operation: start + b"/v1" + path for operation, path in PATHS.items()}
    start += b"/deployments/" + path_segment(deployment)
    query = b"?api-version=" + version.encode()
    return {operation: start + path + query for operation, path in PATHS.items()}
