"""What a check does for the gateway."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import msgspec

from tradewind.snapshot.safety import Direction


class CheckFailed(Exception):
    """A check could not tell. Never holds the text."""


class Sources(tuple[str, ...]):  # noqa: SLOT001 - `made` is kept in its dictionary
    """Texts that an answer may rest on. Answers come in many pieces, so what a check makes of the
    texts stays with them, and goes when they go.
    """

    made: object = None


class Content(NamedTuple):
    """One text to look at."""

    text: str
    direction: Direction
    look_back: int = 0
    """Characters at the start that were looked at before: context, in which a finding may begin,
    but one that ends within them is known already."""
    sources: tuple[str, ...] = ()
    """Of a COMPLETION: the texts that it may rest on, for checks that compare it with them. Best
    as `Sources`.
    """
    is_from_operator: bool = False
    """Whether whoever runs the application wrote it, and not who uses it: system and developer
    messages. They give orders by their nature, so a check for orders leaves them out.
    """


class Finding(msgspec.Struct, frozen=True):
    category: str
    """As in `snapshot.safety.Rule`."""
    severity: int
    """From 0 to 7."""
    score: float
    """From 0 to 1; 1.0 for what is known by its form."""
    start: int = 0
    """Span in the content's text, in characters; `end` 0 is the whole."""
    end: int = 0
    source: str = ""
    """What it was found by: the name of a blocklist and the id of its term, the licence and address
    of a protected text. Never a piece of the content."""
    label: str = ""
    """What a placeholder calls it: `EMAIL`; empty where it is nothing to redact."""


class Verdict(msgspec.Struct, frozen=True):
    """What one check found in one content, every category it looks for included at severity 0
    where the check has a score for it.
    """

    check: str
    version: str
    findings: tuple[Finding, ...] = ()


class Check(Protocol):
    """What all members have in common. Stateless; one instance serves all requests."""

    name: ClassVar[str]
    version: ClassVar[str]
    """Changes with everything that changes verdicts: rules, weights, prompts."""
    categories: ClassVar[frozenset[str]]
    """`custom` and `blocklist` where the names come with the data."""
    directions: ClassVar[frozenset[Direction]]
    most_characters: ClassVar[int]
    """Of one content; longer ones come in pieces that overlap."""


class LocalCheck(Check, Protocol):
    hold_back: ClassVar[int]
    """Characters at the end of a stream so far that may be the start of a finding: they wait until
    more came. 0 for checks that score a text as a whole."""

    def prepare(self, name: str, raw: bytes) -> object:
        """Return data of a policy ready for use; done once for each digest. `name` is the
        reference's. Raises CheckFailed when the bytes are not what this check writes.
        """
        ...

    def examine(
        self, contents: Sequence[Content], options: Mapping[str, str], data: Sequence[object]
    ) -> list[Verdict]:
        """Return a verdict for each content. `data` came from `prepare`. Raises CheckFailed."""
        ...


class RemoteRequest(NamedTuple):
    """One POST to the service, behind the base address of its connection."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class RemoteCheck(Check, Protocol):
    """A service on the network, reached over a connection of the organization."""

    def requests(
        self, contents: Sequence[Content], options: Mapping[str, str], credential: str
    ) -> list[RemoteRequest]:
        """Return requests that together ask for all contents."""
        ...

    def verdicts(
        self, contents: Sequence[Content], answers: Sequence[tuple[int, bytes]]
    ) -> list[Verdict]:
        """Read the answers (status, body), one for each request. Raises CheckFailed."""
        ...


class SafetyModel(Check, Protocol):
    """A family of models that classify: deployments that the option `endpoint` names."""

    def chat(self, content: Content, options: Mapping[str, str]) -> dict[str, Any]:
        """Return the members of a chat completion that asks for a verdict, without `model`. Raises
        CheckFailed where an option is missing.
        """
        ...

    def verdict(
        self, content: Content, answer: Mapping[str, Any], options: Mapping[str, str]
    ) -> Verdict:
        """Read a chat completion; `options` are those it was asked with. Raises CheckFailed."""
        ...


AnyCheck = LocalCheck | RemoteCheck | SafetyModel
