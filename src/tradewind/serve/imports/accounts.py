"""An account at a host, as another gateway's file describes it, and how it is spoken to here."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tradewind.db.sealing import Secret
from tradewind.features.providers.schemas import KnownHost


class NotTaken(Exception):
    """Something cannot be taken over. Says why, and the way out; never repeats a credential."""

    def __init__(self, why: str, instead: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.instead = instead


@dataclass(frozen=True, slots=True)
class Account:
    label: str
    """What its connection is called, if nothing else is."""
    provider: str
    base_url: str
    host: KnownHost | None = None
    """None is an address of nobody's that is known."""
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    credential: Secret | None = None
    credential_from: str = ""


def provider_of(host: KnownHost) -> str:
    """Return the member of the provider family for a known host. Raises NotTaken for none."""
    if host.provider is None:
        raise NotTaken(f"{host.name} is not supported: {host.unsupported_reason}")
    return host.provider
