"""Findings in Azure's words."""

import msgspec
import pytest

from tradewind.gateway.guard.annotations import MOST_EVIDENCE, evidence, filter_results, merged
from tradewind.gateway.guard.found import FoundInAnswer
from tradewind.gateway.guard.judging import NOTHING_FOUND, Judged, Judgement
from tradewind.plugins.checks.base import Finding
from tradewind.snapshot.safety import Action, Direction
from tradewind.usage.event import Flag
from tradewind.wire.safety_ratings import block_reason, safety_ratings


def flag(category, severity, action="annotate"):
    return Flag(category, "completion", severity, 0.5, action, "check", "1")


def judged(category, **members):
    finding = Finding(category, 6, 1.0, **members)
    return Judged(0, finding, Action.BLOCK, "check", "1", 4, Direction.COMPLETION)


@pytest.mark.parametrize(
    ("severity", "word"),
    list(enumerate(["safe", "safe", "low", "low", "medium", "medium", "high", "high"])),
)
def test_severities_have_four_words(severity, word):
    assert filter_results([flag("hate", severity)]) == {
        "hate": {"filtered": False, "severity": word}
    }


def test_what_only_detects_says_whether_it_did():
    flags = [
        flag("jailbreak", 6, "block"),
        flag("indirect_attack", 0),
        flag("pii.email", 6, "redact"),
        flag("pii.card", 0),
        flag("custom:rivals", 4, "block"),
        flag("blocklist", 6, "block"),
    ]
    findings = [judged("blocklist", start=1, end=3, source="names/7")]
    assert filter_results(flags, findings, [("harms", "timeout")]) == {
        "jailbreak": {"detected": True, "filtered": True},
        "indirect_attack": {"detected": False, "filtered": False},
        "pii": {"detected": True, "filtered": False, "redacted": True},
        "custom_topics": {"filtered": True, "details": [{"id": "rivals", "detected": True}]},
        "custom_blocklists": {"filtered": True, "details": [{"id": "names", "filtered": True}]},
        "error": {
            "code": "content_filter_error",
            "message": "A check could not tell; the policy lets calls pass without it.",
        },
    }


def test_citations_and_spans_are_told_where_azure_tells_them():
    flags = [flag("protected_material_code", 6), flag("ungrounded_material", 4)]
    findings = [
        judged("protected_material_code", start=0, end=9, source="MIT https://example.org/r"),
        judged("ungrounded_material", start=3, end=8),
    ]
    assert filter_results(flags, findings) == {
        "protected_material_code": {
            "detected": True,
            "filtered": False,
            "citation": {"URL": "https://example.org/r", "license": "MIT"},
        },
        "ungrounded_material": {
            "detected": True,
            "filtered": False,
            "details": [{"completion_start_offset": 3, "completion_end_offset": 8}],
        },
    }


def test_of_two_annotations_the_graver_stays():
    theirs = {"hate": {"filtered": True, "severity": "low"}, "sexual": {"severity": "safe"}}
    ours = {"hate": {"filtered": False, "severity": "high"}, "violence": {"severity": "low"}}
    assert merged(theirs, ours) == {**theirs, "violence": {"severity": "low"}}
    assert merged("nonsense", ours) == ours


def test_evidence_is_bounded():
    told = evidence([("policy_1", 2)], [{"at": at} for at in range(200)], [])
    assert len(told["findings"]) == MOST_EVIDENCE


def test_two_harms_of_one_gemini_category_are_its_graver_one():
    results = filter_results([flag("violence", 2), flag("self_harm", 6, "block"), flag("hate", 0)])
    assert safety_ratings(results) == [
        {"category": "HARM_CATEGORY_HATE_SPEECH", "probability": "NEGLIGIBLE"},
        {
            "category": "HARM_CATEGORY_DANGEROUS_CONTENT",
            "probability": "HIGH",
            "blocked": True,
        },
    ]
    assert block_reason(results) == "SAFETY"
    assert block_reason(filter_results([flag("blocklist", 6, "block")])) == "BLOCKLIST"


def test_what_blocked_is_told_however_much_was_found_before_it():
    found = FoundInAnswer([("policy_1", 2)], NOTHING_FOUND)
    for at in range(500):
        one = msgspec.structs.replace(judged("pii", start=at, end=at + 1), action=Action.ANNOTATE)
        found.note((0, 0, "text0"), 100, Judgement(findings=(one,)))
    last = judged("violence", start=2, end=5)
    found.note((0, 0, "text0"), 1_000, Judgement(findings=(last,)))
    told = found.told(0).evidence["findings"]
    assert len(told) == MOST_EVIDENCE
    assert (told[0]["category"], told[0]["span"], told[0]["in"]) == (
        "violence",
        [1_002, 1_005],
        "text",
    )
    assert found.told(1).evidence["findings"] == []


def test_what_two_windows_found_alike_is_told_once_and_at_its_gravest():
    found = FoundInAnswer([], NOTHING_FOUND)
    for severity in (2, 6, 4):
        whole = judged("hate")
        finding = msgspec.structs.replace(whole.finding, severity=severity)
        whole = msgspec.structs.replace(whole, finding=finding)
        again = judged("pii", start=150 - severity, end=160)
        found.note((0, 0, "text"), severity, Judgement(findings=(whole, again)))
    told = found.told(0).evidence["findings"]
    assert [(one["category"], one["severity"]) for one in told] == [("hate", 6), ("pii", 6)]
