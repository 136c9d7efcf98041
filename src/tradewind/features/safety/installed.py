"""The checks that this process has, loaded when somebody first asks: their weights take a second
and some memory.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cached_property

from tradewind.features.safety.schemas import CheckFacts, CheckKind
from tradewind.plugins.checks.base import AnyCheck, LocalCheck
from tradewind.plugins.checks.registry import checks

_PREPARED_MAX = 32
"""Data that stay ready for use; a list of 10,000 terms takes some megabytes."""


class InstalledChecks:
    """Safe to share between threads."""

    def __init__(self, load: Callable[[], Mapping[str, AnyCheck]] = checks) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._prepared: OrderedDict[tuple[str, str, str], object] = OrderedDict()

    @cached_property
    def _members(self) -> Mapping[str, AnyCheck]:
        return self._load()

    def find(self, name: str) -> AnyCheck | None:
        with self._lock:
            return self._members.get(name)

    def facts(self) -> dict[str, CheckFacts]:
        """Return what policies may name, by name."""
        with self._lock:
            return {
                name: CheckFacts(name, _kind(check), check.categories, check.directions)
                for name, check in self._members.items()
            }

    def prepare(self, check: LocalCheck, name: str, digest: str, raw: bytes) -> object:
        """Return data ready for use, kept for the next time. Raises CheckFailed."""
        key = check.name, name, digest
        with self._lock:
            found = self._prepared.get(key)
            if found is not None:
                self._prepared.move_to_end(key)
                return found
        made = check.prepare(name, raw)
        with self._lock:
            self._prepared[key] = made
            while len(self._prepared) > _PREPARED_MAX:
                self._prepared.popitem(last=False)
        return made


def is_local(check: AnyCheck) -> bool:
    return _kind(check) is CheckKind.LOCAL


def _kind(check: AnyCheck) -> CheckKind:
    if hasattr(check, "examine"):
        return CheckKind.LOCAL
    return CheckKind.SAFETY_MODEL if hasattr(check, "chat") else CheckKind.REMOTE
