"""What the control API answers with. Amounts are decimal strings: JSON numbers are floats."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from tradewind.core.money import format_nanos
from tradewind.features.accounts.schemas import KeyHolder, KeyRow
from tradewind.readmodels.models import ServedModel


class Health(BaseModel):
    status: str


class Place(BaseModel):
    """An organization or a project."""

    id: str
    name: str


class WhoAmI(BaseModel):
    """What the key that was sent stands for."""

    key_id: str
    key_name: str
    organization: Place
    project: Place
    permissions: list[str]
    models: list[str] | None = Field(description="Models the key may call; null is all of them.")

    @classmethod
    def of(cls, holder: KeyHolder) -> Self:
        return cls(
            key_id=holder.key_id,
            key_name=holder.key_name,
            organization=Place(id=holder.organization_id, name=holder.organization_name),
            project=Place(id=holder.project_id, name=holder.project_name),
            permissions=sorted(permission.value for permission in holder.permissions),
            models=None if holder.models is None else sorted(holder.models),
        )


class Price(BaseModel):
    """Decimal amounts of `currency` for 1,000,000 tokens."""

    currency: str
    input: str
    output: str
    cached_input: str


class Model(BaseModel):
    name: str = Field(description="What a call sends as `model`.")
    display_name: str
    publisher: str
    description: str
    licence: str
    operation: str
    context_tokens: int
    max_output_tokens: int
    dimensions: int | None = Field(description="Length of an embedding.")
    price: Price
    state: str

    @classmethod
    def of(cls, model: ServedModel) -> Self:
        return cls(
            name=model.name,
            display_name=model.display_name,
            publisher=model.publisher,
            description=model.description,
            licence=model.licence,
            operation=model.operation,
            context_tokens=model.context_tokens,
            max_output_tokens=model.max_output_tokens,
            dimensions=model.dimensions,
            price=Price(
                currency=model.currency,
                input=format_nanos(model.input_nanos),
                output=format_nanos(model.output_nanos),
                cached_input=format_nanos(model.cached_input_nanos),
            ),
            state=model.state,
        )


class ModelPage(BaseModel):
    models: list[Model]
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class KeyLimits(BaseModel):
    """Null is no limit."""

    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrent_requests: int | None


class Key(BaseModel):
    id: str
    name: str
    masked: str
    state: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    limits: KeyLimits
    models: list[str] | None = Field(description="Models the key may call; null is all of them.")

    @classmethod
    def of(cls, row: KeyRow) -> Self:
        return cls(
            id=row.key_id,
            name=row.name,
            masked=row.masked,
            state=row.state.value,
            created_at=row.created_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            limits=KeyLimits(
                requests_per_minute=row.limits.requests_per_minute,
                tokens_per_minute=row.limits.tokens_per_minute,
                concurrent_requests=row.limits.concurrent_requests,
            ),
            models=None if row.models is None else sorted(row.models),
        )


class KeyPage(BaseModel):
    keys: list[Key] = Field(description="Keys that are not revoked first, then the newest first.")
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")
