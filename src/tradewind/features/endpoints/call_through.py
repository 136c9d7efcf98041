"""From an offer in the catalog to a name that programs call, in one step: account, key, price,
endpoint, target.

One transaction makes all of it or nothing, and asking twice makes it once: the same key at the
same host is the same account, and a name that leads to the same place already is found again.
"""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from tradewind.core.errors import Conflict, Forbidden, InvalidInput, NotFound
from tradewind.core.ids import OrganizationId
from tradewind.core.permissions import Permission, require
from tradewind.features.accounts.schemas import Actor, is_platform_administrator
from tradewind.features.catalog.schemas import CatalogModel, OfferRow
from tradewind.features.catalog.service import Catalog, Licences
from tradewind.features.endpoints import call_through_rules as rules
from tradewind.features.endpoints import repository, rows
from tradewind.features.endpoints.errors import (
    EndpointNameTaken,
    NoConnection,
    NotOffered,
    PriceChanged,
)
from tradewind.features.endpoints.own_accounts import OwnAccounts
from tradewind.features.endpoints.rules import check_name, check_price, check_upstream_model
from tradewind.features.endpoints.schemas import (
    CallableOffer,
    CalledThrough,
    Callers,
    CallThrough,
    CallThroughLook,
    EndpointRow,
    ModelPrice,
    NewEndpoint,
    NewTarget,
)
from tradewind.features.endpoints.service import Endpoints
from tradewind.features.market.schemas import PriceRow
from tradewind.features.market.service import Market
from tradewind.features.providers.schemas import ConnectionRow, KnownHost, NewConnection
from tradewind.features.providers.service import Providers

_PRIVATE = "private"
_RETIRED = "retired"
_VANISHED = "vanished"
_CONNECTION = "conn_"
"""Begins the host of an offer that a connection of ours told of."""
_NAMED_IN_HINTS = 5
_MOST_NAMES_TRIED = 50


