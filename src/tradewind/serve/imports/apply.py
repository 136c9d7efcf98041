"""Makes what a plan says, by the services, within one transaction of the caller's.

What is there already is recognized (a connection by name and address, an endpoint by name, a target
by connection and model) and left as it is; only what is missing is added. So a second run of the
same file changes nothing, and what people changed by hand since the first stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from sqlalchemy import Connection

from tradewind.core.errors import TradewindError
from tradewind.core.ids import ConnectionId, EndpointId, OrganizationId, ProjectId
from tradewind.core.permissions import Permission
from tradewind.features.accounts.schemas import Actor
from tradewind.features.endpoints.rules import tier_beside
from tradewind.features.endpoints.schemas import (
    AddedTarget,
    EndpointChanges,
    EndpointRow,
    HostedModel,
    HostedModels,
    NewTarget,
    TargetRow,
)
from tradewind.features.endpoints.service import Endpoints
from tradewind.features.providers.rules import hint_of
from tradewind.features.providers.schemas import ConnectionRow, NewConnection
from tradewind.features.providers.service import Providers
from tradewind.serve.imports.addresses import is_same
from tradewind.serve.imports.findings import Findings
from tradewind.serve.imports.plan import (
    Finding,
    Plan,
    PlannedConnection,
    PlannedEndpoint,
    PlannedTarget,
)

_NAMES_TRIED = 100


class Change(StrEnum):
    MADE = "made"
    ADDED_TO = "added to"
    KEY_REPLACED = "key replaced"
    WAS_THERE = "was there"


@dataclass(frozen=True, slots=True)
class DoneConnection:
    planned: PlannedConnection
    name: str
    """As it is stored: another one than planned where that was taken."""
    change: Change


@dataclass(frozen=True, slots=True)
class DoneEndpoint:
    planned: PlannedEndpoint
    aliases: tuple[str, ...]
    """All that it has now."""
    added_targets: int
    is_price_set: bool
    change: Change


@dataclass(frozen=True, slots=True)
class Outcome:
    connections: tuple[DoneConnection, ...]
    endpoints: tuple[DoneEndpoint, ...]
    findings: tuple[Finding, ...]
    """What could not be made, beyond the plan's own findings."""

    @property
    def is_change(self) -> bool:
        done = (*self.connections, *self.endpoints)
        return any(one.change is not Change.WAS_THERE for one in done)


@dataclass(frozen=True, slots=True)
class KeeperOfTheData:
    """Whoever may write into the data folder: an administrator of the platform, of no
    organization.
    """

    organization_id: OrganizationId = field(default_factory=OrganizationId.new)
    project_id: ProjectId = field(default_factory=ProjectId.new)

    def may(self, permission: Permission) -> bool:
        del permission
        return True


def apply(
    tx: Connection,
    plan: Plan,
    *,
    providers: Providers,
    endpoints: Endpoints,
    actor: Actor,
    replaces_keys: bool = False,
) -> Outcome:
    """Make what is missing of a plan. What the services refuse is left out whole, and told."""
    run = _Run(tx, providers, endpoints, actor)
    connections = [
        done
        for planned in plan.connections
        if (done := run.connection(planned, replaces_keys=replaces_keys)) is not None
    ]
    made = [done for planned in plan.endpoints if (done := run.endpoint(planned)) is not None]
    return Outcome(tuple(connections), tuple(made), run.findings.all())


