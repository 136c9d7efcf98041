"""Look-ups over one snapshot. The only way the gateway reads it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self, TypeVar

from tradewind.snapshot.base import Base
from tradewind.snapshot.changes import Change
from tradewind.snapshot.contents import EMPTY, Budget, Endpoint, Grant, Snapshot, Terms
from tradewind.snapshot.endpoints import order_after, resolve_aliases
from tradewind.snapshot.safety import Policy
from tradewind.snapshot.table import Table

# What is decoded is kept until so many are, then dropped as a whole: a request needs two or three
# of each kind, and decoding one anew costs 4 to 20 us.
_MOST_ENDPOINTS_KEPT = 2048
_MOST_TERMS_KEPT = 8192
_MOST_BUDGETS_KEPT = 8192

_Content = TypeVar("_Content")


@dataclass(frozen=True, slots=True)
class Overlay:
    """What has changed since the base. None is: gone."""

    version: int
    compiled_at_ms: int
    grants: dict[str, Grant | None] = field(default_factory=dict[str, Grant | None])
    terms: dict[str, Terms | None] = field(default_factory=dict[str, Terms | None])
    budgets: dict[str, Budget | None] = field(default_factory=dict[str, Budget | None])
    endpoints: dict[str, Endpoint | None] = field(default_factory=dict[str, Endpoint | None])
    aliases: dict[str, str | None] = field(default_factory=dict[str, str | None])
    order: tuple[str, ...] | None = None
    """Names of all endpoints; None is the base's."""
    policies: dict[str, Policy | None] = field(default_factory=dict[str, Policy | None])

    def __len__(self) -> int:
        return (
            len(self.grants)
            + len(self.terms)
            + len(self.budgets)
            + len(self.endpoints)
            + len(self.aliases)
            + len(self.policies)
        )


