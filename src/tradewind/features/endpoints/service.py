"""What other parts may ask of endpoints."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from msgspec import UNSET
from sqlalchemy import Connection

from tradewind.core.clock import Clock
from tradewind.core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    MalformedId,
    NotFound,
    PreconditionFailed,
)
from tradewind.core.ids import (
    DeploymentId,
    EndpointId,
    EndpointTargetId,
    OrganizationId,
    ProjectId,
)
from tradewind.core.permissions import Permission, require
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.accounts.schemas import Actor, is_platform_administrator
from tradewind.features.catalog.service import Catalog
from tradewind.features.deployments.service import Deployments
from tradewind.features.endpoints import repository, rows, rules
from tradewind.features.endpoints.errors import ConnectionInUse, TooManyEndpoints
from tradewind.features.endpoints.hosted import find_facts
from tradewind.features.endpoints.own_accounts import OwnAccounts
from tradewind.features.endpoints.schemas import (
    AddedTarget,
    EndpointChanges,
    EndpointRow,
    HostedModel,
    HostedModels,
    NewEndpoint,
    NewTarget,
)
from tradewind.features.market.service import Market
from tradewind.features.providers.schemas import ConnectionRow
from tradewind.features.providers.service import Providers
from tradewind.snapshot.contents import Cost

ENDPOINTS_MAX = 10_000
"""Endpoints of the platform, and the longest list of them."""
_NAMED_IN_ERRORS = 5


class Endpoints:
    """Names that clients call, and the places that answer for them."""

    def __init__(
        self,
        catalog: Catalog,
        market: Market,
        providers: Providers,
        deployments: Deployments,
        clock: Clock,
    ) -> None:
        self._catalog = catalog
        self._market = market
        self._providers = providers
        self._deployments = deployments
        self._clock = clock
        self._own_accounts = OwnAccounts(market, providers)

    # --- reading ---------------------------------------------------------------------------

    def list_endpoints(self, tx: Connection, actor: Actor) -> list[EndpointRow]:
        """Return the endpoints of the actor's organization, and everybody's to administrators of
        the platform, by name.
        """
        require(actor, Permission.ENDPOINTS_READ)
        found = repository.list_endpoints(
            tx,
            actor.organization_id,
            with_shared=is_platform_administrator(actor),
            limit=ENDPOINTS_MAX,
        )
        targets = repository.targets_of(tx)
        return [rows.endpoint_row(row, targets.get(row.id, ())) for row in found]

    def get_endpoint(self, tx: Connection, actor: Actor, endpoint_id: str) -> EndpointRow:
        """Raises NotFound, also for another organization's."""
        require(actor, Permission.ENDPOINTS_READ)
        return self._find(tx, actor, endpoint_id)

    # --- changing --------------------------------------------------------------------------

    def add_endpoint(self, tx: Connection, actor: Actor, new: NewEndpoint) -> EndpointRow:
        """Add a name for a model of the catalog.

        Raises InvalidInput, Forbidden for what only a platform administrator may, Conflict for a
        name or alias that is taken, TooManyEndpoints (409) at 10,000.
        """
        require(actor, Permission.ENDPOINTS_WRITE)
        if new.is_shared and new.is_for_project:
            raise InvalidInput("an endpoint of one project is not everybody's")
        if new.is_shared:
            _require_platform_administrator(actor)
        model = self._catalog.find_model(tx, new.model)
        if model is None:
            raise InvalidInput(
                f"there is no model {new.model[:80]!r}", hint="list the models of the catalog"
            )
        model = self._catalog.ready_to_serve(tx, model)
        name = rules.check_name(new.name or model.name)
        aliases = rules.clean_aliases(name, new.aliases)
        rules.check_routing(new.routing)
        rules.check_conditions(new.conditions)
        rules.check_limits(new.limits)
        repository.lock_names(tx)
        self._check_names(tx, (name, *aliases))
        owner = None if new.is_shared else actor.organization_id
        new = replace(new, name=name, aliases=aliases)
        project = actor.project_id if new.is_for_project else None
        endpoint_id = self._insert(tx, new, model.model_id, owner, project)
        self._replace_targets(tx, actor, self._find(tx, actor, endpoint_id), new.targets)
        record_change(tx, ChangeKind.ENDPOINTS)
        made = self._find(tx, actor, endpoint_id)
        self._own_accounts.show_price(tx, made)
        return made

    def update_endpoint(
        self,
        tx: Connection,
        actor: Actor,
        endpoint_id: str,
        changes: EndpointChanges,
        *,
        revision: int | None = None,
    ) -> EndpointRow:
        """Change what is named, if nothing was changed since `revision`."""
        former = self._lock(tx, actor, endpoint_id, revision)
        values: dict[str, Any] = {"updated_at": self._clock.now()}
        if changes.aliases is not UNSET:
            values["aliases"] = rules.clean_aliases(former.name, changes.aliases)
            repository.lock_names(tx)
            self._check_names(tx, values["aliases"], but=former.id)
        if changes.is_enabled is not UNSET:
            values["is_enabled"] = changes.is_enabled
        if changes.routing is not UNSET:
            rules.check_routing(changes.routing)
            values |= rows.columns_of_routing(changes.routing)
        if changes.conditions is not UNSET:
            rules.check_conditions(changes.conditions)
            values |= rows.columns_of_conditions(changes.conditions)
        if changes.limits is not UNSET:
            rules.check_limits(changes.limits)
            values |= rows.columns_of_limits(changes.limits)
        repository.update_endpoint(tx, former.id, values)
        record_change(tx, ChangeKind.ENDPOINTS)
        return self._find(tx, actor, former.id)

    def set_targets(
        self,
        tx: Connection,
        actor: Actor,
        endpoint_id: str,
        targets: Sequence[NewTarget],
        *,
        revision: int | None = None,
    ) -> EndpointRow:
        """Replace the targets. A place that was a target before stays the same one, with what is
        known of its health.
        """
        former = self._lock(tx, actor, endpoint_id, revision)
        self._replace_targets(tx, actor, former, targets)
        repository.update_endpoint(tx, former.id, {"updated_at": self._clock.now()})
        record_change(tx, ChangeKind.ENDPOINTS)
        changed = self._find(tx, actor, former.id)
        self._own_accounts.show_price(tx, changed)
        return changed

    def delete_endpoint(
        self, tx: Connection, actor: Actor, endpoint_id: str, *, revision: int | None = None
    ) -> None:
        """Delete an endpoint with its targets. Model, price, deployments and connections stay."""
        found = self._lock(tx, actor, endpoint_id, revision)
        repository.delete_endpoint(tx, found.id)
        record_change(tx, ChangeKind.ENDPOINTS)

    def delete_connection(
        self, tx: Connection, actor: Actor, connection_id: str, *, revision: int | None = None
    ) -> None:
        """Delete a connection. Raises ConnectionInUse (409) while targets name it."""
        connection = self._providers.lock_connection(tx, actor, connection_id, revision=revision)
        names = repository.endpoints_using(tx, connection.id, limit=_NAMED_IN_ERRORS + 1)
        if names:
            more = ", …" if len(names) > _NAMED_IN_ERRORS else ""
            raise ConnectionInUse(
                f"these endpoints use it: {', '.join(names[:_NAMED_IN_ERRORS])}{more}",
                hint="take it out of their targets first, or disable it",
            )
        self._providers.delete_connection(tx, connection)

    # --- what comes with models and deployments --------------------------------------------

    def serve_deployment(
        self, tx: Connection, deployment_id: DeploymentId, owner: OrganizationId | None = None
    ) -> None:
        """Make a deployment a target of its model's endpoint, which is made if there is none.
        `owner` is the organization that a new endpoint is for, None everybody.

        Idempotent. For the platform itself; whoever deploys was asked for permission there.
        """
        if repository.has_target_for(tx, deployment_id):
            return
        facts = self._deployments.version_of(tx, deployment_id)
        repository.lock_names(tx)
        existing = repository.endpoint_of_name(tx, facts.name)
        if existing is None:
            slug = facts.name.rpartition("/")[2]
            taken = repository.taken_names(tx, [facts.name, slug])
            if facts.name in taken:
                raise Conflict(f"{facts.name} is an alias of another endpoint")
            aliases = rules.free_aliases(facts.name, [slug], taken)
            new = NewEndpoint(model=facts.name, name=facts.name, aliases=aliases)
            endpoint_id = self._insert(tx, new, facts.model_id, owner)
            position = 0
        else:
            endpoint_id = EndpointId(existing.id)
            position = len(repository.targets_of(tx, [endpoint_id]).get(endpoint_id, ()))
            repository.update_endpoint(tx, endpoint_id, {"updated_at": self._clock.now()})
        self._insert_target(tx, endpoint_id, NewTarget(deployment_id=deployment_id), position)
        record_change(tx, ChangeKind.ENDPOINTS)

    def add_from_host(
        self, tx: Connection, actor: Actor, connection_id: str, wanted: HostedModels
    ) -> list[AddedTarget]:
        """Have models of a connection called: catalog, price, endpoint and target in one go.

        What is not said of a model comes from the known host's list; its price is the cost with
        the margin on it. A model that the catalog has keeps its price and gets one more target,
        behind own capacity. All or nothing: raises InvalidInput and names what is not known.
        """
        require(actor, Permission.ENDPOINTS_WRITE)
        require(actor, Permission.PROVIDERS_READ)
        # The catalog and its prices are everybody's.
        _require_platform_administrator(actor)
        if not 1 <= len(wanted.models) <= rules.MODELS_AT_ONCE:
            raise InvalidInput(f"name 1 to {rules.MODELS_AT_ONCE} models at once")
        rules.check_margin(wanted.margin_percent)
        connection = self._providers.get_connection(tx, actor, connection_id)
        repository.lock_names(tx)
        added = [self._add_hosted(tx, connection, model, wanted) for model in wanted.models]
        record_change(tx, ChangeKind.ENDPOINTS)
        return added

    def _add_hosted(
        self, tx: Connection, connection: ConnectionRow, asked: HostedModel, wanted: HostedModels
    ) -> AddedTarget:
        host = self._providers.known_host(connection.host) if connection.host else None
        facts = find_facts(host, asked)
        entry = facts.entry
        name = f"{entry.publisher}/{entry.slug}"
        made = self._catalog.add_model(tx, entry)
        is_new = made is not None and made.is_new
        model = self._catalog.find_model(tx, name)
        assert model is not None
        model = self._catalog.ready_to_serve(tx, model)
        assert model.operation is not None
        assert model.context_tokens is not None
        if model.operation is not entry.operation:
            raise InvalidInput(
                f"the catalog has {name} as a model for {model.operation.value}, not for"
                f" {entry.operation.value}",
                hint="give the model another name",
            )
        notes = list(facts.notes)
        price = None
        if not self._market.has_price(tx, model.model_id):
            price = facts.price_with(wanted.margin_percent)
            self._market.set_price(
                tx,
                model.model_id,
                price.currency,
                input_nanos=price.input_nanos,
                output_nanos=price.output_nanos,
                cached_input_nanos=price.cached_input_nanos,
                cache_write_nanos=price.cache_write_nanos,
            )
        else:
            notes.append("the model keeps the price it has")
        endpoint_id, targets = self._endpoint_for(tx, connection, name, model.slug, asked)
        for target in targets:
            if (target.connection_id, target.upstream_model) == (
                connection.id,
                asked.upstream_model,
            ):
                return AddedTarget(
                    asked.upstream_model,
                    name,
                    endpoint_id,
                    EndpointTargetId(target.id),
                    is_new,
                    False,
                    price,
                    (*notes, "it was a target already"),
                )
        if len(targets) >= rules.TARGETS_MAX:
            raise InvalidInput(f"{name} has {rules.TARGETS_MAX} targets already")
        context = entry.context_tokens
        new = NewTarget(
            connection_id=connection.id,
            upstream_model=rules.check_upstream_model(asked.upstream_model),
            tier=rules.tier_beside(any(target.deployment_id for target in targets)),
            context_tokens=context if context and context < model.context_tokens else None,
            cost=(
                None
                if facts.cost is None
                else Cost(
                    facts.cost.currency,
                    facts.cost.input_nanos,
                    facts.cost.output_nanos,
                    facts.cost.cached_input_nanos,
                    facts.cost.cache_write_nanos,
                )
            ),
        )
        position = 1 + max((target.position for target in targets), default=-1)
        target_id = self._insert_target(tx, endpoint_id, new, position)
        return AddedTarget(
            asked.upstream_model,
            name,
            endpoint_id,
            target_id,
            is_new,
            True,
            price,
            tuple(notes),
        )

    def _endpoint_for(
        self, tx: Connection, connection: ConnectionRow, name: str, slug: str, asked: HostedModel
    ) -> tuple[EndpointId, Sequence[Any]]:
        """Return the endpoint of this name with its targets; one is made if there is none."""
        existing = repository.endpoint_of_name(tx, name)
        if existing is None:
            wanted = (slug, asked.upstream_model)
            taken = repository.taken_names(tx, [name, *wanted])
            if name in taken:
                raise Conflict(
                    f"{name} is an alias of another endpoint", hint="give the model another name"
                )
            model = self._catalog.find_model(tx, name)
            assert model is not None
            aliases = rules.free_aliases(name, wanted, taken)
            new = NewEndpoint(model=name, name=name, aliases=aliases)
            return self._insert(tx, new, model.model_id, connection.organization_id), ()
        if existing.organization_id != connection.organization_id:
            raise Conflict(
                f"the endpoint {name} belongs to somebody else than the connection",
                hint="give the model another name",
            )
        endpoint_id = EndpointId(existing.id)
        repository.update_endpoint(tx, endpoint_id, {"updated_at": self._clock.now()})
        return endpoint_id, repository.targets_of(tx, [endpoint_id]).get(endpoint_id, ())

    # --- inside ----------------------------------------------------------------------------

    def _insert(
        self,
        tx: Connection,
        new: NewEndpoint,
        model_id: str,
        owner: OrganizationId | None,
        project: ProjectId | None = None,
    ) -> EndpointId:
        if repository.count_endpoints(tx) >= ENDPOINTS_MAX:
            raise TooManyEndpoints(
                f"there are {ENDPOINTS_MAX} endpoints", hint="delete some that are not used"
            )
        endpoint_id, now = EndpointId.new(), self._clock.now()
        repository.add_endpoint(
            tx,
            {
                "id": endpoint_id,
                "organization_id": owner,
                "project_id": project,
                "name": new.name,
                "model_id": model_id,
                "aliases": list(new.aliases),
                **rows.columns_of_routing(new.routing),
                **rows.columns_of_conditions(new.conditions),
                **rows.columns_of_limits(new.limits),
                "is_enabled": new.is_enabled,
                "revision": 1,
                "created_at": now,
                "updated_at": now,
            },
        )
        return endpoint_id

    def _insert_target(
        self, tx: Connection, endpoint_id: EndpointId, target: NewTarget, position: int
    ) -> EndpointTargetId:
        target_id = EndpointTargetId.new()
        repository.add_target(
            tx,
            {
                "id": target_id,
                "endpoint_id": endpoint_id,
                "position": position,
                **rows.columns_of_target(target),
            },
        )
        return target_id

    def _replace_targets(
        self, tx: Connection, actor: Actor, found: EndpointRow, targets: Sequence[NewTarget]
    ) -> None:
        rules.check_targets(targets)
        former = {
            (target.deployment_id, target.connection_id, target.upstream_model): target.id
            for target in found.targets
        }
        kept: set[str] = set()
        for position, target in enumerate(targets):
            place = (target.deployment_id, target.connection_id, target.upstream_model)
            known = former.get(place)  # pyright: ignore[reportArgumentType]
            if known is None:
                self._check_place(tx, actor, found, target)
                kept.add(self._insert_target(tx, found.id, target, position))
            else:
                kept.add(known)
                columns = rows.columns_of_target(target)
                repository.update_target(tx, known, {**columns, "position": position})
        repository.delete_targets(tx, [target for target in former.values() if target not in kept])

    def _check_place(
        self, tx: Connection, actor: Actor, found: EndpointRow, target: NewTarget
    ) -> None:
        """Raises InvalidInput unless the target exists and may answer for this endpoint."""
        try:
            if target.deployment_id is not None:
                deployment_id = DeploymentId.parse(target.deployment_id)
                facts = self._deployments.version_of(tx, deployment_id)
                if not found.is_shared:
                    _require_platform_administrator(actor)
                if facts.model_id != found.model_id:
                    raise InvalidInput(f"{deployment_id} runs {facts.name}, which is another model")
            elif target.connection_id is not None:
                connection = self._providers.get_connection(tx, actor, target.connection_id)
                if connection.organization_id not in {None, found.organization_id}:
                    raise InvalidInput(
                        f"the connection {connection.id} is of one organization",
                        hint="an endpoint of everybody's uses connections of the platform",
                    )
        except (NotFound, MalformedId) as error:
            # The endpoint was found; what it was told to name was not.
            raise InvalidInput(error.message, hint=error.hint) from error

    def _check_names(
        self, tx: Connection, names: Sequence[str], *, but: EndpointId | None = None
    ) -> None:
        taken = repository.taken_names(tx, names, but=but)
        if taken:
            raise Conflict(
                f"another endpoint has the name or alias {', '.join(sorted(taken))}",
                hint="choose another one",
            )

    def _find(
        self, tx: Connection, actor: Actor, endpoint_id: str, *, locks: bool = False
    ) -> EndpointRow:
        try:
            parsed = EndpointId.parse(endpoint_id)
        except MalformedId:
            raise _not_found(endpoint_id) from None
        row = repository.find_endpoint(
            tx,
            actor.organization_id,
            parsed,
            with_shared=is_platform_administrator(actor),
            locks=locks,
        )
        if row is None:
            raise _not_found(endpoint_id)
        return rows.endpoint_row(row, repository.targets_of(tx, [row.id]).get(row.id, ()))

    def _lock(
        self, tx: Connection, actor: Actor, endpoint_id: str, revision: int | None
    ) -> EndpointRow:
        require(actor, Permission.ENDPOINTS_WRITE)
        found = self._find(tx, actor, endpoint_id, locks=True)
        if revision is not None and revision != found.revision:
            raise PreconditionFailed(
                f"the endpoint {found.id} was changed by somebody else",
                hint="read it again and repeat the change",
            )
        return found


def _require_platform_administrator(actor: Actor) -> None:
    if not is_platform_administrator(actor):
        raise Forbidden("this is for administrators of the platform")


def _not_found(endpoint_id: str) -> NotFound:
    return NotFound(
        f"there is no endpoint {endpoint_id[:64]!r}",
        hint="list the endpoints to see which there are",
    )
