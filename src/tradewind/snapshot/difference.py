"""What makes one catalog, or one list of budgets or policies, from another. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from tradewind.snapshot.changes import Change
from tradewind.snapshot.contents import Budget, Endpoint
from tradewind.snapshot.endpoints import order_after, resolve_aliases
from tradewind.snapshot.safety import Policy


def endpoint_changes(former: Sequence[Endpoint], wanted: Sequence[Endpoint]) -> Change:
    """Return what takes a gateway from one catalog to the other, both in their order."""
    old = {endpoint.name: endpoint for endpoint in former}
    new = {endpoint.name: endpoint for endpoint in wanted}
    changed: dict[str, Endpoint | None] = {
        name: endpoint for name, endpoint in new.items() if old.get(name) != endpoint
    }
    changed.update((name, None) for name in old if name not in new)
    old_aliases = resolve_aliases(old.values())
    new_aliases = resolve_aliases(new.values())
    aliases: dict[str, str | None] = {
        alias: name for alias, name in new_aliases.items() if old_aliases.get(alias) != name
    }
    aliases.update((alias, None) for alias in old_aliases if alias not in new_aliases)
    order = list(new)
    is_as_expected = order_after(list(old), changed) == order
    return Change(
        endpoints=changed, aliases=aliases, order=None if is_as_expected else tuple(order)
    )


def budget_changes(former: Iterable[Budget], wanted: Iterable[Budget]) -> dict[str, Budget | None]:
    old: Mapping[str, Budget] = {budget.id: budget for budget in former}
    new = {budget.id: budget for budget in wanted}
    changed: dict[str, Budget | None] = {
        name: budget for name, budget in new.items() if old.get(name) != budget
    }
    changed.update((name, None) for name in old if name not in new)
    return changed


def policy_changes(former: Iterable[Policy], wanted: Iterable[Policy]) -> dict[str, Policy | None]:
    old: Mapping[str, Policy] = {policy.id: policy for policy in former}
    new = {policy.id: policy for policy in wanted}
    changed: dict[str, Policy | None] = {
        id_: policy for id_, policy in new.items() if old.get(id_) != policy
    }
    changed.update((id_, None) for id_ in old if id_ not in new)
    return changed
