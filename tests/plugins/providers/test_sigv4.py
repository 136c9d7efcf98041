"""Signatures of AWS, by its published examples.

The examples are of docs.aws.amazon.com, IAM User Guide, "Signature Version 4 test suite": all are
signed with one key, for one region and service, at one moment.
"""

import pytest

from tradewind.plugins.providers.dialects.sigv4 import Keys, Scope, signed_headers, signing_key

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEYS = Keys("AKIDEXAMPLE", SECRET)
SCOPE = Scope("us-east-1", "service")
AT = 1440938160.0  # 2015-08-30T12:36:00Z
HOST = {"host": "example.amazonaws.com"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def sign(*, method="GET", path="/", query="", headers=None, body=b"", keys=KEYS):
    return signed_headers(
        keys,
        SCOPE,
        method=method,
        path=path,
        query=query,
        headers=HOST | (headers or {}),
        body=body,
        at=AT,
    )


@pytest.mark.parametrize(
    ("request_", "signature"),
    [
        # get-vanilla
        ({}, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        # get-vanilla-query-order-key-case
        (
            {"query": "Param2=value2&Param1=value1"},
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        # get-utf8
        (
            {"path": "/\u1234"},
            "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
        ),
        # post-vanilla
        (
            {"method": "POST"},
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        # post-x-www-form-urlencoded
        (
            {"method": "POST", "headers": FORM, "body": b"Param1=value1"},
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ],
    ids=["get-vanilla", "query-order", "get-utf8", "post-vanilla", "post-form"],
)
def test_the_published_examples_are_signed_as_published(request_, signature):
    added = sign(**request_)
    assert added["x-amz-date"] == "20150830T123600Z"
    names = "content-type;host;x-amz-date" if "headers" in request_ else "host;x-amz-date"
    assert added["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )


def test_the_key_of_a_day_is_the_published_one():
    assert signing_key(SECRET, "20150830", "us-east-1", "service").hex() == (
        "938127b5336810ddb6a5d6af445fcac9e371f9ed418ed386b022aed82901be75"
    )


def test_a_session_token_is_sent_and_signed():
    added = sign(keys=KEYS._replace(session_token="token"))
    assert added["x-amz-security-token"] == "token"
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token," in added["authorization"]


def test_what_is_signed_changes_the_signature():
    added = [sign(), sign(path="/a"), sign(query="a=b"), sign(body=b"x"), sign(method="PUT")]
    assert len({headers["authorization"] for headers in added}) == 5


def test_keys_are_not_shown():
    assert SECRET not in repr(KEYS)
    assert SECRET not in f"{KEYS}"
