"""Service accounts: what is signed, what is taken for a token, and what connections make of it."""

import base64
import json
from datetime import timedelta
from urllib.parse import parse_qs

import pytest
from account_parts import account_file, new_private_key, pem_of
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding

from tradewind.core.errors import InvalidInput
from tradewind.db.sealing import Secret
from tradewind.features.providers.schemas import ConnectionChanges, NewConnection
from tradewind.features.providers.service_accounts import (
    Token,
    service_account_of,
    token_in,
    token_request,
)

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def key():
    return new_private_key()


def decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_the_request_holds_an_assertion_that_the_accounts_key_has_signed(key):
    account = service_account_of(account_file(key))
    assert account is not None
    form = parse_qs(token_request(account, 1_700_000_000).decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    head, claims, signature = form["assertion"][0].split(".")
    assert decoded(head) == {"alg": "RS256", "typ": "JWT", "kid": "0123abcd"}
    assert decoded(claims) == {
        "iss": "caller@acme-1.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": 1_700_000_000,
        "exp": 1_700_003_600,
    }
    key.public_key().verify(
        base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)),
        f"{head}.{claims}".encode(),
        padding.PKCS1v15(),
        hashes.SHA256(),
    )
    assert "PRIVATE" not in repr(account)


@pytest.mark.parametrize(
    "text", ["sk-123", "{", '{"type":"authorized_user"}', '{"client_email":1}']
)
def test_other_credentials_are_no_service_accounts(text):
    assert service_account_of(text) is None


def test_a_token_is_taken_with_its_life():
    token = token_in(b'{"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"}')
    assert token == Token("ya29.x", timedelta(seconds=3599))
    assert "ya29" not in repr(token)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b'{"error":"invalid_grant"}',
        b'{"access_token":"","expires_in":3599}',
        b'{"access_token":"a\\r\\nb","expires_in":3599}',
        b'{"access_token":"a","expires_in":0}',
        b'{"access_token":"a","expires_in":1,"token_type":"mac"}',
        b'{"access_token":"' + b"a" * 5000 + b'","expires_in":3599}',
    ],
)
def test_what_is_no_token_is_refused_and_not_repeated(answer):
    with pytest.raises(ValueError, match="the answer holds") as refused:
        token_in(answer)
    assert "invalid_grant" not in str(refused.value)


# --- connections -----------------------------------------------------------------------------


@pytest.fixture
def providers(services):
    return services.providers


@pytest.fixture
def vertex(do, providers, operator, key):
    credential = Secret(account_file(key))
    new = NewConnection(credential, host="google-vertex", options={"location": "europe-west4"})
    return do(providers.add_connection, operator, new)


@pytest.mark.postgres
def test_a_connection_is_used_once_it_has_a_token_and_never_with_its_key(
    do, providers, vertex, key, caplog
):
    assert vertex.base_url == "https://europe-west4-aiplatform.googleapis.com/v1"
    assert (vertex.provider, vertex.credential_hint) == ("google", "")
    assert do(providers.open_connections) == {}
    assert "no token" in caplog.text
    [due] = do(providers.due_accounts)
    assert due.account == service_account_of(account_file(key))
    assert do(providers.due_accounts) == [], "somebody is at it"
    assert do(providers.put_token, due, Token("ya29.first", HOUR))
    opened = do(providers.open_connections)[vertex.id]
    assert opened.credential == Secret("ya29.first")
    assert opened.options == {"location": "europe-west4", "project": "acme-1"}
    assert do(providers.due_accounts) == []


@pytest.mark.postgres
def test_a_token_is_renewed_ahead_of_its_end_and_not_used_after_it(do, providers, vertex):
    [due] = do(providers.due_accounts)
    do(providers.put_token, due, Token("ya29.old", timedelta(0)))
    assert do(providers.open_connections) == {}
    [again] = do(providers.due_accounts)
    assert do(providers.put_token, again, Token("ya29.new", HOUR))
    assert do(providers.open_connections)[vertex.id].credential == Secret("ya29.new")


@pytest.mark.postgres
def test_a_token_of_a_former_credential_is_not_kept(do, providers, operator, vertex, key):
    [due] = do(providers.due_accounts)
    do(providers.put_token, due, Token("ya29.former", HOUR))
    other = Secret(account_file(key, client_email="other@acme-1"))
    do(providers.replace_credential, operator, vertex.id, other)
    assert do(providers.open_connections) == {}
    assert not do(providers.put_token, due, Token("ya29.late", HOUR))
    [again] = do(providers.due_accounts)
    assert again.account.client_email == "other@acme-1"
    changes = ConnectionChanges(credential=Secret("a-token-of-ones-own"))
    do(providers.update_connection, operator, vertex.id, changes)
    assert do(providers.open_connections)[vertex.id].credential == Secret("a-token-of-ones-own")
    assert do(providers.due_accounts) == []


@pytest.mark.postgres
def test_a_deleted_connection_takes_its_token_along(do, providers, operator, vertex):
    [due] = do(providers.due_accounts)
    do(providers.put_token, due, Token("ya29.x", HOUR))
    locked = do(providers.lock_connection, operator, vertex.id)
    do(providers.delete_connection, locked)
    assert not do(providers.put_token, due, Token("ya29.y", HOUR))


@pytest.mark.postgres
@pytest.mark.parametrize("wrong", ["no pem", "small", "elliptic", "plain"])
def test_a_service_account_that_cannot_work_is_refused_and_not_repeated(
    do, providers, operator, key, wrong
):
    changes = {
        "no pem": {"private_key": "secret words"},
        "small": {"private_key": pem_of(new_private_key(1024))},
        "elliptic": {"private_key": pem_of(ec.generate_private_key(ec.SECP256R1()))},
        "plain": {"token_uri": "http://oauth2.googleapis.com/token"},
    }[wrong]
    credential = Secret(account_file(key, **changes))
    new = NewConnection(credential, host="google-vertex", options={"location": "us-east1"})
    with pytest.raises(InvalidInput, match="service account") as refused:
        do(providers.add_connection, operator, new)
    assert "secret words" not in str(refused.value)
    assert "PRIVATE" not in str(refused.value)
