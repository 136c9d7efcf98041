"""What the gateway knows comes from a file that is swapped while it runs."""

import logging
import os
import time

import pytest
from gateway_parts import MODEL, World, until, whole_answer

from tradewind.core import api_keys
from tradewind.gateway.snapshots import SnapshotWatch
from tradewind.snapshot import file
from tradewind.snapshot.contents import EMPTY, Grant, Snapshot


async def answer_whole(call):
    await call.answer(whole_answer())


async def test_a_key_that_was_revoked_stops_working_on_open_connections_too(world, upstream):
    upstream.script = answer_whole
    client = await world.client()
    assert (await client.chat()).status == 200
    world.publish(world.endpoint(world.target(upstream.address)), grants=())
    await world.in_force()
    for each in (client, await world.client()):
        answer = await each.chat()
        assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    assert len(upstream.calls) == 1


async def test_a_key_revoked_while_its_request_is_on_the_way_is_refused(world, upstream):
    client = await world.client()
    body = b'{"model":"tw/small","messages":[1]}'
    client._writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n"
        b"content-length: %d\r\n\r\n%b" % (world.key.text.encode(), len(body), body[:10])
    )
    assert (await world.chat(model="tw/none")).status == 404, "the head was read by now"
    world.publish(world.endpoint(world.target(upstream.address)), grants=())
    await world.in_force()
    client._writer.write(body[10:])
    assert (await client.head()).status == 401
    assert upstream.calls == []


async def test_a_new_key_and_a_new_model_work_as_soon_as_they_are_published(world, upstream):
    upstream.script = answer_whole
    new = api_keys.mint(b"p" * 32)
    client = await world.client()
    body = b'{"model":"tw/new","messages":[1]}'
    path = "/v1/chat/completions"
    assert (await client.call("POST", path, body, key=new.text)).status == 401
    world.publish(
        world.endpoint(world.target(upstream.address), name="tw/new"),
        grants=[world.grant, Grant(new.key_id, new.digest, "org_b", "proj_b")],
    )
    await world.in_force()
    assert (await client.call("POST", path, body, key=new.text)).status == 200
    assert (await world.event()).organization_id == "org_b"
    assert (await client.chat()).status == 404, "the former model is gone"


async def test_a_key_that_expires_needs_no_new_snapshot_to_end(world, upstream):
    upstream.script = answer_whole
    key = world.key
    soon_over = Grant(
        key.key_id, key.digest, "o", "p", expires_at_ms=time.time_ns() // 1_000_000 + 300
    )
    world.publish(world.endpoint(world.target(upstream.address)), grants=[soon_over])
    await world.in_force()
    client = await world.client()
    while (answer := await client.chat()).status == 200:
        pass
    assert answer.status == 401
    assert "expired" in answer.error["message"]


async def test_a_damaged_snapshot_leaves_the_former_one_in_force(world, upstream, caplog):
    upstream.script = answer_whole
    raw = bytearray(world.snapshot_path.read_bytes())
    raw[-1] ^= 1
    with caplog.at_level(logging.ERROR):
        replace(world.snapshot_path, bytes(raw))
        await until(lambda: "digest does not fit" in caplog.text)
    assert "key-of-target" not in caplog.text
    assert (await world.chat()).status == 200
    world.publish(world.endpoint(world.target(upstream.address)), grants=())
    await world.in_force()
    assert (await world.chat()).status == 401


async def test_a_snapshot_that_disappears_leaves_the_former_one_in_force(world, upstream):
    upstream.script = answer_whole
    world.snapshot_path.unlink()
    assert (await world.chat()).status == 200


async def test_an_older_snapshot_is_ignored(world, upstream, caplog):
    upstream.script = answer_whole
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.in_force()
    file.write(world.snapshot_path, Snapshot(1, 1, (), ()))
    await until(lambda: "older" in caplog.text)
    assert (await world.chat()).status == 200


async def test_a_gateway_waits_for_its_first_snapshot(tmp_path, upstream):
    upstream.script = answer_whole
    world = World(tmp_path)
    await world.start()
    client = await world.client()
    health = await client.call("GET", "/healthz", key=None)
    assert (health.status, health.json["reason"]) == (503, "waiting for a snapshot")
    assert (await client.chat()).status == 401
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.in_force()
    assert (await client.call("GET", "/healthz", key=None)).json == {"status": "ok"}
    assert (await client.chat()).status == 200
    await world.stop()


async def test_a_gateway_that_starts_on_a_damaged_snapshot_waits_for_a_good_one(tmp_path, upstream):
    world = World(tmp_path)
    world.snapshot_path.parent.mkdir()
    world.snapshot_path.write_bytes(b"TWSNAP")
    await world.start()
    assert (await world.chat()).status == 401
    world.publish(world.endpoint(world.target(upstream.address)))
    await world.in_force()
    assert (await world.chat(model="none")).status == 404
    await world.stop()


def test_a_snapshot_that_cannot_be_read_now_is_tried_again(tmp_path, caplog):
    """Want of file descriptors passes; nothing may ever be published again."""
    path = tmp_path / "current"
    path.symlink_to(tmp_path)  # a folder cannot be read as a file, which is an OSError
    taken = []
    watch = SnapshotWatch(path, taken.append, 0.01)
    watch.load_first()
    watch.load_first()
    assert taken == []
    assert caplog.text.count("cannot be read") == 1
    path.unlink()
    file.write(path, Snapshot(5, 1, (), ()))
    watch.load_first()
    watch.load_first()
    assert [view.version for view in taken] == [5], "taken once, when it can be read"


def test_without_a_file_nothing_is_taken(tmp_path):
    taken = []
    SnapshotWatch(tmp_path / "nothing", taken.append, 0.01).load_first()
    assert taken == []


@pytest.mark.parametrize("models", [None, frozenset({MODEL})])
async def test_a_key_sees_and_calls_only_its_models(world, upstream, models):
    upstream.script = answer_whole
    grant = Grant(world.key.key_id, world.key.digest, "o", "p", models=models)
    world.publish(
        world.endpoint(world.target(upstream.address)),
        world.endpoint(world.target(upstream.address), name="tw/other", aliases=("other",)),
        grants=[grant],
    )
    await world.in_force()
    client = await world.client()
    listed = [each["id"] for each in (await client.call("GET", "/v1/models")).json["data"]]
    assert listed == ([MODEL, "tw/other"] if models is None else [MODEL])
    for name in ("tw/other", "other"):
        expected = 200 if models is None else 403
        assert (await client.chat(model=name)).status == expected
        assert (await client.call("GET", f"/v1/models/{name}")).status == expected
    assert (await client.chat()).status == 200


def test_the_empty_snapshot_has_the_version_that_means_none():
    assert EMPTY.version == 0


def replace(path, raw):
    beside = path.with_suffix(".beside")
    beside.write_bytes(raw)
    os.replace(beside, path)  # noqa: PTH105
