import json

import pytest

from tradewind.plugins.checks.azure_content_safety import AzureContentSafety
from tradewind.plugins.checks.base import CheckFailed, Content
from tradewind.plugins.checks.openai_moderation import OpenaiModeration
from tradewind.plugins.checks.presidio import Presidio
from tradewind.snapshot.safety import Direction

AZURE, OPENAI, PRESIDIO = AzureContentSafety(), OpenaiModeration(), Presidio()
PROMPT = Content("hi there", Direction.PROMPT)
SCORES = {
    "hate": 0.01,
    "hate/threatening": 0.0,
    "harassment": 0.5,
    "harassment/threatening": 0.0,
    "self-harm": 0.0,
    "self-harm/intent": 0.3,
    "self-harm/instructions": 0.0,
    "sexual": 0.0,
    "sexual/minors": 0.0,
    "violence": 0.9,
    "violence/graphic": 0.0,
    "illicit": 0.0,
    "illicit/violent": 0.0,
}


def body(value):
    return json.dumps(value).encode()


def analysis(**severities):
    names = {"Hate": 0, "SelfHarm": 0, "Sexual": 0, "Violence": 0, **severities}
    return {
        "blocklistsMatch": [],
        "categoriesAnalysis": [{"category": k, "severity": v} for k, v in names.items()],
    }


def shield(prompt=None, documents=()):
    told = {"documentsAnalysis": [{"attackDetected": each} for each in documents]}
    return told if prompt is None else {**told, "userPromptAnalysis": {"attackDetected": prompt}}


def severities(verdict):
    return {each.category: each.severity for each in verdict.findings}


# --- Azure AI Content Safety -----------------------------------------------------------------


def test_azure_is_asked_for_eight_severities_and_for_attacks_of_prompts():
    analyze, attack = AZURE.requests([PROMPT], {}, "key-1")
    assert analyze.path == "/contentsafety/text:analyze?api-version=2024-09-01"
    assert analyze.headers["ocp-apim-subscription-key"] == "key-1"
    asked = json.loads(analyze.body)
    assert (asked["text"], asked["outputType"]) == ("hi there", "EightSeverityLevels")
    assert asked["categories"] == ["Hate", "SelfHarm", "Sexual", "Violence"]
    assert attack.path == "/contentsafety/text:shieldPrompt?api-version=2024-09-01"
    assert json.loads(attack.body) == {"userPrompt": "hi there", "documents": []}


def test_azures_severities_are_ours():
    answers = [(200, body(analysis(Hate=5, SelfHarm=1))), (200, body(shield(prompt=True)))]
    [verdict] = AZURE.verdicts([PROMPT], answers)
    assert severities(verdict) == {
        "hate": 5,
        "self_harm": 1,
        "sexual": 0,
        "violence": 0,
        "jailbreak": 6,
    }


def test_documents_are_asked_for_in_fives_and_by_their_length():
    short = [Content(f"d{at}", Direction.DOCUMENT) for at in range(7)]
    asked = [json.loads(each.body) for each in AZURE.requests(short, {}, "k")]
    assert [len(each["documents"]) for each in asked if "documents" in each] == [5, 2]
    long = [Content("x" * 6_000, Direction.DOCUMENT) for _ in range(2)]
    asked = [json.loads(each.body) for each in AZURE.requests(long, {}, "k")]
    assert [len(each["documents"]) for each in asked if "documents" in each] == [1, 1]


def test_each_document_gets_its_own_verdict():
    contents = [Content(f"d{at}", Direction.DOCUMENT) for at in range(2)]
    contents.append(Content("said", Direction.COMPLETION))
    answers = [(200, body(analysis())) for _ in contents]
    answers.append((200, body(shield(documents=(False, True)))))
    attacks = [
        severities(each).get("indirect_attack") for each in AZURE.verdicts(contents, answers)
    ]
    assert attacks == [0, 6, None]


def test_lists_of_the_service_are_named():
    answer = Content("x", Direction.COMPLETION)
    [asked] = AZURE.requests([answer], {"blocklists": "a, b"}, "k")
    assert json.loads(asked.body)["blocklistNames"] == ["a", "b"]
    match = {"blocklistName": "a", "blocklistItemId": "i1", "blocklistItemText": "secret word"}
    [verdict] = AZURE.verdicts([answer], [(200, body({**analysis(), "blocklistsMatch": [match]}))])
    [hit] = [each for each in verdict.findings if each.category == "blocklist"]
    assert (hit.source, hit.severity) == ("a/i1", 6)


# --- OpenAI moderation -----------------------------------------------------------------------


def test_openai_is_asked_for_many_texts_at_once():
    contents = [Content(f"t{at}", Direction.PROMPT) for at in range(40)]
    asked = OPENAI.requests(contents, {}, "sk")
    assert [len(json.loads(each.body)["input"]) for each in asked] == [32, 8]
    assert asked[0].path == "/v1/moderations"
    assert asked[0].headers["authorization"] == "Bearer sk"
    assert json.loads(asked[0].body)["model"] == "omni-moderation-latest"


def moderated(scores=None, flags=None):
    result = {"flagged": False, "categories": flags or {}, "category_scores": scores or SCORES}
    return {"id": "modr-1", "model": "omni-moderation-latest", "results": [result]}


