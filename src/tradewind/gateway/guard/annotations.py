"""What policies found, in the words of each dialect. Pure.

Azure's annotations: `prompt_filter_results` and `content_filter_results` ("Content filtering
annotations", learn.microsoft.com): the four harms have a severity in words, what only detects says
whether it detected. Other dialects' are made of them (`wire.safety_ratings`). What we know beyond
that is told under `tradewind_safety`: check, version, score, span, threshold. None of it ever holds
a text.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from tradewind.gateway.guard.judging import Judged, Judgement
from tradewind.snapshot.safety import Action, Direction
from tradewind.usage.event import Flag

HARMS = frozenset({"hate", "self_harm", "sexual", "violence"})
DETECTED = 2
"""Severity from which on what only detects has detected."""
MOST_EVIDENCE = 64

_WORDS = ("safe", "low", "medium", "high")
_FAILED = {
    "code": "content_filter_error",
    "message": "A check could not tell; the policy lets calls pass without it.",
}

Results = dict[str, Any]


def word_of(severity: int) -> str:
    """Return Azure's word for a severity from 0 to 7."""
    return _WORDS[min(max(severity, 0), 7) // 2]


def filter_results(
    flags: Iterable[Flag],
    findings: Iterable[Judged] = (),
    failures: Sequence[tuple[str, str]] = (),
) -> Results:
    """Return `content_filter_results` of what was found. A category that nothing looked for is not
    there: that it is safe would be a claim.
    """
    results: Results = {}
    for flag in flags:
        category = flag.category
        is_filtered = flag.action == Action.BLOCK
        is_redacted = flag.action == Action.REDACT
        if category in HARMS:
            results[category] = {"filtered": is_filtered, "severity": word_of(flag.severity)}
        elif category.partition(":")[0] == "custom":
            topic = {"id": category.partition(":")[2], "detected": flag.severity >= DETECTED}
            topics = results.setdefault("custom_topics", {"filtered": False, "details": []})
            topics["filtered"] |= is_filtered
            topics["details"].append(topic)
        elif category == "blocklist":
            results["custom_blocklists"] = {
                "filtered": is_filtered,
                "details": _lists(findings, is_filtered=is_filtered),
            }
        else:
            name = category.partition(".")[0]
            known = results.setdefault(name, {"detected": False, "filtered": False})
            known["detected"] |= flag.severity >= DETECTED
            known["filtered"] |= is_filtered
            if is_redacted:
                known["redacted"] = True
    _add_citations(results, findings)
    if failures:
        results["error"] = dict(_FAILED)
    return results


def _lists(findings: Iterable[Judged], *, is_filtered: bool) -> list[Results]:
    names = {
        one.finding.source.partition("/")[0]: None
        for one in findings
        if one.finding.category == "blocklist" and one.finding.source
    }
    return [{"id": name, "filtered": is_filtered} for name in names]


def _add_citations(results: Results, findings: Iterable[Judged]) -> None:
    for one in findings:
        finding = one.finding
        if finding.category == "protected_material_code" and finding.source:
            licence, _, address = finding.source.partition(" ")
            citation = {"URL": address, "license": licence}
            results.setdefault(finding.category, {})["citation"] = citation
        elif finding.category == "ungrounded_material" and finding.end:
            detail = {
                "completion_start_offset": finding.start,
                "completion_end_offset": finding.end,
            }
            known = results.setdefault(finding.category, {})
            details = known.setdefault("details", [])
            if len(details) < MOST_EVIDENCE:
                details.append(detail)


def prompt_results(judgement: Judgement) -> list[Results]:
    """Return `prompt_filter_results`: all contents of a prompt are one prompt."""
    results = filter_results(judgement.flags, judgement.findings, judgement.failures)
    return [{"prompt_index": 0, "content_filter_results": results}]


def merged(theirs: object, ours: Results) -> Results:
    """Return annotations that a host sent with ours: of one category the graver stays."""
    if not isinstance(theirs, dict):
        return ours
    known = cast("Results", theirs)
    return known | {
        category: found
        for category, found in ours.items()
        if _gravity(found) >= _gravity(known.get(category))
    }


def _gravity(found: object) -> tuple[bool, int, bool]:
    if not isinstance(found, dict):
        return False, -1, False
    result = cast("Results", found)
    word = result.get("severity")
    severity = _WORDS.index(word) if word in _WORDS else 0
    return result.get("filtered") is True, severity, result.get("detected") is True


def evidence(
    policies: Iterable[tuple[str, int]],
    findings: Iterable[Mapping[str, Any]],
    failures: Iterable[tuple[str, str]],
) -> Results:
    """Return `tradewind_safety`. `findings` are of `evidence_of`."""
    told: Results = {
        "policies": [{"id": id_, "version": version} for id_, version in policies],
        "findings": list(findings)[:MOST_EVIDENCE],
    }
    failed = [{"check": name, "reason": why} for name, why in dict.fromkeys(failures)]
    return told | {"failures": failed} if failed else told


def evidence_of(one: Judged, offset: int = 0, place: str = "") -> Results:
    """Return what is told of one finding; `offset` is where its content starts in the text that
    the client knows, and `place` what kind of text it is.
    """
    finding = one.finding
    told: Results = {
        "direction": one.direction.value,
        "category": finding.category,
        "severity": finding.severity,
        "score": round(finding.score, 4),
        "threshold": one.threshold,
        "action": one.action.value,
        "check": one.check,
        "version": one.version,
    }
    if finding.end:
        told["span"] = [finding.start + offset, finding.end + offset]
    if finding.source:
        told["source"] = finding.source
    if place:
        told["in"] = place
    if one.direction is not Direction.COMPLETION:
        told["content"] = one.content
    return told


def is_worth_telling(one: Judged) -> bool:
    return one.finding.severity > 0 or one.action is not Action.ANNOTATE
