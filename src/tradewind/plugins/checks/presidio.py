"""Presidio's analyzer as a remote check: names, places and what else needs a language model.

Format after Microsoft's analyzer service: `POST /analyze` with one text, its language and the least
score; a list of `{entity_type, start, end, score}` comes back. It may be Presidio's own container
or the small process that `presidio_process` is, in an environment of its own.

Severity by its score: 2 from 0.3, 4 from 0.5, 6 from 0.85. Its patterns say at most 4: without
check digits they alarm at order numbers, and where there are check digits `pii` looks already.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from tradewind.plugins.checks.base import CheckFailed, Content, Finding, RemoteRequest, Verdict
from tradewind.plugins.checks.remote_answers import member, number, read_answer
from tradewind.snapshot.safety import Direction

_SERVICE = "Presidio"
_LEAST_SCORE = 0.3
_MOST_ENTITIES = 2_000
_PARTS = {
    "PERSON": ("person", "PERSON"),
    "LOCATION": ("location", "LOCATION"),
    "NRP": ("group", "GROUP"),
    "DATE_TIME": ("date", "DATE"),
    "EMAIL_ADDRESS": ("email", "EMAIL"),
    "PHONE_NUMBER": ("phone", "PHONE"),
    "CREDIT_CARD": ("card", "CARD"),
    "IBAN_CODE": ("iban", "IBAN"),
    "US_SSN": ("ssn", "SSN"),
    "US_PASSPORT": ("passport", "PASSPORT"),
    "UK_PASSPORT": ("passport", "PASSPORT"),
    "IT_PASSPORT": ("passport", "PASSPORT"),
    "UK_NHS": ("health_id", "HEALTH_ID"),
    "MEDICAL_LICENSE": ("health_id", "HEALTH_ID"),
    "IP_ADDRESS": ("ip_address", "IP_ADDRESS"),
    "CRYPTO": ("crypto_wallet", "WALLET"),
    "US_BANK_NUMBER": ("bank_account", "ACCOUNT"),
    "US_DRIVER_LICENSE": ("national_id", "NATIONAL_ID"),
    "US_ITIN": ("national_id", "NATIONAL_ID"),
}
# Not personal by themselves: every address of a web page, every date.
_LEFT_OUT = frozenset({"URL", "DATE_TIME"})
_NAMED = frozenset({"PERSON", "LOCATION", "NRP"})


class Presidio:
    name: ClassVar[str] = "presidio"
    version: ClassVar[str] = "1"
    categories: ClassVar[frozenset[str]] = frozenset(
        {"pii", *(f"pii.{part}" for part, _ in _PARTS.values())}
    )
    directions: ClassVar[frozenset[Direction]] = frozenset(Direction)
    most_characters: ClassVar[int] = 50_000

    def requests(
        self, contents: Sequence[Content], options: Mapping[str, str], credential: str
    ) -> list[RemoteRequest]:
        headers = {"content-type": "application/json"}
        if credential:
            headers["authorization"] = f"Bearer {credential}"
        language = options.get("language", "en")
        return [
            RemoteRequest(
                "/analyze",
                headers,
                json.dumps(
                    {"text": each.text, "language": language, "score_threshold": _LEAST_SCORE}
                ).encode(),
            )
            for each in contents
        ]

    def verdicts(
        self, contents: Sequence[Content], answers: Sequence[tuple[int, bytes]]
    ) -> list[Verdict]:
        if len(contents) != len(answers):
            raise CheckFailed(f"{_SERVICE} left requests without an answer")
        return [
            Verdict(self.name, self.version, tuple(_findings(content, *answer)))
            for content, answer in zip(contents, answers, strict=True)
        ]


def _findings(content: Content, status: int, body: bytes) -> list[Finding]:
    told = read_answer(_SERVICE, status, body)
    if not isinstance(told, list):
        raise CheckFailed(f"{_SERVICE} did not answer with a list")
    entities = cast("list[Any]", told)
    if len(entities) > _MOST_ENTITIES:
        raise CheckFailed(f"{_SERVICE} answered with too much")
    length = len(content.text)
    found: list[Finding] = []
    for entity in entities:
        kind = member(entity, "entity_type")
        score = number(member(entity, "score"), 0, 1)
        start, end = member(entity, "start"), member(entity, "end")
        is_span = isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= length
        if not isinstance(kind, str) or score is None or not is_span:
            raise CheckFailed(f"{_SERVICE} answered with an entity that is none")
        if kind in _LEFT_OUT or end <= content.look_back:
            continue
        part, label = _PARTS.get(kind, ("other", "PERSONAL"))
        severity = 6 if score >= 0.85 and kind in _NAMED else 4 if score >= 0.5 else 2
        source = f"presidio:{kind.lower()[:40]}"
        found.append(Finding(f"pii.{part}", severity, score, start, end, source, label))
    return sorted(found, key=lambda each: (each.start, each.end))
