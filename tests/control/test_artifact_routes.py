"""Uploads and artifacts over HTTP, as the gateway relays it."""

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tradewind.control.shield import MAX_BODY_BYTES, MAX_PART_BYTES
from tradewind.features.artifacts.manifest import check_signature, signed_bytes
from tradewind.features.artifacts.schemas import PART_BYTES
from tradewind.testing.model_files import GgufTensor, gguf_file

pytestmark = pytest.mark.postgres

ROWS = (PART_BYTES + 5000) // 1024
LARGE = gguf_file(tensors=[GgufTensor("token_embd.weight", (256, ROWS))])
SMALL = gguf_file({"llama.context_length": 512})


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def send(client, with_management_key, artifacts, database):
    """Upload a file and have it checked; return the upload as it ended."""

    def send(name, content, **more):
        upload = client.post(
            "/api/uploads",
            json={"name": name, "size": len(content), **more},
            headers=with_management_key,
        ).json()
        for number in range(1, upload["parts"] + 1):
            part = content[(number - 1) * PART_BYTES : number * PART_BYTES]
            put = client.put(
                f"/api/uploads/{upload['id']}/parts/{number}",
                content=part,
                headers={**with_management_key, "x-part-sha256": sha256(part)},
            )
            assert put.json() == {"number": number, "size": len(part), "sha256": sha256(part)}
        done = client.post(f"/api/uploads/{upload['id']}/complete", headers=with_management_key)
        assert done.json()["state"] == "checking"
        assert artifacts.arrivals.check_next(database)
        return client.get(f"/api/uploads/{upload['id']}", headers=with_management_key).json()

    return send


@pytest.fixture
def make(client, with_management_key, send):
    def make(name, content, **more):
        upload = send(name, content, **more)
        assert upload["state"] == "ready", upload["reason"]
        answer = client.post(
            "/api/artifacts",
            json={"files": [{"path": name, "upload": upload["id"]}]},
            headers=with_management_key,
        )
        assert answer.status_code == 201
        return answer.json()

    return make


