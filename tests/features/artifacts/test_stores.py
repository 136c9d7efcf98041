"""One contract for every store: the same calls give the same results on this disk and in S3."""

import hashlib
import http.client
import os
import re
import secrets
import select
import stat
import subprocess
import sys
import time

import pytest
from obstore.store import S3Store as Bucket
from starlette.testclient import TestClient

from tradewind.features.artifacts.errors import BlobDamaged, BlobMissing, StoreUnavailable
from tradewind.features.artifacts.schemas import Visibility
from tradewind.features.artifacts.service import verify
from tradewind.features.artifacts.stores.disk import DiskStore
from tradewind.features.artifacts.stores.s3 import S3Place, S3Store
from tradewind.testing.model_files import gguf_file
from tradewind.testing.portal_world import PortalWorld

MIB = 1024 * 1024
_START_TIMEOUT_S = 60


@pytest.fixture(scope="module")
def s3_endpoint():
    """An S3 server of another project, on loopback, as a process of its own."""
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield _address(server)
    finally:
        server.kill()
        server.wait()
        assert server.stdout is not None
        server.stdout.close()


def _address(server):
    deadline = time.monotonic() + _START_TIMEOUT_S
    said = ""
    while time.monotonic() < deadline and server.poll() is None:
        if select.select([server.stdout], [], [], 1)[0]:
            said += os.read(server.stdout.fileno(), 4096).decode()
            found = re.search(r"Running on (http://127\.0\.0\.1:\d+)", said)
            if found:
                return found[1]
    raise AssertionError(f"the S3 server does not start: {said}")


@pytest.fixture
def bucket(s3_endpoint, socket_enabled):
    """A bucket of its own for each test."""
    name = f"b{secrets.token_hex(8)}"
    request(s3_endpoint, "PUT", f"/{name}")
    return name