class _Run:
    def __init__(
        self, tx: Connection, providers: Providers, endpoints: Endpoints, actor: Actor
    ) -> None:
        self._tx = tx
        self._providers = providers
        self._endpoints = endpoints
        self._actor = actor
        self.findings = Findings()
        self._connections = {
            row.name: row for row in providers.list_connections(tx, actor) if row.is_shared
        }
        self._rows = {row.name: row for row in endpoints.list_endpoints(tx, actor)}
        self._ids: dict[str, ConnectionId] = {}
        """Of connections by their planned names."""

    # --- connections -----------------------------------------------------------------------

    def connection(
        self, planned: PlannedConnection, *, replaces_keys: bool
    ) -> DoneConnection | None:
        name, existing = self._find(planned)
        try:
            with self._tx.begin_nested():
                if existing is None:
                    existing, change = self._add(planned, name), Change.MADE
                else:
                    change = self._recognize(planned, existing, replaces_keys=replaces_keys)
        except TradewindError as error:
            self.findings.left_out(f"connection {planned.name}", error.message, error.hint or "")
            return None
        self._connections[name] = existing
        self._ids[planned.name] = existing.id
        return DoneConnection(planned, name, change)

    def _find(self, planned: PlannedConnection) -> tuple[str, ConnectionRow | None]:
        """Return the connection that is meant, or a name that is free."""
        name = planned.name
        taken = set(self._ids.values())
        for number in range(2, _NAMES_TRIED):
            row = self._connections.get(name)
            if row is None:
                return name, None
            if row.id not in taken and is_same(row.base_url, planned.base_url):
                return name, row
            name = f"{planned.name} {number}"
        return name, None

    def _add(self, planned: PlannedConnection, name: str) -> ConnectionRow:
        return self._providers.add_connection(
            self._tx,
            self._actor,
            NewConnection(
                credential=planned.credential,
                name=name,
                host=planned.host,
                provider=planned.provider,
                base_url=planned.base_url,
                is_private_network=planned.is_private_network,
                options=planned.options,
            ),
        )

    def _recognize(
        self, planned: PlannedConnection, existing: ConnectionRow, *, replaces_keys: bool
    ) -> Change:
        if planned.credential is None:
            return Change.WAS_THERE
        if replaces_keys:
            self._providers.replace_credential(
                self._tx, self._actor, existing.id, planned.credential
            )
            return Change.KEY_REPLACED
        # All that can be told without opening what is stored.
        if hint_of(planned.credential.reveal()) != existing.credential_hint:
            self.findings.left_out(
                f"connection {existing.name}",
                "it was there with another key, which stays",
                "import with --replace-keys to have this one",
            )
        return Change.WAS_THERE

    # --- endpoints -------------------------------------------------------------------------

    def endpoint(self, planned: PlannedEndpoint) -> DoneEndpoint | None:
        targets = [target for target in planned.targets if target.connection in self._ids]
        try:
            # A part of an endpoint is worse than none: what fails leaves nothing behind.
            with self._tx.begin_nested():
                return self._bring_up(planned, targets)
        except TradewindError as error:
            self.findings.left_out(f"model {planned.name}", error.message, error.hint or "")
            return None

    def _bring_up(
        self, planned: PlannedEndpoint, targets: Sequence[PlannedTarget]
    ) -> DoneEndpoint | None:
        former = self._rows.get(planned.name)
        there = {
            (target.connection_id, target.upstream_model)
            for target in (() if former is None else former.targets)
        }
        missing = [
            target
            for target in targets
            if (self._ids[target.connection], target.upstream_model) not in there
        ]
        if former is None and not missing:
            self.findings.left_out(f"model {planned.name}", "none of its connections could be made")
            return None
        added = [self._add_target(planned, target) for target in missing]
        row = self._arrange(planned, former, targets, added[0].endpoint_id) if added else former
        assert row is not None, "an endpoint is there before, or was made with its first target"
        if former is not None:
            self._compare(planned, former)
        row, added_aliases = self._name(planned, row)
        change = Change.MADE
        if former is not None:
            change = Change.ADDED_TO if missing or added_aliases else Change.WAS_THERE
        is_price_set = any(one.price is not None for one in added)
        return DoneEndpoint(planned, row.aliases, len(missing), is_price_set, change)

    def _add_target(self, planned: PlannedEndpoint, target: PlannedTarget) -> AddedTarget:
        """Add one target, and with the first one its model, price and endpoint."""
        [added] = self._endpoints.add_from_host(
            self._tx,
            self._actor,
            self._ids[target.connection],
            HostedModels(
                [
                    HostedModel(
                        upstream_model=target.upstream_model,
                        name=planned.name,
                        operation=planned.operation,
                        context_tokens=target.context_tokens,
                        max_output_tokens=target.max_output_tokens,
                        cost=target.cost,
                        price=planned.price,
                    )
                ]
            ),
        )
        return added

    def _arrange(
        self,
        planned: PlannedEndpoint,
        former: EndpointRow | None,
        targets: Sequence[PlannedTarget],
        endpoint_id: EndpointId,
    ) -> EndpointRow:
        """Put the targets that were added into their tiers, behind what was there, and give an
        endpoint that is new its routing and limits.
        """
        row = self._endpoints.get_endpoint(self._tx, self._actor, endpoint_id)
        known = {target.id for target in (() if former is None else former.targets)}
        behind = tier_beside(any(target.deployment_id for target in row.targets))
        wanted: dict[tuple[str | None, str | None], PlannedTarget] = {
            (self._ids[one.connection], one.upstream_model): one for one in targets
        }
        arranged: list[NewTarget] = []
        for target in row.targets:
            kept = _as_new(target)
            asked = wanted.get((target.connection_id, target.upstream_model))
            if target.id not in known and asked is not None:
                kept = replace(kept, tier=asked.tier + behind, weight=asked.weight)
            arranged.append(kept)
        arranged.sort(key=lambda target: target.tier)
        row = self._endpoints.set_targets(self._tx, self._actor, row.id, arranged)
        if former is None:
            # Also its aliases: those it was given by itself may be another model's in this file.
            changes = EndpointChanges(aliases=(), routing=planned.routing, limits=planned.limits)
            row = self._endpoints.update_endpoint(self._tx, self._actor, row.id, changes)
        return row

    def _name(self, planned: PlannedEndpoint, row: EndpointRow) -> tuple[EndpointRow, bool]:
        """Give an endpoint the aliases that it lacks and that are free."""
        is_added = False
        for alias in planned.aliases:
            if alias in row.aliases:
                continue
            changes = EndpointChanges(aliases=(*row.aliases, alias))
            try:
                row = self._endpoints.update_endpoint(self._tx, self._actor, row.id, changes)
            except TradewindError as error:
                self.findings.left_out(
                    f"{planned.name} as {alias}", error.message, error.hint or ""
                )
            else:
                is_added = True
        return row, is_added

    def _compare(self, planned: PlannedEndpoint, former: EndpointRow) -> None:
        if (planned.routing, planned.limits) != (former.routing, former.limits):
            self.findings.note(
                f"model {planned.name}",
                "it was there with another routing or other limits, which stay",
                "change them in the portal",
            )


def _as_new(target: TargetRow) -> NewTarget:
    """Return a target as it is, to be set again among others."""
    return NewTarget(
        deployment_id=target.deployment_id,
        connection_id=target.connection_id,
        upstream_model=target.upstream_model,
        tier=target.tier,
        weight=target.weight,
        region=target.region,
        zone=target.zone,
        retains_data=target.retains_data,
        trains_on_data=target.trains_on_data,
        quantization=target.quantization,
        context_tokens=target.context_tokens,
        cost=target.cost,
        parameters=target.parameters,
    )
