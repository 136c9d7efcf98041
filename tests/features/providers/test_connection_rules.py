"""The rules of connections."""

import json

import pytest

from tradewind.core.errors import InvalidInput
from tradewind.features.providers import rules


def test_a_base_url_is_encrypted_unless_it_is_in_a_private_network():
    assert rules.clean_base_url("https://a.example/v1", is_private_network=False).path == "/v1"
    assert rules.clean_base_url("http://a.internal", is_private_network=True).port == 80
    with pytest.raises(InvalidInput, match="not encrypted"):
        rules.clean_base_url("http://a.example", is_private_network=False)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example",
        "ftp://a.example",
        "https://user:hush@a.example",
        "https://a.example/?k=hush",
    ],
)
def test_what_is_no_base_url_is_refused_and_not_repeated(url):
    with pytest.raises(InvalidInput) as refused:
        rules.clean_base_url(url, is_private_network=False)
    assert "hush" not in str(refused.value)


def test_what_an_account_differs_in_is_filled_in_from_the_options():
    template = "https://{account}.example/{gateway}/v1"
    given = {"account": "one", "gateway": "two", "else": "x"}
    assert rules.fill_in(template, given) == "https://one.example/two/v1"
    with pytest.raises(InvalidInput) as refused:
        rules.fill_in(template, {"account": "one"})
    assert "gateway" in str(refused.value.hint)
    assert "account," not in str(refused.value.hint)


@pytest.mark.parametrize(
    "options",
    [
        {f"option_{number}": "x" for number in range(17)},
        {"": "x"},
        {"with space": "x"},
        {"a": ""},
        {"a": "x" * 201},
        {"a": "line\nbreak"},
        {"a": "é"},
    ],
)
def test_options_are_few_and_short(options):
    with pytest.raises(InvalidInput):
        rules.clean_options(options)


def test_a_place_is_a_short_word_or_nothing():
    assert rules.clean_place("eu-west-1", "region") == "eu-west-1"
    assert not rules.clean_place("", "region")
    for text in ("EU", "-a", "a-", "a b", "x" * 33):
        with pytest.raises(InvalidInput, match="the zone"):
            rules.clean_place(text, "zone")


def test_a_credential_is_one_line_without_its_outer_spaces():
    assert rules.clean_credential("  sk-abc \n") == "sk-abc"


def test_json_of_several_parts_becomes_one_line():
    parts = {"access_key_id": "AK", "secret_access_key": "hush", "expires": 3}
    assert json.loads(rules.clean_credential(json.dumps(parts, indent=2))) == parts
    assert "\n" not in rules.clean_credential(json.dumps(parts, indent=2))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "hush\r\nx-evil: 1",
        "hush\x00",
        "hush\u200b",
        '{"hush": [1]}',
        '{"hush"',
        "{}",
        "h" * 8193,
        "{" * 8193,
    ],
    ids=range(10),
)
def test_what_cannot_be_a_credential_is_refused_and_not_repeated(text):
    with pytest.raises(InvalidInput) as refused:
        rules.clean_credential(text)
    assert "hush" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_only_a_long_credential_has_a_hint():
    assert rules.hint_of("sk-0123456789abcdef") == "cdef"
    assert not rules.hint_of("short-secret-01")
    assert not rules.hint_of('{"a": "long enough to have one"}')


def test_callers_see_a_name_without_an_address():
    assert rules.public_name("My  vLLM, (rack 3)") == "my-vllm-rack-3"
    assert rules.public_name("ёж") == "custom"
