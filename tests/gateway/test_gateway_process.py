"""The gateway as a process: what it says when it cannot start, and how it ends."""

import asyncio
import json
import os
import signal
import socket
import sys

import pytest
from gateway_parts import MODEL, PEPPER, Client, World, soon
from scripted_upstream import PATIENCE_S

from tradewind.core.errors import StartupError
from tradewind.gateway.config import GatewayConfig, load
from tradewind.gateway.process import running
from tradewind.usage.segments import is_intact, list_segments


def settings_of(folder, **changes):
    (folder / "pepper").write_bytes(PEPPER)
    return {
        "port": 0,
        "snapshot_path": str(folder / "snapshot" / "current"),
        "journal_folder": str(folder / "journal"),
        "pepper_path": str(folder / "pepper"),
    } | changes


def written(folder, value):
    path = folder / "gateway.json"
    path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    return path


def test_a_configuration_reads_back(tmp_path):
    path = written(tmp_path, settings_of(tmp_path, control_socket="/run/control.sock", port=5))
    found = load(path)
    assert isinstance(found, GatewayConfig)
    assert found.pepper_path == tmp_path / "pepper"
    assert (str(found.control_socket), found.port) == ("/run/control.sock", 5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prot": 5}, "prot"),
        ({"port": "http"}, "port"),
        ({"pepper_path": 5}, "pepper_path"),
        ({"drain_timeout_s": None}, "drain_timeout_s"),
        ({"durability": "disc"}, "durability"),
    ],
)
def test_a_wrong_configuration_names_the_field(tmp_path, change, said):
    with pytest.raises(StartupError, match=said):
        load(written(tmp_path, settings_of(tmp_path, **change)))


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b"{}"])
def test_a_configuration_that_is_none_is_refused(tmp_path, raw):
    with pytest.raises(StartupError):
        load(written(tmp_path, raw))


def test_a_configuration_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(StartupError, match="cannot read"):
        load(tmp_path / "nothing.json")


async def cannot_start(world, said):
    with pytest.raises(StartupError, match=said):
        await world.start()


async def test_a_port_in_use_is_said_and_nothing_is_left_open(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        world = World(tmp_path, port=taken.getsockname()[1])
        await cannot_start(world, "is in use")
    [name] = list_segments(world.journal)
    assert is_intact(world.journal / str(name)), "the journal was closed again"


async def test_a_pepper_of_the_wrong_size_is_said_before_a_journal_is_begun(tmp_path):
    world = World(tmp_path)
    world.config.pepper_path.write_bytes(b"short")
    await cannot_start(world, "5 bytes, not 32")
    world.config.pepper_path.unlink()
    await cannot_start(world, "cannot be read")
    assert not world.journal.exists()


async def test_a_journal_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "journal").write_text("in the way")
    await cannot_start(World(tmp_path), "cannot be written")


async def test_an_address_that_is_not_ours_is_said(tmp_path):
    await cannot_start(World(tmp_path, host="192.0.2.1"), "cannot listen on 192.0.2.1")


async def test_an_inherited_socket_is_listened_on(tmp_path):
    listening = socket.create_server(("127.0.0.1", 0))
    world = World(tmp_path)
    config = GatewayConfig(
        snapshot_path=world.snapshot_path,
        journal_folder=world.journal,
        pepper_path=world.config.pepper_path,
        listen_fd=os.dup(listening.fileno()),
    )
    async with running(config) as url:
        assert url == "http://127.0.0.1:%d" % listening.getsockname()[1]  # noqa: UP031
        client = await Client.connect(listening.getsockname()[1])
        assert (await client.call("GET", "/healthz", key=None)).status == 503
        client.close()
    listening.close()


async def start_process(path):
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tradewind.gateway.process",
        "--config",
        str(path),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_the_process_and_seals_its_journal(tmp_path, number):
    world = World(tmp_path)
    world.publish(world.endpoint())
    process = await start_process(written(tmp_path, settings_of(tmp_path)))
    assert process.stdout is not None
    line = await soon(process.stdout.readline())
    assert line.startswith(b"listening http://127.0.0.1:"), line
    client = await Client.connect(int(line.rpartition(b":")[2]), world.key.text)
    assert (await client.call("GET", f"/v1/models/{MODEL}")).status == 200
    process.send_signal(number)
    _, errors = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode == 0
    assert b"Traceback" not in errors
    assert world.key.text.encode() not in errors
    client.close()
    [name] = list_segments(world.journal)
    assert is_intact(world.journal / str(name))


async def test_a_process_that_cannot_start_says_why_in_one_line(tmp_path):
    process = await start_process(written(tmp_path, settings_of(tmp_path, pepper_path="/nothing")))
    output, errors = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert (process.returncode, output) == (1, b"")
    assert errors.decode().splitlines() == [
        "tradewind: the key pepper /nothing cannot be read: No such file or directory"
    ]
