"""What the routes of calling through take and answer. Amounts are decimal strings."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, SecretStr, StringConstraints

from tradewind.control.bodies import Body, Name, amount_of
from tradewind.control.endpoint_answers import EndpointAnswer, ModelPriceBody
from tradewind.control.provider_answers import ConnectionAnswer, secret_of
from tradewind.features.endpoints.schemas import (
    CallableOffer,
    CalledThrough,
    Callers,
    CallThrough,
    CallThroughLook,
)
from tradewind.features.providers.schemas import NewConnection

_Credential = Annotated[SecretStr, Field(max_length=16_384)]
_Url = Annotated[str, StringConstraints(max_length=2048)]
_Options = Annotated[
    dict[Annotated[str, StringConstraints(max_length=64)], Name], Field(max_length=16)
]


class NewAccountBody(Body):
    """An account at the provider that is to be added. Its key is sealed and never shown again."""

    credential: _Credential | None = Field(
        description="The provider's key; null for one that takes none."
    )
    name: Name | None = Field(default=None, description="Null is the provider's own.")
    base_url: _Url | None = Field(default=None, description="Null is the provider's own.")
    is_private_network: bool = False
    options: _Options = Field(default_factory=dict[str, str])

    def to_new(self) -> NewConnection:
        return NewConnection(
            credential=secret_of(self.credential),
            name=self.name,
            base_url=self.base_url,
            is_private_network=self.is_private_network,
            options=self.options,
        )


class CallThroughBody(Body):
    """Give `connection`, an account that is there, or `account`, one to add; or neither, when
    there is one at the provider already.
    """

    provider: Name = Field(description="Id or name of a known host, or id of a connection.")
    upstream_model: Name | None = Field(default=None, description="Null is the cheapest offer.")
    region: Name | None = None
    connection: Name | None = None
    account: NewAccountBody | None = None
    name: Name | None = Field(default=None, description="Of the endpoint; null is the model's.")
    callers: Literal["project", "organization", "everybody"] = Field(
        default="organization", description="`project` is that of the key that asks."
    )
    price: ModelPriceBody | None = Field(
        default=None,
        description="What callers pay, confirmed. Another one in force is a 409; a model without a"
        " price gets this one, or what the provider takes.",
    )

    def to_asked(self, model: str) -> CallThrough:
        return CallThrough(
            model=model,
            host=self.provider,
            upstream_model=self.upstream_model,
            region=self.region,
            connection_id=self.connection,
            new_connection=None if self.account is None else self.account.to_new(),
            name=self.name,
            callers=Callers(self.callers),
            price=None if self.price is None else self.price.to_price(),
        )


class CallableOfferAnswer(BaseModel):
    provider: str = Field(description="Send it as `provider`.")
    provider_name: str
    upstream_model: str
    region: str
    currency: str
    input: str | None = Field(description="For 1,000,000 tokens; null is not told.")
    output: str | None
    context_tokens: int | None
    connections: list[str] = Field(description="Accounts there that can be used.")
    refusal: str | None = Field(description="Why it cannot be called from here.")

    @classmethod
    def of(cls, seen: CallableOffer) -> Self:
        offer = seen.offer
        return cls(
            provider=offer.host,
            provider_name=seen.host_name,
            upstream_model=offer.upstream_model,
            region=offer.region,
            currency=offer.currency,
            input=None if offer.input_nanos is None else amount_of(offer.input_nanos),
            output=None if offer.output_nanos is None else amount_of(offer.output_nanos),
            context_tokens=offer.context_tokens,
            connections=[each.id for each in seen.connections],
            refusal=seen.refusal or None,
        )


class CallThroughLookAnswer(BaseModel):
    model: str
    name: str = Field(description="A name that is free.")
    price: ModelPriceBody | None = Field(description="What callers pay; null is none yet.")
    offers: list[CallableOfferAnswer]

    @classmethod
    def of(cls, look: CallThroughLook) -> Self:
        return cls(
            model=look.model.name,
            name=look.name,
            price=None if look.price is None else ModelPriceBody.of(look.price),
            offers=[CallableOfferAnswer.of(each) for each in look.offers],
        )


class CalledThroughAnswer(BaseModel):
    endpoint: EndpointAnswer
    connection: ConnectionAnswer
    upstream_model: str
    price: ModelPriceBody = Field(description="What callers pay.")
    is_new: bool = Field(description="False when all of it was there before.")

    @classmethod
    def of(cls, done: CalledThrough) -> Self:
        return cls(
            endpoint=EndpointAnswer.of(done.endpoint),
            connection=ConnectionAnswer.of(done.connection),
            upstream_model=done.upstream_model,
            price=ModelPriceBody.of(done.price),
            is_new=done.is_new,
        )
