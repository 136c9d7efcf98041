"""The form that has a model called at a provider: what was typed, and what it means. Pure."""

from dataclasses import dataclass, field, replace
from typing import Self

from tradewind.core.money import format_nanos
from tradewind.features.catalog.schemas import OfferRow
from tradewind.features.endpoints import rules
from tradewind.features.endpoints.schemas import (
    CallableOffer,
    Callers,
    CallThrough,
    CallThroughLook,
    ModelPrice,
)
from tradewind.features.providers.schemas import HOST_CURRENCY, KnownHost, NewConnection
from tradewind.portal import amounts
from tradewind.portal.connection_form import (
    ConnectionForm,
    blank_form,
    new_connection,
    read_form,
)
from tradewind.portal.field_errors import WHOLE_FORM, FieldErrors
from tradewind.portal.form_fields import FormFields

NEW_ACCOUNT = "new"
CALLERS = (
    (Callers.ORGANIZATION.value, "Everybody in {organization}"),
    (Callers.PROJECT.value, "This project alone, {project}"),
)
EVERYBODY = (Callers.EVERYBODY.value, "Everybody on this platform")


@dataclass(frozen=True, slots=True)
class TypedPrice:
    """What callers pay, in decimal amounts for 1,000,000 tokens."""

    currency: str = HOST_CURRENCY
    input: str = ""
    output: str = ""

    @classmethod
    def of(cls, price: ModelPrice) -> Self:
        return cls(
            price.currency, format_nanos(price.input_nanos), format_nanos(price.output_nanos)
        )


@dataclass(frozen=True, slots=True)
class CallThroughForm:
    """As typed. The key is not in here: it is never shown again."""

    offer: str
    """Id of the offer that is picked."""
    account: str = NEW_ACCOUNT
    """Id of a connection, or `new`."""
    name: str = ""
    """Of the endpoint."""
    callers: str = Callers.ORGANIZATION.value
    price: TypedPrice = field(default_factory=TypedPrice)
    is_confirmed: bool = False
    connection: ConnectionForm = field(default_factory=ConnectionForm)
    """Of a new account."""


def blank(look: CallThroughLook, picked: CallableOffer, host: KnownHost | None) -> CallThroughForm:
    """Return the form as it is first shown, with what is likely filled in."""
    return CallThroughForm(
        offer=picked.offer.offer_id,
        account=picked.connections[0].id if picked.connections else NEW_ACCOUNT,
        name=look.name,
        connection=blank_form(host),
        price=_likely_price(look.price, picked.offer),
    )


def with_price_of(form: CallThroughForm, look: CallThroughLook) -> CallThroughForm:
    """Return the form with the price in force, if there is one: nobody may type another."""
    if look.price is None:
        return form
    return replace(form, price=TypedPrice.of(look.price))


def read(fields: FormFields) -> CallThroughForm:
    return CallThroughForm(
        offer=fields.text("offer"),
        account=fields.text("account") or NEW_ACCOUNT,
        name=fields.text("endpoint_name").strip(),
        callers=fields.text("callers"),
        price=TypedPrice(
            fields.text("currency"), fields.text("price_input"), fields.text("price_output")
        ),
        is_confirmed=fields.is_checked("confirm"),
        connection=read_form(fields),
    )


def asked_of(  # noqa: PLR0917  what a form is read against
    form: CallThroughForm,
    credential: str,
    look: CallThroughLook,
    picked: CallableOffer,
    host: KnownHost | None,
    errors: FieldErrors,
) -> CallThrough | None:
    """Return what is asked for, or None when something is wrong, which is then in `errors`."""
    if picked.refusal:
        errors.say(
            WHOLE_FORM,
            f"it cannot be called at {picked.host_name}: {picked.refusal}",
            "pick another offer",
        )
    with errors.at("endpoint_name"):
        rules.check_name(form.name)
    if form.callers not in set(Callers):
        errors.say("callers", "nobody is chosen", "choose who may call it")
    price = _price(form, errors)
    if not form.is_confirmed:
        errors.say("confirm", "the price is not confirmed", "tick this when it is right")
    connection = None
    if form.account == NEW_ACCOUNT:
        connection = _new_account(form, credential, host, look, errors)
    elif form.account not in {each.id for each in picked.connections}:
        errors.say("account", f"this is no account at {picked.host_name}", "choose another one")
    elif credential:
        # Else the key would be dropped in silence, and calls would go over the other account.
        errors.say(
            "account",
            "this account has a key, and another one was typed",
            "choose a new account for it, or leave the key out",
        )
    if errors:
        return None
    return CallThrough(
        model=look.model.name,
        host=picked.offer.host,
        upstream_model=picked.offer.upstream_model,
        region=picked.offer.region,
        connection_id=None if connection is not None else form.account,
        new_connection=connection,
        name=form.name,
        callers=Callers(form.callers),
        price=price,
    )


def _new_account(
    form: CallThroughForm,
    credential: str,
    host: KnownHost | None,
    look: CallThroughLook,
    errors: FieldErrors,
) -> NewConnection | None:
    if host is None:
        errors.say("account", "nothing but its name is known of this provider", "pick another one")
        return None
    typed = replace(form.connection, name=form.connection.name or host.name)
    found = new_connection(
        typed, credential, host, is_platform_administrator=look.may_set_price, errors=errors
    )
    # A name of its own is chosen by nobody here: the first free one is taken.
    return None if found is None else replace(found, name=None)


def _price(form: CallThroughForm, errors: FieldErrors) -> ModelPrice | None:
    nanos: dict[str, int] = {}
    for name, typed, what in (
        ("price_input", form.price.input, "the price of input"),
        ("price_output", form.price.output, "the price of output"),
    ):
        with errors.at(name):
            amount = amounts.amount(typed, what)
            if amount is None:
                errors.say(name, f"{what} is missing", "write 0 if callers pay nothing")
            nanos[name] = amount or 0
    if errors:
        return None
    price = ModelPrice(
        form.price.currency, nanos["price_input"], nanos["price_output"], nanos["price_input"]
    )
    with errors.at("price_input"):
        return rules.check_price(price)
    return None


def _likely_price(in_force: ModelPrice | None, offer: OfferRow) -> TypedPrice:
    if in_force is not None:
        return TypedPrice.of(in_force)
    if offer.input_nanos is None:
        return TypedPrice(offer.currency or HOST_CURRENCY)
    output = format_nanos(offer.output_nanos or 0)
    return TypedPrice(offer.currency or HOST_CURRENCY, format_nanos(offer.input_nanos), output)
