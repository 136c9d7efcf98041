"""What people order: deploy, change, scale, stop, start, roll back, delete."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import UNSET
from sqlalchemy import Connection, Row

from tradewind.core.clock import Clock
from tradewind.core.errors import Forbidden, InvalidInput, MalformedId, NotFound
from tradewind.core.ids import DeploymentId, ModelVersionId, OrganizationId
from tradewind.core.permissions import Permission, require
from tradewind.db.change_feed import ChangeKind, record_change
from tradewind.features.accounts.schemas import Actor, is_platform_administrator
from tradewind.features.catalog.errors import NotDeployable
from tradewind.features.catalog.schemas import OPERATOR, CatalogModel, VersionRow, Visibility
from tradewind.features.catalog.service import Catalog, Licences
from tradewind.features.deployments import repository, rules
from tradewind.features.deployments.errors import (
    AlreadyDeployed,
    DoesNotFit,
    NothingToDeploy,
    NothingToRollBackTo,
)
from tradewind.features.deployments.fit import MIB, Fit, Machine, Verdict, estimate
from tradewind.features.deployments.schemas import (
    Deployable,
    DeploymentChanges,
    NewDeployment,
    Strategy,
    Transition,
)
from tradewind.features.deployments.transition import choose, freed_by
from tradewind.features.deployments.weighing import Weigh, Weighed, operation_of
from tradewind.features.market.service import Market
from tradewind.snapshot.contents import Operation

_CONTEXTS = (131_072, 65_536, 32_768, 16_384, 8_192, 4_096, 2_048)
"""Tried from the longest on, where nobody said how much: the first that fits is taken."""
_SERVED = frozenset({Operation.CHAT, Operation.COMPLETIONS, Operation.EMBEDDINGS})
MOST_DEPLOYMENTS = 1_000
_VERSIONS_LOOKED_AT = 50


class DeploymentOrders:
    """Orders of administrators of the platform: the machine is everybody's."""

    def __init__(
        self,
        catalog: Catalog,
        licences: Licences,
        market: Market,
        clock: Clock,
        *,
        weigh: Weigh,
        machine: Callable[[], Machine],
        serve: Callable[[Connection, DeploymentId, OrganizationId | None], None],
        currency: str,
    ) -> None:
        """`serve` has a new deployment answer under its model's name, for everybody or for one
        organization.
        """
        self._catalog = catalog
        self._licences = licences
        self._market = market
        self._clock = clock
        self._weigh = weigh
        self._machine = machine
        self._serve = serve
        self._currency = currency

    # --- before --------------------------------------------------------------------------------

    def look(self, tx: Connection, actor: Actor, asked: NewDeployment) -> Deployable:
        """Return what deploying would take, with what was not said filled in; changes nothing.

        Raises ModelNotFound, NotDeployable, NothingToDeploy, InvalidInput.
        """
        require(actor, Permission.DEPLOYMENTS_READ)
        model = self._catalog.show_model(tx, asked.model, actor.organization_id)
        return self._look(tx, model, asked)

    # --- orders --------------------------------------------------------------------------------

    def deploy(self, tx: Connection, actor: Actor, asked: NewDeployment, *, by: str) -> Deployable:
        """Deploy, and have it answer under the model's name. `by` is kept with the revision.

        Raises AlreadyDeployed (409), DoesNotFit (409) unless it is overridden, LicenceNotAccepted
        (403) for a gated model, and as `look`.
        """
        _require_administrator(actor)
        model = self._catalog.show_model(tx, asked.model, actor.organization_id)
        found = self._look(tx, model, asked)
        if found.deployment_id is not None:
            raise AlreadyDeployed(
                f"{found.model} {found.version} is deployed as {found.deployment_id}",
                hint="change or scale that one",
            )
        self._licences.require_acceptance(tx, actor.organization_id, model.model_id)
        self._make_known(tx, model, found)
        self._catalog.check_deployable(tx, found.version_id)
        if repository.count_deployments(tx) >= MOST_DEPLOYMENTS:
            raise InvalidInput(f"there are {MOST_DEPLOYMENTS} deployments", hint="delete some")
        _check_fit(found.fit, is_override=asked.is_override)
        if not found.has_price:
            self._set_price(tx, model, asked)
        deployment_id = repository.add_deployment(
            tx,
            found.version_id,
            engine=found.asked.engine,
            slots=found.asked.slots,
            desired_replicas=found.asked.replicas,
            now=self._clock.now(),
            first=_of_revision(found.asked, found.fit, reason="deployed", by=by),
            organization_id=actor.organization_id,
        )
        if deployment_id is None:
            raise AlreadyDeployed(f"{found.model} {found.version} was just deployed by another")
        is_private = model.visibility == Visibility.PRIVATE.value
        self._serve(tx, deployment_id, actor.organization_id if is_private else None)
        record_change(tx, ChangeKind.ENDPOINTS)
        return replace(found, deployment_id=deployment_id)

    def change(
        self,
        tx: Connection,
        actor: Actor,
        deployment_id: str,
        changes: DeploymentChanges,
        *,
        by: str,
    ) -> int:
        """Make another revision and run it. The one before goes on until this one is ready; or it
        ends before this one is started, where that was asked for or both do not fit.

        Returns its number. Raises NotFound, InvalidInput, DoesNotFit, NothingToDeploy.
        """
        row = self._lock(tx, actor, deployment_id)
        if changes.is_empty:
            return row.revision
        number = repository.last_revision(tx, row.id) + 1
        if number > rules.MOST_REVISIONS:
            raise InvalidInput(f"it has {number - 1} revisions", hint="delete it and deploy anew")
        found = self._look_at_change(tx, actor, row, changes)
        if found.deployment_id not in {None, DeploymentId(row.id)}:
            raise AlreadyDeployed(
                f"{found.model} {found.version} is deployed as {found.deployment_id}"
            )
        if found.version_id != row.model_version_id:
            self._catalog.check_deployable(tx, found.version_id)
        transition = self._transition(tx, row, found.fit, changes.strategy)
        _check_fit(transition.fit, is_override=changes.is_override)
        filled = replace(found.asked, is_override=changes.is_override)
        values = _of_revision(filled, transition.fit, reason="changed", by=by)
        repository.add_revision(
            tx,
            DeploymentId(row.id),
            number,
            {
                **values,
                "model_version_id": found.version_id,
                "engine": filled.engine,
                "slots": filled.slots,
                "created_at": self._clock.now(),
            },
        )
        self._run_revision(tx, DeploymentId(row.id), number, transition.strategy)
        return number

    def look_at_change(
        self, tx: Connection, actor: Actor, deployment_id: str, changes: DeploymentChanges
    ) -> Transition:
        """Return how a change would take the place of what runs; changes nothing.

        Raises NotFound, InvalidInput, NothingToDeploy.
        """
        row = self._lock(tx, actor, deployment_id, is_read=True)
        found = self._look_at_change(tx, actor, row, changes)
        return self._transition(tx, row, found.fit, changes.strategy)

    def scale(
        self,
        tx: Connection,
        actor: Actor,
        deployment_id: str,
        replicas: int,
        *,
        is_override: bool = False,
    ) -> None:
        """Want this many replicas; 0 stops it. Raises NotFound, InvalidInput, DoesNotFit."""
        row = self._lock(tx, actor, deployment_id)
        revision = repository.find_revision(tx, row.id, row.revision)
        assert revision is not None, "a deployment has its current revision"
        asked = rules.Launchable(revision.slots, revision.threads, None, replicas)
        rules.checked(asked, trained_tokens=None)
        if replicas > row.desired_replicas:
            fit = self._fit_of_revision(tx, revision, replicas - row.desired_replicas)
            if fit is not None:
                _check_fit(fit, is_override=is_override)
        values: dict[str, Any] = {"desired_replicas": replicas}
        if replicas:
            values["replicas_before_stop"] = replicas
        self._update(tx, DeploymentId(row.id), values)

    def stop(self, tx: Connection, actor: Actor, deployment_id: str) -> None:
        """Want no replica; its name, its revisions and its logs stay. Idempotent."""
        row = self._lock(tx, actor, deployment_id)
        self._update(tx, DeploymentId(row.id), {"desired_replicas": 0})

    def start(
        self, tx: Connection, actor: Actor, deployment_id: str, *, is_override: bool = False
    ) -> None:
        """Want as many replicas as before it was stopped. Idempotent."""
        row = self._lock(tx, actor, deployment_id)
        if not row.desired_replicas:
            self.scale(tx, actor, deployment_id, row.replicas_before_stop, is_override=is_override)

    def roll_back(
        self,
        tx: Connection,
        actor: Actor,
        deployment_id: str,
        to: int | None = None,
        strategy: Strategy | None = None,
    ) -> int:
        """Run an earlier revision again; None is the last other one that was ready.

        `strategy` is as that of a change. What does not fit any more is run all the same: it did
        once. Returns its number. Raises NotFound, NothingToRollBackTo (409).
        """
        row = self._lock(tx, actor, deployment_id)
        number = to if to is not None else repository.good_before(tx, row.id, row.revision)
        if number is None:
            raise NothingToRollBackTo(
                f"no other revision of {row.id} was ever ready", hint="change its settings"
            )
        earlier = repository.find_revision(tx, row.id, number)
        if earlier is None:
            raise NotFound(f"{row.id} has no revision {number}")
        fit = self._fit_of_revision(tx, earlier, 1)
        if fit is not None:
            strategy = self._transition(tx, row, fit, strategy).strategy
        self._run_revision(tx, DeploymentId(row.id), number, strategy or Strategy.START_FIRST)
        return number

    def delete(self, tx: Connection, actor: Actor, deployment_id: str) -> None:
        """Stop it and forget it, with its revisions. The model and its name stay."""
        row = self._lock(tx, actor, deployment_id)
        repository.delete_deployment(tx, DeploymentId(row.id))
        record_change(tx, ChangeKind.ENDPOINTS)

    # --- inside --------------------------------------------------------------------------------

    def _look(
        self,
        tx: Connection,
        model: CatalogModel,
        asked: NewDeployment,
        *,
        current: str | None = None,
    ) -> Deployable:
        """`current` is the id of the version that is meant when none is asked for."""
        found = self._versions_here(tx, model)
        version, weighed = _choose(model, found, asked.version, current)
        operation = model.operation or operation_of(weighed)
        if operation not in _SERVED:
            raise NotDeployable(
                f"{model.name} is a model for {operation.value}, which no engine here serves",
                hint="call it through a provider",
            )
        told = model.context_tokens or weighed.context_tokens
        if told is None:
            raise NotDeployable(
                f"nobody told how much context {model.name} has", hint="say it on its card"
            )
        trained = min(told, weighed.context_tokens or told)
        numbers = rules.Launchable(asked.slots, asked.threads, asked.context_tokens, asked.replicas)
        rules.checked(numbers, trained_tokens=trained)
        machine = self._machine()

        def fit_of(context_tokens: int) -> Fit:
            return estimate(
                weights_bytes=weighed.size,
                shape=weighed.shape,
                context_tokens=context_tokens,
                slots=asked.slots,
                threads=asked.threads,
                replicas=asked.replicas,
                machine=machine,
            )

        context = asked.context_tokens or _longest_that_fits(trained, fit_of)
        return Deployable(
            model=model.name,
            model_display_name=model.display_name,
            operation=operation.value,
            version_id=version.version_id,
            version=version.label,
            versions=tuple(each.label for each, _ in found),
            is_sealed=version.is_sealed,
            trained_tokens=trained,
            has_chat_template=weighed.has_chat_template,
            has_price=self._market.has_price(tx, model.model_id),
            deployment_id=repository.deployment_of(tx, version.version_id),
            asked=replace(asked, model=model.name, version=version.label, context_tokens=context),
            fit=fit_of(context),
        )

    def _versions_here(
        self, tx: Connection, model: CatalogModel
    ) -> list[tuple[VersionRow, Weighed]]:
        found: list[tuple[VersionRow, Weighed]] = []
        for version in self._catalog.list_versions(tx, model.model_id)[:_VERSIONS_LOOKED_AT]:
            weighed = self._weigh(tx, version.artifact)
            if weighed is not None and weighed.can_run:
                found.append((version, weighed))
        return found

    def _make_known(self, tx: Connection, model: CatalogModel, found: Deployable) -> None:
        """Fill in what the catalog did not know and the file says."""
        told: dict[str, Any] = {}
        if model.operation is None:
            told["operation"] = found.operation
        if model.context_tokens is None:
            told["context_tokens"] = found.trained_tokens
        if told:
            self._catalog.tell_facts(tx, model.model_id, told, source=OPERATOR)
        facts = self._catalog.get_model(tx, model.model_id)
        self._catalog.ready_to_serve(tx, facts)

    def _set_price(self, tx: Connection, model: CatalogModel, asked: NewDeployment) -> None:
        price = asked.price
        self._market.set_price(
            tx,
            model.model_id,
            self._currency if price is None else price.currency,
            input_nanos=0 if price is None else price.input_nanos,
            output_nanos=0 if price is None else price.output_nanos,
            cached_input_nanos=0 if price is None else price.input_nanos,
        )

    def _look_at_change(
        self, tx: Connection, actor: Actor, row: Row[Any], changes: DeploymentChanges
    ) -> Deployable:
        former = repository.find_revision(tx, row.id, row.revision)
        assert former is not None, "a deployment has its current revision"
        facts = self._catalog.version_facts(tx, ModelVersionId(former.model_version_id))
        asked = NewDeployment(
            model=facts.name,
            version=None if changes.version is UNSET else changes.version,
            engine=former.engine,
            slots=former.slots if changes.slots is UNSET else changes.slots,
            context_tokens=(
                former.context_tokens if changes.context_tokens is UNSET else changes.context_tokens
            ),
            threads=former.threads if changes.threads is UNSET else changes.threads,
            # One at a time is started beside those that run.
            replicas=1,
        )
        model = self._catalog.show_model(tx, facts.name, actor.organization_id)
        return self._look(tx, model, asked, current=None if asked.version else row.model_version_id)

    def _transition(
        self, tx: Connection, row: Row[Any], beside: Fit, asked: Strategy | None
    ) -> Transition:
        """Return how to go over from what runs to what is estimated to fit so beside it."""
        freed = 0
        if repository.has_ready_replica(tx, DeploymentId(row.id)):
            running = repository.find_revision(tx, row.id, row.good_revision or row.revision)
            assert running is not None, "a deployment has its current revision"
            ending = self._fit_of_revision(tx, running, 1)
            if ending is not None:
                freed = freed_by(ending, is_sealed=self._is_sealed(tx, running.model_version_id))
        return choose(beside, freed_bytes=freed, asked=asked)

    def _is_sealed(self, tx: Connection, version_id: str) -> bool:
        model_id = self._catalog.version_facts(tx, ModelVersionId(version_id)).model_id
        versions = self._catalog.list_versions(tx, model_id)
        return any(each.is_sealed for each in versions if each.version_id == version_id)

    def _fit_of_revision(self, tx: Connection, revision: Row[Any], replicas: int) -> Fit | None:
        """Estimate so many more replicas of a revision; None when its weights are not here."""
        facts = self._catalog.version_facts(tx, ModelVersionId(revision.model_version_id))
        weighed = self._weigh(tx, facts.artifact)
        if weighed is None:
            return None
        return estimate(
            weights_bytes=weighed.size,
            shape=weighed.shape,
            context_tokens=revision.context_tokens or facts.context_tokens,
            slots=revision.slots,
            threads=revision.threads,
            replicas=replicas,
            machine=self._machine(),
        )

    def _run_revision(
        self, tx: Connection, deployment_id: DeploymentId, number: int, strategy: Strategy
    ) -> None:
        chosen = repository.find_revision(tx, deployment_id, number)
        assert chosen is not None
        self._update(
            tx,
            deployment_id,
            {
                "revision": number,
                "strategy": strategy.value,
                "engine": chosen.engine,
                "slots": chosen.slots,
                "model_version_id": chosen.model_version_id,
            },
        )

    def _update(self, tx: Connection, deployment_id: DeploymentId, values: dict[str, Any]) -> None:
        now = self._clock.now()
        repository.update_deployment(tx, deployment_id, {**values, "updated_at": now})
        record_change(tx, ChangeKind.ENDPOINTS)

    def _lock(
        self, tx: Connection, actor: Actor, deployment_id: str, *, is_read: bool = False
    ) -> Row[Any]:
        _require_administrator(actor)
        try:
            parsed = DeploymentId.parse(deployment_id)
        except MalformedId:
            raise _not_found(deployment_id) from None
        row = repository.lock_deployment(tx, parsed, is_read=is_read)
        if row is None:
            raise _not_found(deployment_id)
        name = self._catalog.version_facts(tx, ModelVersionId(row.model_version_id)).name
        # Raises for a private model of another organization, as if there were none.
        self._catalog.show_model(tx, name, actor.organization_id)
        return row


