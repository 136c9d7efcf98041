"""The members of the family by name. One line adds one."""

from tradewind.plugins.sinks.base import Sink
from tradewind.plugins.sinks.cloud_events import CloudEvents
from tradewind.plugins.sinks.lago import Lago
from tradewind.plugins.sinks.openmeter import OpenMeter
from tradewind.plugins.sinks.stripe_meters import StripeMeters


def sinks() -> dict[str, Sink]:
    members: tuple[Sink, ...] = (StripeMeters(), OpenMeter(), Lago(), CloudEvents())
    return {member.name: member for member in members}