def request(endpoint, method, path):
    connection = http.client.HTTPConnection(endpoint.removeprefix("http://"), timeout=30)
    connection.request(method, path, headers={"authorization": "AWS key:secret"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status < 300, content
    return content


@pytest.fixture(params=["disk", "s3"])
def store(request, tmp_path):
    if request.param == "disk":
        return DiskStore(tmp_path / "blobs")
    endpoint = request.getfixturevalue("s3_endpoint")
    return s3_store(endpoint, request.getfixturevalue("bucket"))


def s3_store(endpoint, bucket):
    return S3Store(S3Place(bucket, "models/weights", endpoint, "us-east-1", "key", "secret"))


@pytest.fixture
def put(store, tmp_path):
    def put(location, content):
        source = tmp_path / "staged"
        source.write_bytes(content)
        store.put(location, source)
        assert source.read_bytes() == content
        source.unlink()

    return put


CONTENT = bytes(range(256)) * 10
PLACE = "sha256/ab/abcdef"


def test_what_was_put_is_there_whole_and_in_ranges(store, put):
    assert store.size(PLACE) is None
    put(PLACE, CONTENT)
    assert store.size(PLACE) == len(CONTENT)
    assert store.read(PLACE, 0, len(CONTENT)) == CONTENT
    assert store.read(PLACE, 255, 3) == CONTENT[255:258]
    assert store.read(PLACE, len(CONTENT) - 1, 1) == CONTENT[-1:]
    assert store.read(PLACE, 5, 0) == b""
    assert b"".join(store.stream(PLACE, 100, 1000)) == CONTENT[100:1100]
    assert list(store.stream(PLACE, 100, 0)) == []


def test_putting_again_changes_nothing(store, put):
    put(PLACE, CONTENT)
    put(PLACE, CONTENT)
    assert store.read(PLACE, 0, len(CONTENT)) == CONTENT


def test_what_was_cut_short_is_put_whole_again(store, put):
    put(PLACE, CONTENT[:100])
    put(PLACE, CONTENT)
    assert store.read(PLACE, 0, len(CONTENT)) == CONTENT


def test_a_file_of_many_parts_is_as_it_was(store, put):
    content = os.urandom(MIB) * 70
    put(PLACE, content)
    digest = hashlib.sha256()
    longest = 0
    for piece in store.stream(PLACE, 0, len(content)):
        digest.update(piece)
        longest = max(longest, len(piece))
    assert digest.digest() == hashlib.sha256(content).digest()
    assert longest <= MIB
    start = 33 * MIB - 10
    assert store.read(PLACE, start, 20) == content[start : start + 20]


def test_what_is_not_there_is_missing(store):
    for read in (
        lambda: store.read(PLACE, 0, 1),
        lambda: list(store.stream(PLACE, 0, 1)),
    ):
        with pytest.raises(BlobMissing, match=PLACE):
            read()
    store.delete(PLACE)


@pytest.mark.parametrize(("start", "count"), [(0, 101), (99, 2), (100, 1), (5000, 1)])
def test_what_ends_too_soon_is_told_as_damage(store, put, start, count):
    put(PLACE, CONTENT[:100])
    with pytest.raises(BlobDamaged, match="ends at byte 100" if start <= 100 else "ends at"):
        store.read(PLACE, start, count)
    with pytest.raises(BlobDamaged, match="ends at"):
        list(store.stream(PLACE, start, count))


def test_what_was_deleted_is_gone(store, put):
    put(PLACE, CONTENT)
    store.delete(PLACE)
    store.delete(PLACE)
    assert store.size(PLACE) is None


def test_a_source_that_is_not_there_leaves_nothing(store, tmp_path):
    with pytest.raises(StoreUnavailable):
        store.put(PLACE, tmp_path / "nothing")
    assert store.size(PLACE) is None


@pytest.mark.postgres
@pytest.mark.parametrize("visibility", Visibility)
def test_an_artifact_comes_in_and_out_of_every_store_alike(
    store, make_desk, operator, tmp_path, visibility
):
    desk = make_desk(store=store)
    content = gguf_file({"llama.context_length": 64})
    made = desk.make(operator, {"model.gguf": content}, visibility=visibility)
    artifact = desk.open(made.row.digest)
    assert verify(artifact, made.manifest) == []
    assert b"".join(artifact.pieces(artifact.files[0])) == content
    with artifact.private_copy() as folder:
        assert (folder / "model.gguf").read_bytes() == content
    with desk.database.transaction() as tx:
        desk.services.artifacts.delete_artifact(tx, operator, made.row.digest)
    desk.clock.advance(days=8)
    desk.sweep()
    assert store.size(artifact.files[0].location) is None


@pytest.mark.postgres
def test_the_wizard_brings_a_file_into_every_store_alike(store, database, socket_enabled, tmp_path):
    world = PortalWorld(database, artifacts_folder=tmp_path / "staging", store=store)
    signed_in = world.sign_in()
    content = gguf_file({"general.name": "alike"})
    token = {"x-csrf-token": signed_in.viewer.csrf_token, "accept": "application/json"}
    with TestClient(world.app, base_url=world.public_url, headers=token) as browser:
        browser.cookies.set("tradewind_session", signed_in.session_token)
        told = {"name": "a.gguf", "size": str(len(content))}
        path = f"/publish/uploads/{browser.post('/publish/uploads', data=told).json()['id']}"
        assert browser.put(f"{path}/parts/1", content=content).status_code == 204
        assert browser.post(f"{path}/complete", data={"x": ""}).json()["state"] == "checking"
        assert world.artifact_services.arrivals.check_next(database)
        ended = browser.get(path).json()
    digest = hashlib.sha256(content).hexdigest()
    assert (ended["state"], ended["sha256"]) == ("ready", digest)
    assert ["Name", "alike"] in ended["facts"]
    location = f"sha256/{digest[:2]}/{digest}"
    assert b"".join(store.stream(location, 0, len(content))) == content


# --- what only one of them can do ----------------------------------------------------------------


def test_files_on_disk_are_for_their_owner_alone(tmp_path):
    store, source = DiskStore(tmp_path / "blobs"), tmp_path / "staged"
    descriptor = os.open(source, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(descriptor, CONTENT)
    os.close(descriptor)
    store.put(PLACE, source)
    path = store.local_path(PLACE)
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.stat().st_ino == source.stat().st_ino
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_bucket_that_is_not_there_is_unavailable(s3_endpoint, socket_enabled, tmp_path):
    source = tmp_path / "staged"
    source.write_bytes(CONTENT)
    with pytest.raises(StoreUnavailable):
        s3_store(s3_endpoint, "nobodys-bucket").put(PLACE, source)


def test_keys_are_in_no_representation():
    place = S3Place("bucket", access_key_id="key", secret_access_key="a-secret-of-somebody")
    assert "a-secret-of-somebody" not in repr(place)


def test_objects_lie_below_the_prefix(s3_endpoint, bucket, tmp_path):
    source = tmp_path / "staged"
    source.write_bytes(CONTENT)
    s3_store(s3_endpoint, bucket).put(PLACE, source)
    listed = Bucket(
        bucket,
        config={
            "endpoint": s3_endpoint,
            "region": "us-east-1",
            "access_key_id": "key",
            "secret_access_key": "secret",
        },
        client_options={"allow_http": True},
    )
    assert [entry["path"] for page in listed.list() for entry in page] == [
        f"models/weights/{PLACE}"
    ]
