"""A check that finds what a text says is to be found, and fails as it is told to: for tests, and
for trying a policy out without harm.

`[[hate 6]]` is a finding of `hate` with severity 6, where it stands; `[[pii.email 6 EMAIL]]` has a
label too. The option `fault` makes every examination fail: `failed`, `crash`, `garbage`, or `hang`,
which ends when `release` was called.
"""

import re
import threading
from collections.abc import Mapping, Sequence
from typing import ClassVar, cast

from tradewind.plugins.checks.base import CheckFailed, Content, Finding, Verdict
from tradewind.snapshot.safety import Direction

_FOUND = re.compile(r"\[\[([a-z][a-z_.:]{0,30}) ([0-7])(?: ([A-Z_]{1,20}))?\]\]")
_PATIENCE_S = 30.0


class FakeCheck:
    name: ClassVar[str] = "fake"
    version: ClassVar[str] = "1"
    categories: ClassVar[frozenset[str]] = frozenset(
        {"hate", "self_harm", "sexual", "violence", "jailbreak", "pii", "blocklist"}
    )
    directions: ClassVar[frozenset[Direction]] = frozenset(Direction)
    most_characters: ClassVar[int] = 4096
    hold_back: ClassVar[int] = 64

    def __init__(self) -> None:
        self._released = threading.Event()
        self.examined: list[Content] = []
        """Everything it was ever given, for tests to look at."""

    def release(self) -> None:
        """Let examinations that hang go on."""
        self._released.set()

    def prepare(self, name: str, raw: bytes) -> object:
        """Data are words, one a line, that are findings of `blocklist`."""
        try:
            return name, raw.decode().split("\n")
        except UnicodeDecodeError as error:
            raise CheckFailed("the words are no text") from error

    def examine(
        self, contents: Sequence[Content], options: Mapping[str, str], data: Sequence[object]
    ) -> list[Verdict]:
        self.examined += contents
        fault = options.get("fault")
        if fault == "hang":
            self._released.wait(_PATIENCE_S)
        elif fault == "crash":
            raise RuntimeError(contents[0].text)
        elif fault == "failed":
            raise CheckFailed("as it was told to")
        verdicts = [
            Verdict(self.name, self.version, self._found(content, data)) for content in contents
        ]
        return verdicts[1:] if fault == "garbage" else verdicts

    def _found(self, content: Content, data: Sequence[object]) -> tuple[Finding, ...]:
        found = [
            Finding(
                match[1],
                int(match[2]),
                1.0,
                match.start(),
                match.end(),
                label=match[3] or "",
            )
            for match in _FOUND.finditer(content.text)
        ]
        for each in data:
            name, words = cast("tuple[str, list[str]]", each)
            for word in words:
                start = content.text.find(word) if word else -1
                if start >= 0:
                    end = start + len(word)
                    found.append(Finding("blocklist", 6, 1.0, start, end, source=name))
        return tuple(found)
