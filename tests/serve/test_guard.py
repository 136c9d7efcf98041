"""What is checked before anything is started: each refusal is one line with a way out."""

import contextlib
import os
import select
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tradewind.core.errors import StartupError
from tradewind.serve.guard import is_loopback, listen_on, lock_data_folder, make_data_folder

pytestmark = pytest.mark.enable_socket

PATIENCE_S = 60.0


def test_a_data_folder_is_made_with_all_above_it(tmp_path: Path):
    root = tmp_path / "a" / "b"
    make_data_folder(root)
    make_data_folder(root)
    assert root.is_dir()


@pytest.mark.parametrize("below", ["", "/below"])
def test_a_file_in_the_place_of_the_data_folder_is_named(tmp_path: Path, below: str):
    file = tmp_path / "file"
    file.write_text("precious")
    root = Path(f"{file}{below}")
    with pytest.raises(StartupError) as refused:
        make_data_folder(root)
    assert str(refused.value).startswith(f"the data folder {root} cannot be used: ")
    assert str(refused.value).endswith("(choose another with --data)")
    assert file.read_text() == "precious"


def test_a_data_folder_where_none_can_be_made_is_named():
    with pytest.raises(StartupError, match="the data folder /proc/nowhere cannot be used"):
        make_data_folder(Path("/proc/nowhere"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_data_folder_that_cannot_be_written_is_refused(tmp_path: Path):
    root = tmp_path / "data"
    root.mkdir(mode=0o500)
    with pytest.raises(StartupError, match="it is not writable for this user"):
        make_data_folder(root)


def test_a_disk_without_room_is_refused_with_the_numbers(small_disk: Path):
    root = small_disk / "data"
    with pytest.raises(StartupError) as refused:
        make_data_folder(root)
    assert str(refused.value) == (
        f"only 8 MiB are free where the data folder {root} lies, 512 are needed"
        " (free some space or choose another with --data)"
    )


def test_a_locked_folder_names_its_holder_and_is_free_after_it(tmp_path: Path):
    lock = tmp_path / "lock"
    lock.write_text("a longer line of a former holder")
    held = lock_data_folder(lock)
    assert lock.read_text() == f"{os.getpid()}\n"
    with pytest.raises(StartupError) as refused:
        lock_data_folder(lock)
    assert str(refused.value) == (
        f"the data folder {tmp_path} is in use by process {os.getpid()}"
        " (stop that one or choose another with --data)"
    )
    os.close(held)
    os.close(lock_data_folder(lock))


def test_a_lock_ends_with_its_process_however_that_ended(tmp_path: Path):
    lock = tmp_path / "lock"
    program = (
        "import sys, time; from pathlib import Path; "
        "from tradewind.serve.guard import lock_data_folder; "
        "lock_data_folder(Path(sys.argv[1])); print('locked', flush=True); time.sleep(1000)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(lock)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(StartupError, match=f"in use by process {holder.pid} "):
            lock_data_folder(lock)
        holder.kill()
        holder.wait(PATIENCE_S)
    os.close(lock_data_folder(lock))


def test_a_lock_is_not_handed_on_to_children(tmp_path: Path):
    held = lock_data_folder(tmp_path / "lock")
    assert not os.get_inheritable(held)
    os.close(held)


def test_a_lock_that_is_a_folder_or_a_link_is_refused(tmp_path: Path):
    folder = tmp_path / "one" / "lock"
    folder.mkdir(parents=True)
    target = tmp_path / "target"
    target.write_text("precious")
    link = tmp_path / "lock"
    link.symlink_to(target)
    for path in (folder, link):
        with pytest.raises(StartupError, match=f"{path.parent} cannot be locked: "):
            lock_data_folder(path)
    assert target.read_text() == "precious"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_these_hosts_are_reached_from_this_machine_only(host: str):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        *("0.0.0.0", "::", "", "10.0.0.1", "127.0.0.1.example.org", "localhost.example.org"),
        *("example.org", "0177.0.0.1", "2130706433", "::ffff:10.0.0.1"),
    ],
)
def test_these_hosts_may_be_reached_from_elsewhere(host: str):
    assert not is_loopback(host)


def test_a_free_port_is_taken_and_connections_wait_in_it():
    [listener] = listen_on("127.0.0.1", 0)
    with listener, socket.create_connection(listener.getsockname(), PATIENCE_S) as client:
        assert os.get_inheritable(listener.fileno())
        client.sendall(b"early")
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.recv(5) == b"early"


def test_a_port_in_use_is_named_with_the_way_out():
    [listener] = listen_on("127.0.0.1", 0)
    with listener:
        port = listener.getsockname()[1]
        with pytest.raises(StartupError) as refused:
            listen_on("127.0.0.1", port)
    assert str(refused.value) == (
        f"port {port} on 127.0.0.1 is in use"
        " (choose another with --port, or --port 0 for a free one)"
    )


def test_a_port_is_free_again_at_once_after_a_stop():
    [listener] = listen_on("127.0.0.1", 0)
    address = listener.getsockname()
    with socket.create_connection(address, PATIENCE_S):
        accepted, _ = listener.accept()
        accepted.close()  # first, so that this side is the one that waits in TIME_WAIT
        listener.close()
    [again] = listen_on(*address)
    again.close()


def test_several_gateways_share_a_port_and_each_gets_its_own_connections():
    listeners = listen_on("127.0.0.1", 0, 3)
    with contextlib.ExitStack() as open_sockets:
        for listener in listeners:
            open_sockets.enter_context(listener)
            assert os.get_inheritable(listener.fileno())
        assert len({listener.getsockname() for listener in listeners}) == 1
        address = listeners[0].getsockname()
        for _ in range(60):
            open_sockets.enter_context(socket.create_connection(address, PATIENCE_S))
        taken = [0, 0, 0]
        while sum(taken) < 60:
            ready, _, _ = select.select(listeners, [], [], PATIENCE_S)
            assert ready, taken
            for listener in ready:
                listener.accept()[0].close()
                taken[listeners.index(listener)] += 1
        assert all(taken), "the kernel spreads connections over all of them"


def test_a_second_platform_does_not_share_the_port_in_silence():
    listeners = listen_on("127.0.0.1", 0, 2)
    with listeners[0], listeners[1]:
        port = listeners[0].getsockname()[1]
        with pytest.raises(StartupError, match="is in use"):
            listen_on("127.0.0.1", port, 2)


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(StartupError, match=r"cannot listen on 203\.0\.113\.1:0: .*\(choose others"):
        listen_on("203.0.113.1", 0)


@pytest.mark.parametrize("host", ["a..b", "x" * 70])
def test_what_is_no_host_name_is_refused(host: str):
    with pytest.raises(StartupError, match=f"'{host}' is no address of this machine: "):
        listen_on(host, 0)


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system with room for 8 MiB."""
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("this container does not let root mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
