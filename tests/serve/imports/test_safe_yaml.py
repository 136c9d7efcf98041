"""YAML of strangers."""

from decimal import Decimal
from typing import Any

import pytest

from tradewind.core.errors import InvalidInput
from tradewind.serve.imports import safe_yaml
from tradewind.serve.imports.safe_yaml import parse_yaml


def test_plain_values_are_read_as_they_are_written():
    assert parse_yaml(
        """
        text: a b
        quoted: "2"
        whole: 480
        price: 0.00000015
        small: 1.5e-07
        date: 2024-02-01
        yes: true
        off: False
        nothing:
        tagged: !!str 7
        list: [1, {a: b}, ~]
        """
    ) == {
        "text": "a b",
        "quoted": "2",
        "whole": 480,
        "price": Decimal("0.00000015"),
        "small": Decimal("1.5e-07"),
        "date": "2024-02-01",
        "yes": True,
        "off": False,
        "nothing": None,
        "tagged": "7",
        "list": [1, {"a": "b"}, None],
    }


def test_numbers_in_forms_that_no_configuration_has_stay_text():
    assert parse_yaml("[.inf, .nan, 1e-07, 0x1f, 12:30:45]") == [
        ".inf",
        ".nan",
        "1e-07",
        "0x1f",
        "12:30:45",
    ]
    assert parse_yaml("9" * 5000) == "9" * 5000


def test_aliases_and_merges_are_followed_and_what_is_said_goes_before_what_is_merged():
    document: Any = parse_yaml(
        """
        base: &base {model: a, rpm: 1}
        one: {<<: *base, rpm: 2}
        two: {rpm: 3, <<: [*base, {extra: 1}]}
        """
    )
    assert document["one"] == {"model": "a", "rpm": 2}
    assert document["two"] == {"model": "a", "rpm": 3, "extra": 1}


def test_an_alias_counts_as_all_that_it_stands_for():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    with pytest.raises(InvalidInput, match=r"more than 100000 values"):
        parse_yaml("\n".join(lines))


def test_merges_cannot_grow_without_bound_either():
    lines = ["a0: &a0 {" + ", ".join(f"k{n}: 1" for n in range(20)) + "}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 9)]
    with pytest.raises(InvalidInput, match="values"):
        parse_yaml("\n".join(lines))


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_depth_is_bounded_before_anything_recurses(opening):
    with pytest.raises(InvalidInput, match="nested deeper than 32"):
        parse_yaml(opening * 100_000)


def test_aliases_do_not_hide_depth():
    nested = "a0: &a0 [x]\n" + "\n".join(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 60))
    with pytest.raises(InvalidInput, match="nested deeper than 32"):
        parse_yaml(nested)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]",
        "a: *b",
        "!!python/object/apply:os.system ['true']",
        "a: !!python/name:os.system",
        "a: !!binary aGk=",
        "a: !!set {x}",
        "? [a, b]\n: c",
        "a: 1\n---\nb: 2",
        "a: {<<: 7}",
        "a: [",
        "a:\n\t- b",
        "\x00",
    ],
)
def test_what_is_not_plain_data_is_refused(text):
    with pytest.raises(InvalidInput):
        parse_yaml(text)


@pytest.mark.parametrize(
    "text", ["key: sk-secret: x", "key: !sk-secret x", "key: *sk-secret", "key: 'sk-secret"]
)
def test_a_refusal_says_where_and_never_what(text):
    with pytest.raises(InvalidInput) as refused:
        parse_yaml(text)
    assert "line" in str(refused.value)
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_length_is_bounded(monkeypatch):
    with pytest.raises(InvalidInput, match="longer than"):
        parse_yaml("#" * (safe_yaml.CHARACTERS_MAX + 1))
    assert parse_yaml("#" * 1000) is None
