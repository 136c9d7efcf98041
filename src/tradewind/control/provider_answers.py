"""What the routes of providers take and answer. A credential goes in and never comes out."""

from datetime import datetime
from typing import Annotated, Self

from msgspec import UNSET
from pydantic import BaseModel, Field, SecretStr, StringConstraints

from tradewind.control.bodies import Body, Name, Place, amount_of
from tradewind.db.sealing import Secret
from tradewind.features.providers.schemas import (
    HOST_CURRENCY,
    ConnectionChanges,
    ConnectionRow,
    HostModel,
    HostPrice,
    KnownHost,
    NewConnection,
)

_Credential = Annotated[SecretStr, Field(max_length=16_384)]
_Url = Annotated[str, StringConstraints(max_length=2048)]
_Options = Annotated[
    dict[Annotated[str, StringConstraints(max_length=64)], Name], Field(max_length=16)
]


# --- known hosts ----------------------------------------------------------------------------


class Host(BaseModel):
    id: str
    name: str
    shape: str = Field(description="The form of its API, or `unsupported`.")
    provider: str | None = Field(description="What speaks to it; null when unsupported.")
    unsupported_reason: str | None
    base_url: str
    variables: list[str] = Field(description="Options that fill in what base_url leaves open.")
    is_local: bool = Field(description="A program on a machine of one's own.")
    documentation: str
    environment: list[str] = Field(description="Where its own clients look for the credential.")
    models: int

    @classmethod
    def of(cls, host: KnownHost) -> Self:
        return cls(
            id=host.id,
            name=host.name,
            shape=host.shape.value,
            provider=host.provider,
            unsupported_reason=host.unsupported_reason or None,
            base_url=host.base_url,
            variables=list(host.variables),
            is_local=host.is_local,
            documentation=host.documentation,
            environment=list(host.environment),
            models=len(host.models),
        )


class HostPage(BaseModel):
    hosts: list[Host]
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class PriceOfHost(BaseModel):
    """Decimal amounts of `currency` for 1,000,000 tokens. Null is not told, which is not free."""

    currency: str
    input: str
    output: str
    cached_input: str | None
    cache_write: str | None
    from_context_tokens: int = Field(description="Holds for inputs that are longer than this.")

    @classmethod
    def of(cls, price: HostPrice) -> Self:
        cached, written = price.cached_input_nanos, price.cache_write_nanos
        return cls(
            currency=HOST_CURRENCY,
            input=amount_of(price.input_nanos),
            output=amount_of(price.output_nanos),
            cached_input=None if cached is None else amount_of(cached),
            cache_write=None if written is None else amount_of(written),
            from_context_tokens=price.from_context_tokens,
        )


class ModelOfHost(BaseModel):
    id: str = Field(description="Send it as `upstream_model` to have it called.")
    name: str
    family: str
    operation: str | None = Field(description="Null is a kind of model that is not served.")
    input_modalities: list[str]
    output_modalities: list[str]
    context_tokens: int | None
    max_output_tokens: int | None
    prices: list[PriceOfHost]
    has_tools: bool
    has_reasoning: bool
    has_structured_output: bool | None
    has_open_weights: bool
    knowledge: str
    status: str

    @classmethod
    def of(cls, model: HostModel) -> Self:
        return cls(
            id=model.id,
            name=model.name,
            family=model.family,
            operation=None if model.operation is None else model.operation.value,
            input_modalities=list(model.input_modalities),
            output_modalities=list(model.output_modalities),
            context_tokens=model.context_tokens,
            max_output_tokens=model.max_output_tokens,
            prices=[PriceOfHost.of(price) for price in model.prices],
            has_tools=model.has_tools,
            has_reasoning=model.has_reasoning,
            has_structured_output=model.has_structured_output,
            has_open_weights=model.has_open_weights,
            knowledge=model.knowledge,
            status=model.status,
        )