def test_a_file_of_several_parts_becomes_an_artifact_that_can_be_downloaded(
    client, with_management_key, make
):
    made = make("model.gguf", LARGE)
    assert made["facts"]["architecture"] == "llama"
    (file,) = made["contents"]
    assert (file["size"], file["sha256"]) == (len(LARGE), sha256(LARGE))
    address = f"/api/artifacts/{made['digest']}/files/{file['sha256']}"
    whole = client.get(address, headers=with_management_key)
    assert whole.content == LARGE
    assert whole.headers["content-disposition"] == "attachment; filename*=UTF-8''model.gguf"
    assert whole.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-0", 206, SMALL[:1]),
        ("bytes=5-9", 206, SMALL[5:10]),
        ("bytes=-7", 206, SMALL[-7:]),
        ("bytes=10-", 206, SMALL[10:]),
        ("bytes=10-99999999", 206, SMALL[10:]),
        ("bytes=9-5", 200, SMALL),
        ("bytes=0-1,4-5", 200, SMALL),
        ("lines=0-1", 200, SMALL),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_download_takes_one_range(client, with_management_key, make, asked, status, part):  # noqa: PLR0917
    made = make("model.gguf", SMALL)
    address = f"/api/artifacts/{made['id']}/files/{sha256(SMALL)}"
    answer = client.get(address, headers={**with_management_key, "range": asked})
    assert answer.status_code == status
    assert answer.content == part
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=-0"])
def test_a_range_behind_the_end_is_416(client, with_management_key, make, asked):
    made = make("model.gguf", SMALL)
    address = f"/api/artifacts/{made['id']}/files/{sha256(SMALL)}"
    answer = client.get(address, headers={**with_management_key, "range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(SMALL)}"


def test_what_is_there_is_told_in_ranges(client, with_management_key):
    begun = client.post(
        "/api/uploads",
        json={"name": "model.gguf", "size": 6 * PART_BYTES},
        headers=with_management_key,
    ).json()
    for number in (1, 2, 5):
        client.put(
            f"/api/uploads/{begun['id']}/parts/{number}",
            content=bytes(PART_BYTES),
            headers=with_management_key,
        )
    asked = client.get(f"/api/uploads/{begun['id']}", headers=with_management_key).json()
    assert asked["received"] == [[1, 2], [5, 5]]


def test_a_part_may_be_large_and_nothing_else_may(client, with_management_key, problem):
    assert MAX_PART_BYTES == PART_BYTES
    begun = client.post(
        "/api/uploads",
        json={"name": "model.gguf", "size": PART_BYTES},
        headers=with_management_key,
    ).json()
    address = f"/api/uploads/{begun['id']}/parts/1"
    too_large = client.put(address, content=bytes(MAX_PART_BYTES + 1), headers=with_management_key)
    assert too_large.status_code in (413, 422)
    put = client.put(address, content=bytes(MAX_PART_BYTES), headers=with_management_key)
    assert put.status_code == 200
    problem(
        client.post("/api/uploads", content=bytes(MAX_BODY_BYTES + 1), headers=with_management_key),
        413,
        "http_error",
    )


def test_a_part_that_was_changed_on_its_way_is_refused(client, with_management_key, problem):
    begun = client.post(
        "/api/uploads",
        json={"name": "model.gguf", "size": len(SMALL)},
        headers=with_management_key,
    ).json()
    answer = client.put(
        f"/api/uploads/{begun['id']}/parts/1",
        content=SMALL,
        headers={**with_management_key, "x-part-sha256": sha256(b"else")},
    )
    assert sha256(SMALL) in problem(answer, 422, "part_refused")["detail"]


def test_a_refusal_names_file_and_reason(send):
    upload = send("model.gguf", SMALL[:-50])
    assert upload["state"] == "refused"
    assert upload["reason"].startswith("'model.gguf': the tensor")


def test_a_sealed_artifact_has_no_download_route(client, with_management_key, make, problem):
    made = make("model.gguf", SMALL, visibility="sealed")
    address = f"/api/artifacts/{made['id']}/files/{sha256(SMALL)}"
    problem(client.get(address, headers=with_management_key), 403, "artifact_sealed")


def test_the_envelope_can_be_checked_and_signed_by_the_publisher(client, with_management_key, make):
    made = make("model.gguf", SMALL)
    manifest = base64.b64decode(made["envelope"]["payload"])
    (signature,) = made["envelope"]["signatures"]
    check_signature(
        manifest, base64.b64decode(signature["public_key"]), base64.b64decode(signature["sig"])
    )
    assert json.loads(manifest)["files"][0]["sha256"] == sha256(SMALL)
    key = Ed25519PrivateKey.generate()
    signed = client.post(
        f"/api/artifacts/{made['id']}/signatures",
        json={
            "public_key": base64.b64encode(key.public_key().public_bytes_raw()).decode(),
            "signature": base64.b64encode(key.sign(signed_bytes(manifest))).decode(),
        },
        headers=with_management_key,
    ).json()
    assert [each["signer"] for each in signed["envelope"]["signatures"]] == [
        "platform",
        "publisher",
    ]


def test_pages_go_from_the_newest_to_the_oldest(client, with_management_key, make):
    made = [make(f"{n}.gguf", gguf_file({"general.name": str(n)}))["id"] for n in range(3)]
    first = client.get("/api/artifacts?limit=2", headers=with_management_key).json()
    assert [each["id"] for each in first["artifacts"]] == made[:0:-1]
    rest = client.get(
        f"/api/artifacts?limit=2&after={first['next']}", headers=with_management_key
    ).json()
    assert ([each["id"] for each in rest["artifacts"]], rest["next"]) == (made[:1], None)
    uploads = client.get("/api/uploads", headers=with_management_key).json()["uploads"]
    assert len(uploads) == 3


def test_a_deleted_artifact_is_gone(client, with_management_key, make, problem):
    made = make("model.gguf", SMALL)
    address = f"/api/artifacts/{made['id']}"
    assert client.delete(address, headers=with_management_key).status_code == 204
    problem(client.get(address, headers=with_management_key), 404, "not_found")