def test_their_categories_become_ours_and_the_gravest_counts():
    [verdict] = OPENAI.verdicts([PROMPT], [(200, body(moderated()))])
    assert severities(verdict) == {
        "hate": 4,
        "self_harm": 2,
        "sexual": 0,
        "violence": 6,
        "custom:illicit": 0,
    }


def test_what_the_service_flags_is_at_least_likely():
    [verdict] = OPENAI.verdicts([PROMPT], [(200, body(moderated(flags={"sexual/minors": True})))])
    assert severities(verdict)["sexual"] == 4


def test_older_models_know_nothing_of_the_illicit():
    scores = {name: score for name, score in SCORES.items() if "illicit" not in name}
    [verdict] = OPENAI.verdicts([PROMPT], [(200, body(moderated(scores)))])
    assert "custom:illicit" not in severities(verdict)


# --- Presidio --------------------------------------------------------------------------------


def test_presidio_is_asked_for_each_text_in_its_language():
    [asked] = PRESIDIO.requests([PROMPT], {"language": "de"}, "")
    assert asked.path == "/analyze"
    assert json.loads(asked.body) == {"text": "hi there", "language": "de", "score_threshold": 0.3}
    assert "authorization" not in asked.headers


def test_its_entities_are_parts_of_personal_data():
    content = Content("Anna Berg lives in Oslo, 536-22-1234", Direction.PROMPT)
    told = [
        {"entity_type": "LOCATION", "start": 19, "end": 23, "score": 0.85},
        {
            "entity_type": "PERSON",
            "start": 0,
            "end": 9,
            "score": 0.85,
            "analysis_explanation": None,
        },
        {"entity_type": "US_SSN", "start": 25, "end": 36, "score": 0.9},
        {"entity_type": "URL", "start": 0, "end": 4, "score": 0.9},
        {"entity_type": "AU_ABN", "start": 25, "end": 36, "score": 0.4},
    ]
    [verdict] = PRESIDIO.verdicts([content], [(200, body(told))])
    assert [(each.category, each.severity, each.label) for each in verdict.findings] == [
        ("pii.person", 6, "PERSON"),
        ("pii.location", 6, "LOCATION"),
        ("pii.ssn", 4, "SSN"),
        ("pii.other", 2, "PERSONAL"),
    ]


# --- what all of them refuse -----------------------------------------------------------------

AZURE_ERROR = {"error": {"code": "InvalidRequestBody", "message": "The text 'hi there' is ..."}}
OPENAI_ERROR = {"error": {"message": "Incorrect: hi there", "type": "invalid_request_error"}}
ANSWER = Content("hi there", Direction.COMPLETION)


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        (AZURE, (401, body({"error": {"code": "401", "message": "Access denied"}}))),
        (AZURE, (400, body(AZURE_ERROR))),
        (AZURE, (429, body({"error": {"code": "429", "message": "hi there"}}))),
        (AZURE, (200, b"<html>hi there</html>")),
        (AZURE, (200, b"")),
        (AZURE, (200, b"[]")),
        (AZURE, (200, body({"categoriesAnalysis": []}))),
        (AZURE, (200, body(analysis(Hate=9)))),
        (AZURE, (200, body(analysis(Hate="high")))),
        (OPENAI, (400, body(OPENAI_ERROR))),
        (OPENAI, (500, b"upstream hi there")),
        (OPENAI, (200, body({"results": []}))),
        (OPENAI, (200, body({"results": [{}]}))),
        (OPENAI, (200, body(moderated({**SCORES, "hate": None})))),
        (OPENAI, (200, body(moderated({**SCORES, "hate": 7})))),
        (OPENAI, (200, body(moderated({**SCORES, "hate": True})))),
        (PRESIDIO, (500, body({"error": "hi there"}))),
        (PRESIDIO, (200, body({"a": 1}))),
        (PRESIDIO, (200, body([{"entity_type": "PERSON", "start": 0, "end": 99, "score": 1}]))),
        (PRESIDIO, (200, body([{"entity_type": "PERSON", "start": 3, "end": 1, "score": 1}]))),
        (PRESIDIO, (200, body([{"start": 0, "end": 1, "score": 1}]))),
        (PRESIDIO, (200, body([{"entity_type": "X", "start": 0, "end": 1, "score": "NaN"}]))),
    ],
)
def test_an_answer_that_says_nothing_is_a_failure_that_does_not_quote(check, answer):
    with pytest.raises(CheckFailed) as told:
        check.verdicts([ANSWER], [answer])
    assert "hi there" not in str(told.value)
    assert "hi there" not in repr(told.value.__cause__)


def test_a_failure_names_the_status_and_the_code():
    with pytest.raises(CheckFailed, match=r"answered 400 \(InvalidRequestBody\)"):
        AZURE.verdicts([ANSWER], [(400, body(AZURE_ERROR))])


@pytest.mark.parametrize("check", [AZURE, OPENAI, PRESIDIO])
def test_a_missing_answer_is_a_failure(check):
    with pytest.raises(CheckFailed):
        check.verdicts([ANSWER], [])


def test_a_document_that_was_left_out_is_a_failure():
    document = Content("d", Direction.DOCUMENT)
    answers = [(200, body(analysis())), (200, body(shield(documents=())))]
    with pytest.raises(CheckFailed, match="left documents out"):
        AZURE.verdicts([document], answers)
