"""What tests of red teaming share: a model that is known by a name, and who attacks it."""

from sqlalchemy import insert

from tradewind.core.acting import By
from tradewind.core.clock import SystemClock
from tradewind.features.accounts.tables import project
from tradewind.features.redteam.schemas import Spec, TargetFacts

ADA = By("user_ada", "Ada")
TARGET = TargetFacts("tw/small", "1.0", "USD", 1_000_000_000, 2_000_000_000)


def find_target(_tx, name, _organization_id):
    return TARGET._replace(name=name) if name.startswith("tw/") else None


def a_spec(**changes):
    """A campaign of the scripted tool: 8 seeds, as they are and in base64, both ways."""
    return Spec(
        **{
            "tool": "fake",
            "target": "tw/small",
            "datasets": ("scripted",),
            "converters": ("none", "base64"),
            "max_tokens": 32,
            **changes,
        }
    )


def with_project(database, person):
    """Give the person's project a row."""
    with database.transaction() as tx:
        tx.execute(
            insert(project).values(
                id=person.project_id,
                organization_id=person.organization_id,
                name="Default",
                created_at=SystemClock().now(),
            )
        )
    return person
