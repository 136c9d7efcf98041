import pytest

from tests.plugins.checks.examining import findings
from tests.plugins.checks.secret_sample import NO_SECRETS, secrets
from tradewind.plugins.checks.secret_forms import FORMS, LONG_FORMS
from tradewind.plugins.checks.secrets import Secrets

CHECK = Secrets()


def test_thirty_makers_are_known():
    assert len({form.name for form in FORMS}) >= 30


@pytest.mark.parametrize(("kind", "text", "value"), secrets(), ids=lambda value: value[:12])
def test_a_secret_is_found_by_its_form_and_span(kind, text, value):
    [finding] = findings(CHECK, text)
    assert finding.source == kind
    assert text[finding.start : finding.end].startswith(value)
    assert finding.category == "secret"
    assert finding.severity >= 4
    assert finding.label


@pytest.mark.parametrize("text", NO_SECRETS)
def test_what_looks_like_a_secret_and_is_none_raises_no_alarm(text):
    assert findings(CHECK, f"so {text} it is") == ()


def test_a_key_within_a_longer_word_is_none():
    [(_, _, value)] = [each for each in secrets() if each[0] == "npm-token"]
    assert findings(CHECK, f"x{value}") == ()
    assert findings(CHECK, f"{value}x") == ()


def test_a_private_key_without_an_end_is_one_to_the_end():
    text = "-----BEGIN " + "PRIVATE KEY-----\nabc"
    [finding] = findings(CHECK, text)
    assert finding.end == len(text)


def test_a_token_of_telegram_needs_its_name_nearby():
    token = "110201543:" + "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
    assert [each.source for each in findings(CHECK, f"telegram bot {token}")] == ["telegram-token"]
    assert findings(CHECK, token) == ()


def test_what_ended_within_the_look_back_is_not_told_again():
    _, text, value = secrets()[2]
    assert findings(CHECK, f"{text} and more", look_back=len(text)) == ()
    assert findings(CHECK, f"{text} and more", look_back=len(text) - len(value) // 2)


LONG = [each for each in secrets() if len(each[2]) > 64 and each[0] in LONG_FORMS]


@pytest.mark.parametrize(("kind", "text", "value"), LONG, ids=lambda value: value[:12])
def test_of_a_long_key_the_beginning_is_enough_at_the_end_of_a_stream(kind, text, value):
    del text
    [finding] = findings(CHECK, f"here: {value[:60]}")
    assert (finding.source, finding.start, finding.end) == (kind, 6, 66)
    assert findings(CHECK, f"here: {value[:60]} and more") == ()
