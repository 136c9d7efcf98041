"""Small things to fill snapshots with."""

import os

import msgspec

from tradewind.snapshot import file
from tradewind.snapshot.base import Base
from tradewind.snapshot.contents import (
    Budget,
    Endpoint,
    Grant,
    Limits,
    Operation,
    Price,
    Snapshot,
    Terms,
)
from tradewind.snapshot.safety import Action, CheckUse, DataReference, Direction, Policy, Rule
from tradewind.snapshot.view import SnapshotView


def a_grant(key_id="k1", **changes):
    return msgspec.structs.replace(Grant(key_id, b"d" * 32, "org_a", "proj_a"), **changes)


def an_endpoint(name="p/m", *aliases, created_at_ms=1):
    return Endpoint(
        name=name,
        operation=Operation.CHAT,
        publisher=name.partition("/")[0],
        created_at_ms=created_at_ms,
        context_tokens=512,
        max_output_tokens=512,
        price=Price("price_1", "USD", 1, 2, 3),
        targets=(),
        aliases=aliases,
    )


def a_policy(policy_id="policy_1", version=1):
    return Policy(
        policy_id,
        version,
        "strict",
        (Rule("hate", Direction.PROMPT, 6, Action.BLOCK),),
        (
            CheckUse(
                "blocklist",
                frozenset({Direction.PROMPT, Direction.DOCUMENT}),
                data=(DataReference("names", "ab" * 32, 12),),
            ),
        ),
    )


SMALL, LARGE = an_endpoint("a/small", "small"), an_endpoint("b/large", "large")
SNAPSHOT = Snapshot(
    version=5,
    compiled_at_ms=1,
    grants=(
        a_grant("k1"),
        a_grant("k2", models=frozenset({"a/small"}), limits=Limits(1), expires_at_ms=9),
        a_grant("k3", organization_id="org_b", project_id="proj_b"),
    ),
    endpoints=(SMALL, LARGE),
    terms=(Terms("org_a", Limits(3)), Terms("proj_b", Limits(4))),
    budgets=(Budget("budget_1", "all", "USD"),),
    policies=(a_policy(),),
)
NAMES = ("a/small", "small", "b/large", "large", "c/new", "new", "nobody")
KEY_IDS = ("k1", "k2", "k3", "k4")
SUBJECTS = ("org_a", "org_b", "proj_a", "proj_b")
BUDGETS = ("budget_1", "budget_2")
POLICIES = ("policy_1", "policy_2")


def on_file(snapshot=SNAPSHOT):
    """Return a view of the snapshot's base file."""
    return SnapshotView(base=Base.of_bytes(file.encode(snapshot)))


def answers(view):
    """Return all that a gateway could ask this view about."""
    return {
        "grants": [view.grant(key_id) for key_id in KEY_IDS],
        "endpoints": [view.endpoint(name) for name in NAMES],
        "terms": [view.terms(subject) for subject in SUBJECTS],
        "budgets": [view.budget(budget) for budget in BUDGETS],
        "policies": [view.policy(policy) for policy in POLICIES],
        "all": list(view.endpoints_for(a_grant())),
        "some": list(view.endpoints_for(a_grant(models=frozenset({"b/large", "c/new", "x"})))),
    }


def replace_file(path, raw):
    beside = path.with_name("beside")
    beside.write_bytes(raw)
    os.replace(beside, path)  # noqa: PTH105
