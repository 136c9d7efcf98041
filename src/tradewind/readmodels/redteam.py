"""What is known of a model before it is attacked: its version, its prices, how fast it answers."""

from sqlalchemy import Connection

from tradewind.core.ids import OrganizationId
from tradewind.features.redteam import repository
from tradewind.features.redteam.schemas import TargetFacts
from tradewind.readmodels.models import get_model


def find_target(tx: Connection, name: str, organization_id: OrganizationId) -> TargetFacts | None:
    """Return the facts of a model that an organization may call, or None. How long a call takes is
    known from earlier campaigns.
    """
    found = get_model(tx, name, organization_id)
    if found is None:
        return None
    return TargetFacts(
        name=found.name,
        version=found.version or "",
        currency=found.currency,
        input_nanos=found.input_nanos,
        output_nanos=found.output_nanos,
        seconds_per_call=repository.seconds_per_turn(tx, name),
    )