class SnapshotView:
    """Answers by key id and by model name in constant time; what it answers never changes.

    A base file with the changes since, or a snapshot in memory. Look-ups raise SnapshotDamaged when
    the file has gone bad since it was opened.
    """

    def __init__(
        self,
        snapshot: Snapshot = EMPTY,
        *,
        base: Base | None = None,
        overlay: Overlay | None = None,
    ) -> None:
        """`snapshot` counts where there is no `base`; `overlay` lies over the base."""
        if base is None:
            overlay = _overlay_of(snapshot)
        elif overlay is None:
            overlay = Overlay(base.version, base.compiled_at_ms)
        self.version = overlay.version
        self.compiled_at_ms = overlay.compiled_at_ms
        self.proven: dict[bytes, Grant] = {}
        """Keys that were checked against this snapshot, each behind `Bearer `, so that the next
        call of the same key costs a look-up instead of an HMAC. Goes with the snapshot, so a
        revoked key does not outlive it.
        """
        self.base = base
        self.overlay = overlay
        self._endpoints: dict[str, Endpoint] = {}
        self._terms: dict[str, Terms | None] = {}
        self._budgets: dict[str, Budget | None] = {}

    def grant(self, key_id: str) -> Grant | None:
        """Return what the key of this id may do, or None when there is no such key."""
        grants = self.overlay.grants
        if key_id in grants:
            return grants[key_id]
        return None if self.base is None else self.base.grants.get(key_id)

    def terms(self, subject_id: str) -> Terms | None:
        """Return what holds for the organization or project of this id, if anything does."""
        found = self._terms.get(subject_id)
        if found is not None or subject_id in self._terms:
            return found
        table = None if self.base is None else self.base.terms
        found = _find(subject_id, self.overlay.terms, table)
        # That there is none is kept too: it is so for most, and these ids come out of grants.
        return _keep(self._terms, subject_id, found, _MOST_TERMS_KEPT)

    def budget(self, budget_id: str) -> Budget | None:
        if budget_id in self._budgets:
            return self._budgets[budget_id]
        table = None if self.base is None else self.base.budgets
        found = _find(budget_id, self.overlay.budgets, table)
        return _keep(self._budgets, budget_id, found, _MOST_BUDGETS_KEPT)

    def policy(self, policy_id: str) -> Policy | None:
        """Return the safety policy of this id. Decoded anew each time: what is made of policies is
        kept by those who make it.
        """
        return _find(
            policy_id, self.overlay.policies, None if self.base is None else self.base.policies
        )

    def endpoint(self, name: str) -> Endpoint | None:
        """Return the endpoint of this name or alias."""
        found = self._endpoints.get(name)
        return found if found is not None else self._look_up_endpoint(name)

    def endpoints_for(self, grant: Grant) -> Iterable[Endpoint]:
        """Yield what this key may call, in the order of the catalog."""
        return self._endpoints_of(grant.models)

    def after(self, changes: Sequence[Change]) -> Self:
        """Return the view that these changes make of this one, with nothing decoded yet."""
        if not changes:
            return self
        former = self.overlay
        grants, terms = dict(former.grants), dict(former.terms)
        budgets, aliases = dict(former.budgets), dict(former.aliases)
        endpoints, order = dict(former.endpoints), former.order
        policies = dict(former.policies)
        for change in changes:
            grants.update(change.grants)
            terms.update(change.terms)
            budgets.update(change.budgets)
            aliases.update(change.aliases)
            policies.update(change.policies)
            if change.order is not None:
                order = change.order
            elif any(
                found is None or _find(name, endpoints, self._endpoint_table) is None
                for name, found in change.endpoints.items()
            ):
                order = tuple(
                    order_after(self._base_names if order is None else order, change.endpoints)
                )
            endpoints.update(change.endpoints)
        return type(self)(
            base=self.base,
            overlay=Overlay(
                changes[-1].version,
                changes[-1].compiled_at_ms,
                grants,
                terms,
                budgets,
                endpoints,
                aliases,
                order,
                policies,
            ),
        )

    def take_over(self, former: "SnapshotView", changes: Sequence[Change]) -> None:
        """Go on with what `former` has decoded and proven, without what `changes` touch.

        For the moment when this view, which is `former.after(changes)`, comes into force. Copies,
        because a call that still holds `former` may go on filling it. Takes about 1 ms with 10,000
        proven keys.
        """
        touched = {key_id for change in changes for key_id in change.grants}
        self.proven = {
            key: grant for key, grant in former.proven.items() if grant.key_id not in touched
        }
        self._terms = dict(former._terms)  # noqa: SLF001  another of the same class
        self._budgets = dict(former._budgets)  # noqa: SLF001
        for change in changes:
            for subject_id in change.terms:
                self._terms.pop(subject_id, None)
            for budget_id in change.budgets:
                self._budgets.pop(budget_id, None)
        if not any(change.endpoints or change.aliases for change in changes):
            self._endpoints = dict(former._endpoints)  # noqa: SLF001

    def every_grant(self) -> Iterator[Grant]:
        """Yield all grants: minutes of work for the publisher, never for a gateway."""
        written = None if self.base is None else self.base.every_grant()
        return _merged(written, self.overlay.grants, lambda grant: grant.key_id)

    def every_terms(self) -> Iterator[Terms]:
        written = None if self.base is None else self.base.every_terms()
        return _merged(written, self.overlay.terms, lambda terms: terms.id)

    def every_budget(self) -> Iterator[Budget]:
        written = None if self.base is None else self.base.every_budget()
        return _merged(written, self.overlay.budgets, lambda budget: budget.id)

    def every_policy(self) -> Iterator[Policy]:
        written = None if self.base is None else self.base.every_policy()
        return _merged(written, self.overlay.policies, lambda policy: policy.id)

    def every_endpoint(self) -> Iterator[Endpoint]:
        """Yield all endpoints in the order of the catalog."""
        return self._endpoints_of(None)

    def names(self) -> tuple[str, ...]:
        """Return the names of all endpoints in the order of the catalog."""
        return self._base_names if self.overlay.order is None else self.overlay.order

    @property
    def _base_names(self) -> tuple[str, ...]:
        return () if self.base is None else self.base.names()

    @property
    def _endpoint_table(self) -> Table[Endpoint] | None:
        return None if self.base is None else self.base.endpoints

    def _endpoints_of(self, models: frozenset[str] | None) -> Iterator[Endpoint]:
        for name in self.names():
            if models is None or name in models:
                # Kept ones are used, but others are not kept: a list of all would push them out.
                found = self._endpoints.get(name) or self._named(name)
                if found is not None:
                    yield found

    def _look_up_endpoint(self, name: str) -> Endpoint | None:
        found = self._named(name)
        if found is None:
            table = None if self.base is None else self.base.aliases
            target = _find(name, self.overlay.aliases, table)
            found = None if target is None else self._named(target)
        if found is not None:
            # What is not there is not kept: anybody can ask for any name.
            _keep(self._endpoints, name, found, _MOST_ENDPOINTS_KEPT)
        return found

    def _named(self, name: str) -> Endpoint | None:
        return _find(name, self.overlay.endpoints, self._endpoint_table)


def _overlay_of(snapshot: Snapshot) -> Overlay:
    return Overlay(
        snapshot.version,
        snapshot.compiled_at_ms,
        {grant.key_id: grant for grant in snapshot.grants},
        {terms.id: terms for terms in snapshot.terms},
        {budget.id: budget for budget in snapshot.budgets},
        {endpoint.name: endpoint for endpoint in snapshot.endpoints},
        dict(resolve_aliases(snapshot.endpoints)),
        tuple(dict.fromkeys(endpoint.name for endpoint in snapshot.endpoints)),
        {policy.id: policy for policy in snapshot.policies},
    )


def _find(
    key: str, overlay: Mapping[str, _Content | None], table: Table[_Content] | None
) -> _Content | None:
    if key in overlay:
        return overlay[key]
    return None if table is None else table.get(key)


def _keep(kept: dict[str, _Content], key: str, found: _Content, most: int) -> _Content:
    if len(kept) >= most:
        kept.clear()
    kept[key] = found
    return found


def _merged(
    written: Iterator[_Content] | None,
    overlay: Mapping[str, _Content | None],
    key_of: Callable[[_Content], str],
) -> Iterator[_Content]:
    """Yield what is written with what lies over it: changed ones in their place, new ones last."""
    met: set[str] = set()
    for content in written or ():
        key = key_of(content)
        if key not in overlay:
            yield content
            continue
        met.add(key)
        over = overlay[key]
        if over is not None:
            yield over
    for key, over in overlay.items():
        if over is not None and key not in met:
            yield over
