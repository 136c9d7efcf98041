"""Sets of labelled texts that an organization brings."""

import json

import pytest

from tradewind.core.errors import InvalidInput
from tradewind.serve.safety_evaluation.datasets import language_of, read_set
from tradewind.snapshot.safety import Direction


def written(path, *rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows))
    return path


def test_severities_and_plain_labels_are_read(tmp_path):
    path = written(
        tmp_path / "ours.jsonl",
        {"text": "one", "labels": {"hate": 7, "sexual": 0}, "direction": "completion"},
        "",
        {"text": "two", "labels": {"jailbreak": True}, "kind": "mail", "language": "de"},
    )
    own = read_set(path)
    assert own.name == "ours"
    assert own.kinds == {"mail": 1}
    first, second = own.texts
    assert first.labels == {"hate": 1.0, "sexual": 0.0}
    assert first.direction is Direction.COMPLETION
    assert second.labels["jailbreak"] is True
    assert second.language == "de"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "line 2"),
        ('{"text": "x"}', "line 2"),
        ('{"text": "x", "labels": {"hate": 8}}', "the scale goes from 0 to 7"),
        ('{"text": "x", "labels": {"hate": "much"}}', "line 2"),
        ('{"text": "x", "labels": {}, "direction": "sideways"}', "line 2"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, row, said):
    path = written(tmp_path / "ours.jsonl", {"text": "fine", "labels": {"hate": 1}}, row)
    with pytest.raises(InvalidInput, match=said):
        read_set(path)


def test_a_file_that_is_not_there_and_one_that_is_empty_are_told_apart(tmp_path):
    with pytest.raises(InvalidInput, match="there is no file"):
        read_set(tmp_path / "none.jsonl")
    with pytest.raises(InvalidInput, match="has no rows"):
        read_set(written(tmp_path / "empty.jsonl", ""))


def test_chinese_is_told_from_english():
    assert language_of("请写一份财务报告") == "zh"
    assert language_of("Write a report about 财务") == "en"