def _choose(
    model: CatalogModel,
    found: list[tuple[VersionRow, Weighed]],
    label: str | None,
    version_id: str | None,
) -> tuple[VersionRow, Weighed]:
    for version, weighed in found:
        digest = f"sha256:{version.digest}"
        if version_id is not None and version.version_id != version_id:
            continue
        if label is not None and label not in {version.label, digest, version.artifact}:
            continue
        return version, weighed
    if label is not None:
        raise NothingToDeploy(
            f"{model.name} has no version {label[:80]!r} whose weights are here",
            hint="upload a GGUF file of it, or choose another version",
        )
    raise NothingToDeploy(
        f"the weights of {model.name} are not here in a form that an engine loads",
        hint="call it through a provider, or upload a GGUF file of it",
    )


def _longest_that_fits(trained: int, fit_of: Callable[[int], Fit]) -> int:
    choices = [trained, *(each for each in _CONTEXTS if each < trained)]
    return next(
        (each for each in choices if fit_of(each).verdict is not Verdict.DOES_NOT_FIT),
        choices[-1],
    )


def _check_fit(fit: Fit, *, is_override: bool) -> None:
    if fit.verdict is Verdict.DOES_NOT_FIT and not is_override:
        raise DoesNotFit(
            f"by estimate it takes {fit.total_bytes // MIB:,} MiB, and"
            f" {fit.available_bytes // MIB:,} MiB are free",
            hint="take fewer slots or less context, or override the estimate",
        )


def _of_revision(asked: NewDeployment, fit: Fit, *, reason: str, by: str) -> dict[str, Any]:
    return {
        "context_tokens": asked.context_tokens,
        "threads": asked.threads,
        "state": "new",
        "reason": reason,
        "fit": msgspec.to_builtins(fit),
        "is_override": asked.is_override and fit.verdict is Verdict.DOES_NOT_FIT,
        "created_by": by[:200],
    }


def _require_administrator(actor: Actor) -> None:
    require(actor, Permission.DEPLOYMENTS_WRITE)
    if not is_platform_administrator(actor):
        raise Forbidden(
            "the machine is everybody's: only an administrator of the platform deploys on it",
            hint="ask an administrator of the platform",
        )


def _not_found(deployment_id: str) -> NotFound:
    return NotFound(f"there is no deployment {deployment_id[:80]!r}", hint="list the deployments")
