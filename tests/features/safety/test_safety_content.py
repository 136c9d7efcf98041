"""Which policies can be, and what they say in words."""

import pytest

from tradewind.features.safety.errors import PolicyRefused
from tradewind.features.safety.policy_files import read_policy_file, write_policy_file
from tradewind.features.safety.rules.content import check_content, parse_content, plain_content
from tradewind.features.safety.rules.words import band_of, words_of_policy
from tradewind.features.safety.schemas import CheckFacts, CheckKind, DataKind, DataRow
from tradewind.snapshot.safety import Action, Direction

EVERYWHERE = frozenset(Direction)
FACTS = {
    fact.name: fact
    for fact in (
        CheckFacts(
            "harms",
            CheckKind.LOCAL,
            frozenset({"hate", "self_harm", "sexual", "violence"}),
            EVERYWHERE,
        ),
        CheckFacts("pii", CheckKind.LOCAL, frozenset({"pii"}), EVERYWHERE),
        CheckFacts("blocklist", CheckKind.LOCAL, frozenset({"blocklist"}), EVERYWHERE),
        CheckFacts("custom_category", CheckKind.LOCAL, frozenset({"custom"}), EVERYWHERE),
        CheckFacts(
            "prompt_shield",
            CheckKind.LOCAL,
            frozenset({"jailbreak", "indirect_attack"}),
            frozenset({Direction.PROMPT, Direction.DOCUMENT}),
        ),
        CheckFacts("llama_guard", CheckKind.SAFETY_MODEL, frozenset({"hate"}), EVERYWHERE),
        CheckFacts("openai_moderation", CheckKind.REMOTE, frozenset({"hate"}), EVERYWHERE),
    )
}
DATA = {
    "blocklist_a": DataRow("blocklist_a", DataKind.BLOCKLIST, "org_a", "words", "", 0),
    "category_a": DataRow("category_a", DataKind.CATEGORY, "org_a", "tax", "0" * 64, 9),
    "category_b": DataRow("category_b", DataKind.CATEGORY, "org_a", "law", "", 0),
}
HARMS = {"name": "harms", "directions": ["prompt", "completion"]}
VIOLENCE = {
    "category": "violence",
    "direction": "completion",
    "threshold": "medium",
    "action": "block",
}


def refused(**content):
    with pytest.raises(PolicyRefused) as caught:
        check_content(parse_content(content), FACTS, DATA)
    assert caught.value.hint
    return str(caught.value)


def test_a_word_may_stand_for_a_threshold():
    content = parse_content({"rules": [VIOLENCE], "checks": [HARMS]})
    check_content(content, FACTS, DATA)
    assert content.rules[0].threshold == 4
    assert parse_content(plain_content(content)) == content


def test_what_is_no_policy_is_refused_by_the_place_of_the_fault():
    with pytest.raises(PolicyRefused, match=r"\$\.rules\[0\]"):
        parse_content({"rules": [{**VIOLENCE, "treshold": 4}]})
    with pytest.raises(PolicyRefused, match="action"):
        parse_content({"rules": [{**VIOLENCE, "action": "explode"}]})
    with pytest.raises(PolicyRefused):
        parse_content(["rules"])


@pytest.mark.parametrize("threshold", [0, 8, -1])
def test_a_threshold_is_a_severity(threshold):
    told = refused(rules=[{**VIOLENCE, "threshold": threshold}], checks=[HARMS])
    assert "rules[0].threshold" in told


def test_an_unknown_category_and_an_unknown_check_are_named():
    assert "'gossip'" in refused(rules=[{**VIOLENCE, "category": "gossip"}], checks=[HARMS])
    assert "'harm'" in refused(checks=[{**HARMS, "name": "harm"}])


def test_a_rule_that_nothing_keeps_is_refused():
    assert "add a check to it: harms" in refused(rules=[VIOLENCE])
    assert "add completion" in refused(
        rules=[VIOLENCE], checks=[{**HARMS, "directions": ["prompt"]}]
    )
    custom = {**VIOLENCE, "category": "custom:law"}
    check = {"name": "custom_category", "directions": ["completion"], "data": ["category_a"]}
    assert "custom:law" in refused(rules=[custom], checks=[check])
    content = parse_content({"rules": [{**custom, "category": "custom:tax"}], "checks": [check]})
    check_content(content, FACTS, DATA)


