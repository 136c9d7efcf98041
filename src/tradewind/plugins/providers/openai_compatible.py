"""Any host that speaks the OpenAI v1 dialect as it is, but for quirks that are data."""

from tradewind.plugins.providers.base import (
    PATHS,
    Dialect,
    FilesWire,
    Prepared,
    ProviderRequest,
)
from tradewind.plugins.providers.dialects.openai import error_of
from tradewind.plugins.providers.dialects.openai_requests import Wire, prepare
from tradewind.plugins.providers.dialects.quirks import HOSTS, quirks_of
from tradewind.snapshot.contents import Target
from tradewind.wire.errors import ApiError

_AS_IS = Wire()


class OpenAICompatible:
    name = "openai_compatible"
    dialects: frozenset[Dialect] = frozenset()
    operations = frozenset(PATHS)

    def files_at(self, target: Target) -> FilesWire:  # noqa: ARG002  each host has its own way
        """Many hosts of the dialect have no files: theirs is to say so."""
        return FilesWire()

    def prepare(self, request: ProviderRequest, target: Target) -> Prepared:
        # The commonest host by far has neither an entry nor an option.
        if target.host not in HOSTS and not target.options:
            return prepare(request, target, _AS_IS)
        return prepare(request, target, Wire(quirks=quirks_of(target)))

    def error_of(self, status: int, body: bytes) -> ApiError:
        return error_of(status, body)
