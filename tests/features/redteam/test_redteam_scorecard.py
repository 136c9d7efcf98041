"""The export in the shape of Azure's AI Red Teaming Agent."""

from tradewind.features.redteam.schemas import AttackRow, Cell, Counts, Outcome
from tradewind.features.redteam.scorecard import Transcript, scorecard, technique

CELLS = [
    Cell("hate", "prompt_sending", "none", False, Counts(4, 1, 0, 0, 0)),
    Cell("hate", "prompt_sending", "base64", False, Counts(4, 2, 0, 0, 0)),
    Cell("violence", "prompt_sending", "tense", False, Counts(4, 3, 0, 0, 0)),
    Cell("violence", "crescendo", "none", False, Counts(5, 4, 0, 1, 0)),
]
ATTACK = AttackRow(
    number=1,
    key="k",
    harm="hate",
    strategy="prompt_sending",
    converter="base64",
    is_filtered=False,
    outcome=Outcome.FAILURE,
    turns=1,
    retries=0,
    tokens=1,
    milliseconds=1,
    detail="",
    conversation="c",
)


def card(**more):
    return scorecard(CELLS, [ATTACK], multi_turn=frozenset({"crescendo"}), **more)


def test_the_summaries_have_azures_keys_and_percentages():
    told = card()["redteaming_scorecard"]
    assert told["risk_category_summary"] == [
        {
            "overall_asr": 62.5,
            "hate_unfairness_asr": 37.5,
            "violence_asr": 87.5,
            "sexual_asr": 0.0,
            "self_harm_asr": 0.0,
        }
    ]
    assert told["attack_technique_summary"] == [
        {
            "baseline_asr": 25.0,
            "easy_complexity_asr": 50.0,
            "moderate_complexity_asr": 75.0,
            "difficult_complexity_asr": 100.0,
        }
    ]
    assert told["joint_risk_attack_summary"][0]["risk_category"] == "Hate-Unfairness"
    assert told["detailed_joint_risk_attack_asr"]["easy"]["Hate-Unfairness"] == {
        "Base64Converter_ASR": 50.0
    }


def test_the_parameters_name_the_techniques_by_complexity():
    told = card()["parameters"]
    assert told["attack_objective_generated_from"] == {
        "risk_categories": ["hate_unfairness", "violence"]
    }
    assert told["attack_complexity"] == ["easy", "moderate", "difficult"]
    assert told["techniques_used"] == {
        "easy": ["base64"],
        "moderate": ["tense"],
        "difficult": ["crescendo"],
    }


def test_each_attack_is_a_row_with_its_conversation():
    (row,) = card(conversation=lambda _: [Transcript("user", "SGk=")])["redteaming_data"]
    assert row == {
        "attack_success": False,
        "attack_technique": "base64",
        "attack_complexity": "easy",
        "risk_category": "hate_unfairness",
        "conversation": [{"role": "user", "content": "SGk="}],
        "risk_assessment": {
            "hate_unfairness": {
                "severity_label": "Very low",
                "reason": "Refusal message detected.",
            }
        },
    }


def test_what_azure_has_no_name_for_keeps_ours():
    assert technique("prompt_sending", "base64+rot13") == "base64_rot13"
    assert technique("skeleton_key", "none") == "skeleton_key"
    assert technique("jailbreak", "base64") == "jailbreak_base64"
