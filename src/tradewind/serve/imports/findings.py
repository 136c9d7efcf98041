"""Collects findings. The same reason at many places is one finding: a configuration of 500 models
with the same unknown member makes one line, not 500.
"""

from tradewind.serve.imports.plan import Finding, Level

_PLACES_NAMED = 5
_FINDINGS_MAX = 1_000


class Findings:
    def __init__(self) -> None:
        self._places: dict[tuple[Level, str, str], list[str]] = {}
        self._totals: dict[tuple[Level, str, str], int] = {}

    def left_out(self, place: str, why: str, instead: str = "") -> None:
        self._add(Level.LEFT_OUT, place, why, instead)

    def note(self, place: str, why: str, instead: str = "") -> None:
        self._add(Level.NOTE, place, why, instead)

    def all(self) -> tuple[Finding, ...]:
        """Return what was left out, then the notes, each in the order it was found."""
        found = [
            Finding(level, tuple(places), self._totals[level, why, instead], why, instead)
            for (level, why, instead), places in self._places.items()
        ]
        return tuple(sorted(found, key=lambda finding: finding.level is Level.NOTE))

    def _add(self, level: Level, place: str, why: str, instead: str) -> None:
        key = (level, why, instead)
        if key not in self._places and len(self._places) >= _FINDINGS_MAX:
            key = (Level.LEFT_OUT, "there is more that is not told here", "import smaller files")
        places = self._places.setdefault(key, [])
        self._totals[key] = self._totals.get(key, 0) + 1
        if len(places) < _PLACES_NAMED and place not in places:
            places.append(place)
