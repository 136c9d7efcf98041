"""The services of safety, with what they ask of the rest of the platform."""

from tradewind.core.clock import Clock
from tradewind.features.safety.ports import PastReaders, PlatformReaders
from tradewind.features.safety.services import SafetyServices, build_safety_services
from tradewind.readmodels.safety_past import (
    count_calls,
    flagged_calls,
    kept_calls,
    read_history,
)
from tradewind.readmodels.safety_subjects import (
    find_subject,
    missing_connections,
    missing_endpoints,
)


def build_safety(clock: Clock) -> SafetyServices:
    return build_safety_services(
        clock,
        PlatformReaders(find_subject, missing_endpoints, missing_connections),
        PastReaders(read_history, count_calls, flagged_calls, kept_calls),
    )
