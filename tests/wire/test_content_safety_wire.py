"""The bodies of the Content Safety API, read and written."""

import json

import pytest

from tradewind.wire import content_safety as wire
from tradewind.wire.error_shapes import content_safety as shape
from tradewind.wire.errors import ApiError


def body_of(**members):
    return json.dumps(members).encode()


def refusal_of(decode, **members):
    with pytest.raises(ApiError) as refused:
        decode(body_of(**members))
    assert refused.value.status == 400
    return refused.value


def test_a_text_may_have_ten_thousand_characters_however_many_bytes_they_take():
    assert wire.decode_analyze(body_of(text="é" * 10_000)).text == "é" * 10_000
    refused = refusal_of(wire.decode_analyze, text="é" * 10_001)
    assert (refused.param, refused.code) == ("text", "invalid_value")
    assert "é" not in refused.message


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"text": 1},
        {"text": "a", "categories": ["Rudeness"]},
        {"text": "a", "outputType": "TwoSeverityLevels"},
        {"text": "a", "blocklistNames": ["no/such name"]},
        {"text": "a", "blocklistNames": ["a"] * 101},
    ],
)
def test_what_cannot_be_analyzed_is_refused(members):
    refusal_of(wire.decode_analyze, **members)


def test_members_that_nobody_knows_are_passed_over():
    asked = wire.decode_analyze(body_of(text="a", newInNextVersion=True, categories=None))
    assert asked.asked == ["Hate", "SelfHarm", "Sexual", "Violence"]


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        (None, [0, 0, 2, 2, 4, 4, 6, 6]),
        ("FourSeverityLevels", [0, 0, 2, 2, 4, 4, 6, 6]),
        ("EightSeverityLevels", [0, 1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_severities_are_told_in_the_levels_that_were_asked_for(levels, told):
    asked = wire.AnalyzeRequest("a", output_type=levels)
    assert [asked.level(severity) for severity in range(8)] == told


def test_an_analysis_has_the_categories_that_were_asked_for_in_their_order():
    asked = wire.AnalyzeRequest("a", categories=["Violence", "Hate"])
    told = wire.analysis(asked, {"violence": 5, "sexual": 7}, [])
    assert told == {
        "blocklistsMatch": [],
        "categoriesAnalysis": [
            {"category": "Hate", "severity": 0},
            {"category": "Violence", "severity": 4},
        ],
    }


@pytest.mark.parametrize(("halts", "categories"), [(True, 0), (False, 4), (None, 4)])
def test_a_hit_of_a_list_ends_the_analysis_where_that_was_asked_for(halts, categories):
    asked = wire.AnalyzeRequest("a", halt_on_blocklist_hit=halts)
    match = wire.blocklist_match("list", "item", "a")
    told = wire.analysis(asked, {}, [match])
    assert told["blocklistsMatch"] == [match]
    assert len(told["categoriesAnalysis"]) == categories
    assert len(wire.analysis(asked, {}, [])["categoriesAnalysis"]) == 4, "without a hit"


def test_a_shield_needs_something_to_look_at():
    refusal_of(wire.decode_shield)
    refusal_of(wire.decode_shield, userPrompt="", documents=[])
    refusal_of(wire.decode_shield, documents=["a"] * 6)
    refusal_of(wire.decode_shield, documents=["a" * 5_001] * 2)
    refusal_of(wire.decode_shield, userPrompt="a" * 10_001)
    assert wire.decode_shield(body_of(documents=["a" * 2_000] * 5)).user_prompt is None


def test_each_document_has_its_own_answer():
    asked = wire.decode_shield(body_of(userPrompt="a", documents=["b", "c"]))
    assert wire.shielded(asked, {2}) == {
        "userPromptAnalysis": {"attackDetected": False},
        "documentsAnalysis": [{"attackDetected": False}, {"attackDetected": True}],
    }
    alone = wire.decode_shield(body_of(userPrompt="a"))
    assert wire.shielded(alone, {0}) == {
        "userPromptAnalysis": {"attackDetected": True},
        "documentsAnalysis": [],
    }


def test_groundedness_refuses_what_it_would_need_a_model_for():
    asked = {"text": "a", "groundingSources": ["b"]}
    assert wire.decode_groundedness(body_of(**asked, reasoning=False)).text == "a"
    assert refusal_of(wire.decode_groundedness, **asked, reasoning=True).param == "reasoning"
    assert refusal_of(wire.decode_groundedness, **asked, correction=True).param == "correction"
    refusal_of(wire.decode_groundedness, text="a", groundingSources=[])
    refusal_of(wire.decode_groundedness, text="a" * 7_501, groundingSources=["b"])
    refusal_of(wire.decode_groundedness, text="a", groundingSources=["b" * 27_501] * 2)


def test_what_is_ungrounded_is_told_in_every_way_of_counting():
    text = "né😀 12/hour."
    told = wire.grounded(text, [(4, 12)])
    assert told["ungroundedDetected"] is True
    assert told["ungroundedPercentage"] == round(8 / 12, 4)
    [detail] = told["ungroundedDetails"]
    assert detail == {
        "text": "12/hour.",
        "offset": {"utf8": 8, "utf16": 5, "codePoint": 4},
        "length": {"utf8": 8, "utf16": 8, "codePoint": 8},
    }
    assert wire.grounded("", [])["ungroundedPercentage"] == 0


def test_citations_of_code_are_told_by_licence():
    told = wire.protected_code({"GPL-3.0": ["https://example.org/a"]})
    assert told["protectedMaterialAnalysis"] == {
        "detected": True,
        "codeCitations": [{"license": "GPL-3.0", "sourceUrls": ["https://example.org/a"]}],
    }
    assert wire.protected_code({})["protectedMaterialAnalysis"]["detected"] is False


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "InvalidRequestBody"),
        (401, "401"),
        (404, "ResourceNotFound"),
        (418, "InvalidRequestBody"),
        (429, "TooManyRequests"),
        (500, "InternalError"),
        (501, "NotImplemented"),
        (503, "ServerBusy"),
    ],
)
def test_errors_have_azures_codes_and_ours_inside(status, code):
    error = ApiError(status, "What is wrong.", param="text", code="ours")
    assert json.loads(shape(error, "req_1")) == {
        "error": {
            "code": code,
            "message": "What is wrong.",
            "target": "text",
            "innererror": {"code": "ours"},
        }
    }
