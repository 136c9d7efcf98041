"""What goes from a text, and what stays."""

import base64
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.core import api_keys
from tradewind.gateway.content.redaction import redact
from tradewind.plugins.checks.checksums import is_card_number

OWN_KEY = api_keys.mint(b"p" * api_keys.PEPPER_BYTES).text
JWT = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=")
    for part in (b'{"alg":"HS256","typ":"JWT"}', b'{"sub":"1234567890"}', b"s" * 32)
)
PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\n"
    + "\n".join(["MIIEpAIBAAKCAQEA7bq98" * 3] * 4)
    + "\n-----END RSA PRIVATE KEY-----"
)
SECRETS = {
    OWN_KEY: "[api key]",
    "tw_0123456789abcdefXYZ": "[api key]",
    "sk-proj-abcDEF0123456789abcDEF": "[api key]",
    "sk_live_0123456789abcdefghij": "[api key]",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345": "[api key]",
    "AIzaSyA0123456789abcdefghijklmnopqrstuv": "[api key]",
    "AKIAIOSFODNN7EXAMPLE": "[api key]",
    JWT: "[token]",
    PEM: "[private key]",
    "ada.lovelace+x@mail.example.org": "[e-mail address]",
    "jürgen@müller.example": "[e-mail address]",
    "+49 (0)151 2345-6789": "[phone number]",
    "+14155550100": "[phone number]",
    "4111 1111 1111 1111": "[card number]",
    "5555-5555-5555-4444": "[card number]",
    "378282246310005": "[card number]",
    "3782 822463 10005": "[card number]",
    "DE89 3704 0044 0532 0130 00": "[IBAN]",
    "gb82WEST12345698765432": "[IBAN]",
    "NO9386011117947": "[IBAN]",
}
# Words between which a secret may stand. They touch it with a blank only.
WORDS = st.text(string.ascii_letters + string.digits + " .,;:!?()\n\té漢", max_size=60)


@pytest.mark.parametrize(("secret", "mark"), SECRETS.items(), ids=map(str, range(len(SECRETS))))
def test_a_secret_goes_and_the_words_around_it_stay(secret, mark):
    assert redact(f"Look: {secret}, is it?") == f"Look: {mark}, is it?"
    assert redact(secret) == mark


@given(before=WORDS, after=WORDS, secret=st.sampled_from(list(SECRETS)))
def test_no_words_around_a_secret_save_it(before, after, secret):
    assert secret not in redact(f"{before} “{secret}” {after}")


@given(st.lists(st.sampled_from(list(SECRETS)), min_size=2, max_size=5))
def test_secrets_beside_one_another_all_go(secrets):
    redacted = redact("\n".join(secrets))
    assert not any(secret in redacted for secret in secrets)


def test_the_scheme_of_an_authorization_stays():
    assert redact("Authorization: Bearer abcdefgh12345678==") == "Authorization: Bearer [token]"
    assert redact("authorization: basic dXNlcjpwYXNzd29yZA==") == "authorization: basic [token]"


@pytest.mark.parametrize(
    "text",
    [
        "Order 4111111111111112 of 2024-05-06 12:34:56, total 1,234.50 EUR.",
        "a bearer of bad news",
        "import sk-learn",
        "user@localhost and @someone in 3@4",
        "1 + 1234 = 1235; 192.168.0.1; 2001:db8::1",
        "DE89 9704 0044 0532 0130 01 is mistyped",
        "timestamp 1732266805123456",
        "uuid 0191e4f0-7c1e-7a3b-8c2d-0123456789ab",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "eyJ is how many tokens begin",
        "漢字 and emoji 🙂",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redact(text) == text


def test_a_number_right_before_a_card_does_not_hide_it():
    assert redact("7 items 12 4111 1111 1111 1111 by 2030") == ("7 items 12 [card number] by 2030")
    assert redact("5000 4111 1111 1111 1111") == "5000 [card number]"


def test_words_right_behind_an_account_stay():
    assert redact("DE89 3704 0044 0532 0130 00 BIC COBADEFF") == "[IBAN] BIC COBADEFF"


def test_a_private_key_without_an_end_takes_what_follows():
    assert redact(f"Key: {PEM[:120]}") == "Key: [private key]"
    behind = "x" * 200
    text = redact(PEM[:120] + " " * 40_000 + behind)
    assert text.startswith("[private key]")
    assert text.endswith(behind)


def test_files_become_a_mark_with_their_type_and_size():
    data = base64.b64encode(bytes(range(256)) * 12)
    url = f"data:image/png;base64,{data.decode()}"
    assert redact(f"See {url}.") == "See [image/png, 3072 bytes]."
    assert redact(f"See {data.decode()}") == "See [base64, 3072 bytes]"
    assert redact("data:text/plain;charset=utf-8;base64,aGk=") == "[text/plain, 2 bytes]"


@pytest.mark.parametrize(
    ("digits", "is_one"),
    [
        ("4111111111111111", True),
        ("4222222222222", True),
        ("6304000000000000", True),
        ("4111111111111112", False),
        ("411111111111", False),
        ("1111111111111117", False),
        ("41111111111111111111", False),
    ],
)
def test_card_numbers_are_told_by_their_check_digit(digits, is_one):
    assert is_card_number(digits) is is_one


@given(st.text(max_size=400))
def test_any_text_is_taken(text):
    assert isinstance(redact(text), str)


# Each is what some expression looks for, again and again and never whole: with an expression that
# goes back over what it has read, one of them would take hours, and the limit of a test's time
# would end it.
@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "a@",
        "@a.",
        "@" + "a." * 8,
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----BEGIN " + "A " * 20,
        "eyJ",
        "eyJaaaaaaaa.",
        "bearer" + " " * 8,
        "sk-",
        "sk-aaaaaaaaaaaaaaa ",
        "data:a/a;a=a",
        "data:a/a;base64,\n",
        "A" * 511 + " ",
        "+1",
        "+1 2-3(4)",
        "4",
        "4 ",
        "4444 ",
        "44444444444444444444 ",
        "DE12 ",
        "DE89 3704 0044 0532 0130 0",
        " ",
        "\n",
    ],
)
def test_hostile_texts_are_read_in_linear_time(piece):
    text = (piece * (256 * 1024 // len(piece) + 1))[: 256 * 1024]
    for hostile in (text, text + "!", "x" + text):
        assert len(redact(hostile)) <= len(hostile) * 8


def test_no_expression_can_repeat_without_a_bound_and_give_back():
    """Every open-ended repetition is possessive: what it has read it does not read again."""
    from tradewind.gateway.content import redaction  # noqa: PLC0415

    expressions = [each for each in vars(redaction).values() if isinstance(each, re.Pattern)]
    assert len(expressions) > 8
    for expression in expressions:
        without_classes = re.sub(r"\[(?:\\.|[^\]\\])*\]", "C", expression.pattern)
        assert not re.search(
            r"(?:(?<!\\)[*+]|\{\d*,\})(?!\+)(?<!\+\+)(?<!\*\+)(?<!\}\+)", without_classes
        ), expression.pattern