def test_a_check_looks_only_where_it_can():
    told = refused(checks=[{"name": "prompt_shield", "directions": ["completion"]}])
    assert "completion" in told
    assert "looks at nothing" in refused(checks=[{**HARMS, "directions": []}])


def test_data_have_to_be_there_and_of_the_right_kind():
    blocklist = {"name": "blocklist", "directions": ["prompt"]}
    assert "needs the id of a blocklist" in refused(checks=[blocklist])
    assert "no blocklist 'category_a'" in refused(checks=[{**blocklist, "data": ["category_a"]}])
    assert "takes no data" in refused(checks=[{**HARMS, "data": ["blocklist_a"]}])
    custom = {"name": "custom_category", "directions": ["prompt"], "data": ["category_b"]}
    assert "not ready" in refused(checks=[custom])
    # A list without terms finds nothing, and is one.
    check_content(parse_content({"checks": [{**blocklist, "data": ["blocklist_a"]}]}), FACTS, DATA)


def test_a_check_that_asks_somebody_says_whom():
    assert "options.endpoint" in refused(checks=[{"name": "llama_guard", "directions": ["prompt"]}])
    assert "options.connection" in refused(
        checks=[{"name": "openai_moderation", "directions": ["prompt"]}]
    )


def test_everything_has_its_bounds():
    assert "twice" in refused(rules=[VIOLENCE, VIOLENCE], checks=[HARMS])
    assert "twice" in refused(checks=[HARMS, HARMS])
    assert "deadline_ms" in refused(checks=[{**HARMS, "deadline_ms": 0}])
    assert "101 are more than 100" in refused(rules=[VIOLENCE] * 101, checks=[HARMS])
    assert "21 are more than 20" in refused(checks=[HARMS] * 21)
    assert "options" in refused(checks=[{**HARMS, "options": {"a": "b" * 1001}}])


def test_only_what_has_a_piece_to_take_out_is_redacted():
    assert "take out" in refused(rules=[{**VIOLENCE, "action": "redact"}], checks=[HARMS])
    email = {"category": "pii.email", "direction": "prompt", "threshold": 2, "action": "redact"}
    content = parse_content(
        {"rules": [email], "checks": [{"name": "pii", "directions": ["prompt"]}]}
    )
    check_content(content, FACTS, DATA)
    assert content.rules[0].action is Action.REDACT


def test_a_policy_says_what_it_does_in_plain_english():
    content = parse_content({"rules": [VIOLENCE], "checks": [{**HARMS, "fails_open": True}]})
    assert words_of_policy(content) == [
        "Blocks violence from medium (4) on in what the model says",
        (
            "Looks for hate, self-harm, sexual content and violence in what the caller writes and"
            " in what the model says; the call passes, and it is counted, when that takes longer"
            " than 500 ms or fails"
        ),
        "Streamed text goes out once it was looked at",
    ]
    assert [band_of(each) for each in range(8)] == [
        "safe", "safe", "low", "low", "medium", "medium", "high", "high",
    ]  # fmt: skip


def test_a_policy_comes_back_from_its_file_as_it_was():
    content = parse_content(
        {
            "rules": [VIOLENCE],
            "checks": [{**HARMS, "options": {"language": "de: yes"}}],
            "streaming": "asynchronous",
        }
    )
    text = write_policy_file("Größe: all", content)
    assert "# Blocks violence from medium (4) on in what the model says" in text
    file = read_policy_file(text.encode())
    assert (file.name, file.why, file.content) == ("Größe: all", "", content)


def test_an_empty_policy_has_a_file_too():
    content = parse_content({})
    assert read_policy_file(write_policy_file("Empty", content).encode()).content == content


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff",
        b"name: [",
        b"- a",
        b"name: 3",
        b"a: &x [1]\nb: *x\nname: n",
        b"name: " + b"x" * 300_000,
        b"!!python/object/apply:os.system ['true']",
    ],
)
def test_a_file_that_is_no_policy_is_refused(raw):
    with pytest.raises(PolicyRefused):
        read_policy_file(raw)
