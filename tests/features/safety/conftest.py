"""What tests of safety share: its services with light checks, over a real database."""

import pytest

from tradewind.core.clock import SystemClock
from tradewind.features.safety.installed import InstalledChecks
from tradewind.features.safety.ports import PastReaders, PlatformReaders
from tradewind.features.safety.services import build_safety_services
from tradewind.plugins.checks.blocklist import Blocklist
from tradewind.plugins.checks.custom_category import CustomCategory
from tradewind.plugins.checks.pii import Pii
from tradewind.plugins.checks.profanity import Profanity
from tradewind.plugins.checks.protected_material import ProtectedMaterial
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


class MovedClock:
    """The time of the system, moved by hand."""

    def __init__(self):
        self._system = SystemClock()
        self.by = None

    def now(self):
        now = self._system.now()
        return now if self.by is None else now + self.by

    def monotonic(self):
        return self._system.monotonic()


@pytest.fixture
def clock():
    return MovedClock()


@pytest.fixture
def safety(clock):
    members = {
        check.name: check
        for check in (Blocklist(), Pii(), Profanity(), ProtectedMaterial(), CustomCategory())
    }
    return build_safety_services(
        clock,
        PlatformReaders(find_subject, missing_endpoints, missing_connections),
        PastReaders(read_history, count_calls, flagged_calls, kept_calls),
        InstalledChecks(lambda: members),
    )