class CallThroughs:
    """Models called at providers, one form each."""

    def __init__(
        self,
        catalog: Catalog,
        licences: Licences,
        market: Market,
        providers: Providers,
        endpoints: Endpoints,
    ) -> None:
        self._catalog = catalog
        self._licences = licences
        self._market = market
        self._providers = providers
        self._endpoints = endpoints
        self._own_accounts = OwnAccounts(market, providers)

    def look(self, tx: Connection, actor: Actor, model: str) -> CallThroughLook:
        """Return what there is to choose from; changes nothing. Raises ModelNotFound."""
        require(actor, Permission.ENDPOINTS_READ)
        require(actor, Permission.PROVIDERS_READ)
        found = self._catalog.show_model(tx, model, actor.organization_id)
        return CallThroughLook(
            model=found,
            offers=tuple(self._offers(tx, actor, found)),
            price=self._price_of(tx, found) or self._own_price_of(tx, actor, found),
            may_set_price=is_platform_administrator(actor),
            name=self._free_name(tx, found.name),
        )

    def call_through(self, tx: Connection, actor: Actor, asked: CallThrough) -> CalledThrough:
        """Have a model called at a provider. Idempotent.

        Raises ModelNotFound, InvalidInput, and what stands in the way: NotOffered (409),
        NoConnection (409), EndpointNameTaken (409), PriceChanged (409), LicenceNotAccepted (403)
        and Forbidden for what only an administrator of the platform may.
        """
        require(actor, Permission.ENDPOINTS_WRITE)
        require(actor, Permission.PROVIDERS_READ)
        model = self._catalog.show_model(tx, asked.model, actor.organization_id)
        name = check_name(asked.name or model.name)
        if asked.callers is Callers.EVERYBODY and not is_platform_administrator(actor):
            raise Forbidden(
                "only an administrator of the platform offers a model to everybody",
                hint="offer it to your organization or to this project",
            )
        if asked.callers is Callers.EVERYBODY and model.visibility == _PRIVATE:
            raise InvalidInput(
                f"{model.name} is private", hint="offer it to your organization or to this project"
            )
        self._licences.require_acceptance(tx, actor.organization_id, model.model_id)
        chosen = self._choose(tx, actor, model, asked)
        # Before anything is looked for: who asks the same meanwhile finds what was made here.
        repository.lock_names(tx)
        connection = self._connection(tx, actor, chosen, asked)
        check_upstream_model(chosen.offer.upstream_model)
        price, is_priced = self._price(tx, model, chosen.offer, connection, asked)
        existing = self._existing(tx, actor, name, model, connection, chosen.offer, asked.callers)
        if existing is not None and not is_priced:
            return CalledThrough(existing, connection, chosen.offer.upstream_model, price, False)
        if existing is None:
            existing = self._add(tx, actor, name, model, connection, chosen.offer, asked.callers)
        return CalledThrough(existing, connection, chosen.offer.upstream_model, price, True)

    # --- offers --------------------------------------------------------------------------------

    def _offers(self, tx: Connection, actor: Actor, model: CatalogModel) -> list[CallableOffer]:
        connections = self._providers.list_connections(tx, actor)
        found = [
            self._seen(model, offer, connections)
            for offer in self._catalog.offers_of(tx, model.model_id)
            if offer.status != _VANISHED
        ]
        known = [each for each in found if each is not None]
        return sorted(known, key=lambda each: (bool(each.refusal), *rules.order_of(each.offer)))

    def _seen(
        self, model: CatalogModel, offer: OfferRow, connections: Sequence[ConnectionRow]
    ) -> CallableOffer | None:
        """Return None for an offer at a connection that the asker does not see: it is somebody
        else's business.
        """
        own = next((each for each in connections if each.id == offer.host), None)
        if offer.host.startswith(_CONNECTION) and own is None:
            return None
        host = self._providers.known_host(own.host or "" if own is not None else offer.host)
        name = own.name if own is not None else host.name if host is not None else offer.host
        usable = tuple(
            each
            for each in connections
            if each.disabled_at is None and offer.host in {each.id, each.host}
        )
        return CallableOffer(offer, name, usable, _refusal(model, host, own))

    def _choose(
        self, tx: Connection, actor: Actor, model: CatalogModel, asked: CallThrough
    ) -> CallableOffer:
        offers = self._offers(tx, actor, model)
        there = [each for each in offers if rules.is_at(each, asked.host)]
        wanted = [each for each in there if rules.is_wanted(each.offer, asked)]
        if wanted:
            if wanted[0].refusal:
                raise NotOffered(
                    f"{model.name} cannot be called at {wanted[0].host_name}: {wanted[0].refusal}",
                    hint=_elsewhere(offers, asked.host),
                )
            return wanted[0]
        if there:
            choices = sorted({rules.words_of(each.offer) for each in there})
            raise NotOffered(
                f"{there[0].host_name} does not offer {model.name} so",
                hint=f"it offers {', '.join(choices[:_NAMED_IN_HINTS])}",
            )
        raise NotOffered(
            f"no provider {asked.host[:64]!r} is known to offer {model.name}",
            hint=_elsewhere(offers, asked.host),
        )

    # --- the account ---------------------------------------------------------------------------

    def _connection(
        self, tx: Connection, actor: Actor, chosen: CallableOffer, asked: CallThrough
    ) -> ConnectionRow:
        is_shared = asked.callers is Callers.EVERYBODY
        if asked.connection_id is not None:
            return self._named_connection(tx, actor, chosen, asked.connection_id)
        if asked.new_connection is not None:
            new = replace(asked.new_connection, is_shared=is_shared)
            return self._new_connection(tx, actor, chosen, new)
        fitting = [each for each in chosen.connections if each.is_shared or not is_shared]
        if not fitting:
            raise NoConnection(
                f"there is no account at {chosen.host_name}"
                + (" that is the platform's" if chosen.connections else " yet"),
                hint="give its key",
            )
        return fitting[0]

    def _named_connection(
        self, tx: Connection, actor: Actor, chosen: CallableOffer, connection_id: str
    ) -> ConnectionRow:
        try:
            row = self._providers.get_connection(tx, actor, connection_id)
        except NotFound as error:
            raise InvalidInput(error.message, hint=error.hint) from error
        if row.id not in {each.id for each in chosen.connections}:
            is_off = row.disabled_at is not None
            raise InvalidInput(
                f"the connection {row.name!r} is "
                + ("disabled" if is_off else f"no account at {chosen.host_name}"),
                hint="enable it" if is_off else "choose another one, or give a key",
            )
        return row

    def _new_connection(
        self, tx: Connection, actor: Actor, chosen: CallableOffer, new: NewConnection
    ) -> ConnectionRow:
        if chosen.offer.host.startswith(_CONNECTION):
            raise InvalidInput(
                f"{chosen.host_name} is a connection that is there already",
                hint="use it, or replace its key",
            )
        new = replace(new, host=chosen.offer.host)
        same = self._providers.find_same(tx, actor, new)
        if same is not None:
            return same
        if new.name is not None:
            return self._providers.add_connection(tx, actor, new)
        taken = {each.name for each in self._providers.list_connections(tx, actor)}
        name = rules.free_name(chosen.host_name, taken, between=" ")
        return self._providers.add_connection(tx, actor, replace(new, name=name))

    # --- the price -----------------------------------------------------------------------------

    def _shown_price(
        self,
        tx: Connection,
        model: CatalogModel,
        offer: OfferRow,
        owner: OrganizationId,
        asked: CallThrough,
    ) -> tuple[ModelPrice, bool]:
        """Return what calls over an own account are counted at, and whether that is new."""
        price = asked.price or rules.cost_of(offer) or self._price_of(tx, model)
        if price is None:
            raise InvalidInput(f"what {offer.host} takes is not told", hint="say the price")
        check_price(price)
        return price, self._own_accounts.put_price(tx, model.model_id, owner, price)

    def _price(
        self,
        tx: Connection,
        model: CatalogModel,
        offer: OfferRow,
        connection: ConnectionRow,
        asked: CallThrough,
    ) -> tuple[ModelPrice, bool]:
        """Return what callers pay, and whether that was set just now. Only an administrator of the
        platform has a connection that is no organization's.
        """
        owner = connection.organization_id
        if owner is not None:
            return self._shown_price(tx, model, offer, owner, asked)
        price = self._price_of(tx, model)
        if price is not None:
            if asked.price is not None and not rules.is_same_price(price, asked.price):
                raise PriceChanged(
                    f"{model.name} has a price already: {rules.price_words(price)}",
                    hint="confirm that one",
                )
            return price, False
        price = asked.price or rules.cost_of(offer)
        if price is None:
            raise InvalidInput(f"what {offer.host} takes is not told", hint="say the price")
        check_price(price)
        self._market.set_price(
            tx,
            model.model_id,
            price.currency,
            input_nanos=price.input_nanos,
            output_nanos=price.output_nanos,
            cached_input_nanos=price.cached_input_nanos,
            cache_write_nanos=price.cache_write_nanos,
        )
        return price, True

    def _price_of(self, tx: Connection, model: CatalogModel) -> ModelPrice | None:
        return _model_price(self._market.price_of(tx, model.model_id))

    def _own_price_of(self, tx: Connection, actor: Actor, model: CatalogModel) -> ModelPrice | None:
        organization_id = actor.organization_id
        return _model_price(self._market.shown_price_of(tx, model.model_id, organization_id))

    # --- the name ------------------------------------------------------------------------------

    def _existing(  # noqa: PLR0917  what makes an endpoint the same
        self,
        tx: Connection,
        actor: Actor,
        name: str,
        model: CatalogModel,
        connection: ConnectionRow,
        offer: OfferRow,
        callers: Callers,
    ) -> EndpointRow | None:
        """Return the endpoint of this name if it is what is asked for. Raises EndpointNameTaken."""
        row = repository.endpoint_of_name(tx, name)
        if row is not None:
            found = rows.endpoint_row(row, repository.targets_of(tx, [row.id]).get(row.id, ()))
            places = {(each.connection_id, each.upstream_model) for each in found.targets}
            is_same = (
                found.model_id == model.model_id
                and found.is_enabled
                and rules.callers_of(found, actor.organization_id, actor.project_id) is callers
                and (connection.id, offer.upstream_model) in places
            )
            if is_same:
                return found
        elif not repository.taken_names(tx, [name]):
            return None
        free = self._free_name(tx, f"{model.name}-{rules.slug_of(offer.host)}")
        raise EndpointNameTaken(
            f"another endpoint has the name or alias {name}", hint=f"take {free}, or another name"
        )

    def _add(  # noqa: PLR0917  what makes an endpoint
        self,
        tx: Connection,
        actor: Actor,
        name: str,
        model: CatalogModel,
        connection: ConnectionRow,
        offer: OfferRow,
        callers: Callers,
    ) -> EndpointRow:
        target = NewTarget(
            connection_id=connection.id,
            upstream_model=offer.upstream_model,
            region=rules.region_of(offer, connection),
            quantization=rules.quantization_of(offer),
            context_tokens=rules.shorter_context(offer, model.context_tokens),
            cost=rules.target_cost(offer),
        )
        new = NewEndpoint(
            model=model.name,
            name=name,
            is_shared=callers is Callers.EVERYBODY,
            is_for_project=callers is Callers.PROJECT,
            targets=[target],
        )
        try:
            return self._endpoints.add_endpoint(tx, actor, new)
        except Conflict as error:
            raise EndpointNameTaken(error.message, hint=error.hint) from error

    def _free_name(self, tx: Connection, name: str) -> str:
        wanted = [name, *(f"{name}-{number}" for number in range(2, _MOST_NAMES_TRIED))]
        taken = repository.taken_names(tx, wanted)
        return next((each for each in wanted if each not in taken), name)


def _model_price(found: PriceRow | None) -> ModelPrice | None:
    if found is None:
        return None
    return ModelPrice(
        found.currency,
        found.input_nanos,
        found.output_nanos,
        found.cached_input_nanos,
        found.cache_write_nanos,
    )


def _refusal(model: CatalogModel, host: KnownHost | None, own: ConnectionRow | None) -> str:
    if model.lifecycle == _RETIRED:
        return "the model is retired"
    if model.operation is None:
        return "nothing here serves what it makes"
    if host is not None and host.provider is None:
        return host.unsupported_reason
    if host is None and own is None:
        return "nothing is known of this provider but its name"
    return ""


def _elsewhere(offers: Sequence[CallableOffer], but: str) -> str:
    names = dict.fromkeys(
        each.host_name for each in offers if not each.refusal and not rules.is_at(each, but)
    )
    if not names:
        return "no other provider is known that can be called from here"
    return f"these can be called: {', '.join(list(names)[:_NAMED_IN_HINTS])}"
