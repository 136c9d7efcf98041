"""Safety policies as the gateway runs on them.

A *policy* says what is looked at (*checks*) and what follows from what they find (*rules*). Every
finding has a severity from 0 to 7, whatever it was found by: 0 and 1 are safe, 2 and 3 low, 4 and 5
medium, 6 and 7 high. A check that only detects (a jailbreak, a card number) says 2 where it is
suspected, 4 where it is likely, 6 where it is sure, and each check's docs say what that means in
false alarms.

Policies that are bound to a call add up: each rule and each check of each of them holds, so binding
one more never weakens what holds already.
"""

from enum import StrEnum

import msgspec


class Direction(StrEnum):
    """Where a text comes from."""

    PROMPT = "prompt"
    """What the caller wrote: messages of users and of the system, inputs of embeddings."""
    DOCUMENT = "document"
    """What a prompt brings along that the caller did not write: results of tools, files, documents
    to rank. What it says is to be read and not to be followed."""
    COMPLETION = "completion"
    """What the model wrote, its calls of tools included."""


class Action(StrEnum):
    """What follows from a finding, in the order of gravity; the gravest of several is taken."""

    ANNOTATE = "annotate"
    """It is told in the answer and in the request log."""
    REVIEW = "review"
    """As ANNOTATE, and the call is put before a person; nobody waits for that."""
    REDACT = "redact"
    """The span goes out as a placeholder; the same value has the same placeholder in a call, and
    what the model says of a placeholder of the prompt is turned back."""
    BLOCK = "block"
    """The prompt is refused, or the answer ends."""


class Streaming(StrEnum):
    BUFFERED = "buffered"
    """Text goes out once it was looked at."""
    ASYNCHRONOUS = "asynchronous"
    """Text goes out at once and is looked at behind that; what is found ends the stream and takes
    back what has gone out since."""


class Rule(msgspec.Struct, frozen=True, array_like=True):
    """What follows from findings of one category in one direction."""

    category: str
    """`hate`, `self_harm`, `sexual`, `violence`, `jailbreak`, `indirect_attack`, `pii`, `secret`,
    `profanity`, `protected_material_text`, `protected_material_code`, `ungrounded_material`,
    `blocklist`, `custom:<name>`; a part of `pii` is named as in `pii.email`, and its rule comes
    before that of the whole."""
    direction: Direction
    threshold: int
    """Severity from 1 to 7 from which on `action` follows. Below it a finding is annotated."""
    action: Action


class DataReference(msgspec.Struct, frozen=True, array_like=True):
    """Bytes that a check was given: a blocklist, weights of a custom category, an index of texts.
    Gateways fetch them by their digest through the backstage, and keep them.
    """

    name: str
    """What people call it; findings name it."""
    digest: str
    """SHA-256, hexadecimal."""
    size: int


class CheckUse(msgspec.Struct, frozen=True, array_like=True):
    """One check of a policy."""

    name: str
    """Name of the member of the check family."""
    directions: frozenset[Direction]
    deadline_ms: int = 500
    fails_open: bool = False
    """What a check that is late, down or broken means: True lets the call pass, counted and shown,
    False refuses it."""
    options: dict[str, str] = {}
    """What the member needs to know beyond that: the `endpoint` of a safety model, the `connection`
    of a remote service, a `language`."""
    data: tuple[DataReference, ...] = ()


class Policy(msgspec.Struct, frozen=True, array_like=True):
    id: str
    """`policy_…`; stays the same over the versions."""
    version: int
    """Only grows; every change is another version."""
    name: str
    rules: tuple[Rule, ...]
    checks: tuple[CheckUse, ...]
    streaming: Streaming = Streaming.BUFFERED