class HostModelPage(BaseModel):
    models: list[ModelOfHost]
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


# --- connections ----------------------------------------------------------------------------


class Credential(BaseModel):
    """What is told of a credential."""

    hint: str = Field(description="Its last characters; empty for a short one.")
    set_at: datetime


class ConnectionAnswer(BaseModel):
    id: str
    name: str
    is_shared: bool = Field(description="The platform's own, offered to all organizations.")
    host: str | None
    provider: str
    base_url: str
    is_private_network: bool
    options: dict[str, str]
    region: str
    zone: str
    retains_data: bool
    trains_on_data: bool
    is_enabled: bool
    credential: Credential | None = Field(description="Null for a host that takes none.")
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None

    @classmethod
    def of(cls, row: ConnectionRow) -> Self:
        set_at = row.credential_set_at
        return cls(
            id=row.id,
            name=row.name,
            is_shared=row.is_shared,
            host=row.host,
            provider=row.provider,
            base_url=row.base_url,
            is_private_network=row.is_private_network,
            options=dict(row.options),
            region=row.region,
            zone=row.zone,
            retains_data=row.retains_data,
            trains_on_data=row.trains_on_data,
            is_enabled=row.disabled_at is None,
            credential=(
                None if set_at is None else Credential(hint=row.credential_hint, set_at=set_at)
            ),
            created_at=row.created_at,
            updated_at=row.updated_at,
            disabled_at=row.disabled_at,
        )


class ConnectionPage(BaseModel):
    connections: list[ConnectionAnswer]
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class ConnectionBody(Body):
    """An account at a host: `host` names a known one, `base_url` is any other."""

    credential: _Credential | None = Field(
        description="The host's key, or JSON of several parts; null for a host that takes none."
    )
    host: Name | None = None
    base_url: _Url | None = None
    provider: Name | None = None
    name: Name | None = None
    is_shared: bool = True
    is_private_network: bool = False
    options: _Options = Field(default_factory=dict[str, str])
    region: Place = ""
    zone: Place = ""
    retains_data: bool = True
    trains_on_data: bool = True

    def to_new(self) -> NewConnection:
        return NewConnection(
            credential=secret_of(self.credential),
            name=self.name,
            host=self.host,
            provider=self.provider,
            base_url=self.base_url,
            is_shared=self.is_shared,
            is_private_network=self.is_private_network,
            options=self.options,
            region=self.region,
            zone=self.zone,
            retains_data=self.retains_data,
            trains_on_data=self.trains_on_data,
        )


class ConnectionPatch(Body):
    """What is named is changed. A new `base_url` takes its `credential` along."""

    name: Name = ""
    base_url: _Url = ""
    credential: _Credential | None = None
    is_private_network: bool = False
    options: _Options = Field(default_factory=dict[str, str])
    region: Place = ""
    zone: Place = ""
    retains_data: bool = True
    trains_on_data: bool = True
    is_enabled: bool = True

    def to_changes(self) -> ConnectionChanges:
        named = self.model_fields_set
        return ConnectionChanges(
            name=self.name if "name" in named else UNSET,
            base_url=self.base_url if "base_url" in named else UNSET,
            credential=secret_of(self.credential) if "credential" in named else UNSET,
            is_private_network=(
                self.is_private_network if "is_private_network" in named else UNSET
            ),
            options=self.options if "options" in named else UNSET,
            region=self.region if "region" in named else UNSET,
            zone=self.zone if "zone" in named else UNSET,
            retains_data=self.retains_data if "retains_data" in named else UNSET,
            trains_on_data=self.trains_on_data if "trains_on_data" in named else UNSET,
            is_enabled=self.is_enabled if "is_enabled" in named else UNSET,
        )


class CredentialBody(Body):
    credential: _Credential | None


def secret_of(credential: SecretStr | None) -> Secret | None:
    return None if credential is None else Secret(credential.get_secret_value())
