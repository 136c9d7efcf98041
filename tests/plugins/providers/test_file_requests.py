"""What is sent to hosts that have files, and what they are believed to say of them."""

import pytest

from tradewind.plugins.providers.dialects.files import (
    content_request,
    delete_request,
    file_of,
    upload_request,
)
from tradewind.plugins.providers.registry import providers
from tradewind.snapshot.contents import Target
from tradewind.wire.errors import ApiError


def target(provider, base_path="/v1", **options):
    return Target(
        "conn_1",
        "tgt_1",
        provider,
        "https://host.test:443",
        "model-a",
        "key",
        base_path=base_path,
        options=options,
    )


def wire_of(target):
    files_at = providers()[target.provider].files_at
    assert files_at is not None
    return files_at(target)


def first_line(head):
    return head.partition(b"\r\n")[0].decode()


def test_only_hosts_of_the_dialect_have_files():
    having = {name for name, provider in providers().items() if provider.files_at is not None}
    assert having == {"openai", "openai_compatible", "azure_openai"}


@pytest.mark.parametrize(
    ("base_path", "options", "expected"),
    [
        ("", {}, "/openai/files/f?api-version=2024-10-21"),
        ("/openai", {"api_version": "2025-01-01"}, "/openai/files/f?api-version=2025-01-01"),
        ("", {"api_version": "v1"}, "/openai/v1/files/f"),
        ("/openai/v1", {}, "/openai/v1/files/f"),
    ],
)
def test_azures_files_are_the_resources(base_path, options, expected):
    at = target("azure_openai", base_path, **options)
    head = delete_request(at, wire_of(at), "f")
    assert first_line(head) == f"DELETE {expected} HTTP/1.1"
    assert b"\r\napi-key: key\r\n" in head
    assert b"authorization" not in head


def test_an_upload_to_openai_names_the_account():
    at = target("openai", organization="org-1", project="proj-1")
    head = upload_request(at, wire_of(at), b"12345", b"multipart/form-data; boundary=b")
    assert head.decode().split("\r\n") == [
        "POST /v1/files HTTP/1.1",
        "host: host.test",
        "authorization: Bearer key",
        "accept-encoding: identity",
        "openai-organization: org-1",
        "openai-project: proj-1",
        "content-type: multipart/form-data; boundary=b",
        "content-length: 5",
        "",
        "",
    ]


def test_an_id_is_one_segment_of_the_path():
    at = target("openai_compatible")
    head = content_request(at, wire_of(at), "../models?x#y z")
    assert first_line(head) == "GET /v1/files/..%2Fmodels%3Fx%23y%20z/content HTTP/1.1"
    assert head.endswith(b"\r\n\r\n")
    assert head.count(b"\r\n\r\n") == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"id": ""}',
        b'{"id": 1}',
        b'{"id": ".."}',
        b'{"id": "a b"}',
        b'{"id": "a\\u0000"}',
        b'{"id": "%b"}' % (b"x" * 257),
        b'{"id": "a", "bytes": -1}',
        b'{"id": "a", "bytes": 99999999999999999999}',
        b'{"id": "a", "expires_at": 1e300}',
        b'{"id": "a", "status": "%b"}' % (b"x" * 65),
        b"[" * 100_000,
    ],
)
def test_what_a_host_may_not_say_of_a_file_is_its_failure(body):
    with pytest.raises(ApiError) as refused:
        file_of(body)
    assert (refused.value.status, refused.value.code) == (502, "upstream_error")


def test_an_id_is_enough():
    file = file_of(b'{"id": "file-abc", "object": "file", "other": [1]}')
    assert (file.id, file.bytes, file.expires_at) == ("file-abc", None, None)
