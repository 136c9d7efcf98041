"""Packages that are installed on first use: once, from pinned files, by one process at a time."""

import fcntl
import hashlib
import subprocess
import threading
import zipfile
from pathlib import Path

import pytest

from tradewind.core.errors import NotFound
from tradewind.serve.environments import (
    LISTS,
    EnvironmentUnavailable,
    ensure_data,
    ensure_environment,
    explain_failure,
    is_made,
    made_once,
)


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A package of one module, and pip set up to know nothing but the folder it lies in."""
    store = tmp_path / "store"
    store.mkdir()
    path = store / "harmless-1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("harmless/__init__.py", "ANSWER = 42\n")
        archive.writestr("harmless/seeds.csv", "a,b\n")
        archive.writestr(
            "harmless-1.2.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: harmless\nVersion: 1.2\nRequires-Dist: torch\n",
        )
        archive.writestr(
            "harmless-1.2.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(
            "harmless-1.2.dist-info/RECORD",
            "harmless/__init__.py,,\nharmless/seeds.csv,,\nharmless-1.2.dist-info/METADATA,,\n"
            "harmless-1.2.dist-info/WHEEL,,\nharmless-1.2.dist-info/RECORD,,\n",
        )
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(store))
    return path


@pytest.fixture
def lists(tmp_path, wheel) -> Path:
    folder = tmp_path / "lists"
    folder.mkdir()
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (folder / "one.txt").write_text(f"harmless==1.2 \\\n    --hash=sha256:{digest}\n")
    return folder


def test_an_environment_has_the_packages_of_its_list_and_nothing_of_ours(tmp_path, lists):
    said: list[str] = []
    python = ensure_environment(tmp_path / "made", "one", said.append, lists)
    program = (
        "import harmless, importlib.util as u; print(harmless.ANSWER, u.find_spec('tradewind'))"
    )
    shown = subprocess.run(
        [python, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    assert shown.stdout == "42 None\n"
    assert said[-1] == "one: unpacking 1 packages"


def test_a_second_call_finds_what_the_first_made(tmp_path, lists, wheel):
    first = ensure_environment(tmp_path / "made", "one", lambda _: None, lists)
    wheel.unlink()
    said: list[str] = []
    assert ensure_environment(tmp_path / "made", "one", said.append, lists) == first
    assert said == []
    assert is_made(tmp_path / "made", "one")


def test_data_is_unpacked_without_what_it_depends_on(tmp_path, lists):
    folder = ensure_data(tmp_path / "made", "one", lambda _: None, lists)
    assert (folder / "harmless" / "seeds.csv").read_text() == "a,b\n"
    assert not (folder / "torch").exists()


def test_a_file_of_another_hash_is_refused_and_the_next_try_starts_clean(tmp_path, lists):
    right = (lists / "one.txt").read_text()
    (lists / "one.txt").write_text("harmless==1.2 --hash=sha256:" + "0" * 64 + "\n")
    with pytest.raises(EnvironmentUnavailable, match="does not have the hash"):
        ensure_data(tmp_path / "made", "one", lambda _: None, lists)
    assert not is_made(tmp_path / "made", "one")
    (lists / "one.txt").write_text(right)
    assert (ensure_data(tmp_path / "made", "one", lambda _: None, lists) / "harmless").is_dir()


def test_a_name_without_a_list_is_not_looked_for_elsewhere(tmp_path):
    for name in ("../environments", "nothing-here", "", "PYRIT"):
        with pytest.raises(NotFound):
            ensure_data(tmp_path, name, lambda _: None)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("WARNING: NewConnectionError: refused\nERROR: No matching distribution", "PIP_INDEX_URL"),
        ("ERROR: No matching distribution found for x==1", "has no x==1 for this machine"),
        ("OSError: [Errno 28] No space left on device", "free 3 GB"),
        ("ERROR: odd", "odd"),
        ("", "no reason told"),
    ],
)
def test_a_failure_tells_the_way_out_in_one_line(said, told):
    failure = explain_failure("one", said.splitlines())
    assert told in str(failure)
    assert "\n" not in str(failure)


def test_a_folder_is_made_once_for_each_recipe(tmp_path):
    folder = tmp_path / "build" / "one"

    def is_made_for(recipe: bytes) -> bool:
        with made_once(folder, recipe, print) as is_needed:
            if is_needed:
                (folder / recipe.decode()).touch()
        return is_needed

    assert is_made_for(b"first")
    assert not is_made_for(b"first")
    assert is_made_for(b"second")
    assert [path.name for path in folder.iterdir()] == ["second"]


def test_what_failed_half_way_is_made_anew(tmp_path):
    folder = tmp_path / "build" / "one"

    def fail() -> None:
        with made_once(folder, b"recipe", print):
            (folder / "half").touch()
            raise EnvironmentUnavailable("no")

    with pytest.raises(EnvironmentUnavailable):
        fail()
    with made_once(folder, b"recipe", print) as is_needed:
        assert is_needed
        assert not (folder / "half").exists()


def test_whoever_comes_second_waits_and_finds_it_made(tmp_path):
    folder = tmp_path / "one"
    is_waiting = threading.Event()
    needed: list[bool] = []

    def second() -> None:
        with made_once(folder, b"recipe", lambda _: is_waiting.set()) as is_needed:
            needed.append(is_needed)

    thread = threading.Thread(target=second)
    with made_once(folder, b"recipe", print):
        thread.start()
        assert is_waiting.wait(60)
        assert needed == []
    thread.join(60)
    assert needed == [False]


def test_a_lock_left_by_a_dead_process_holds_nobody(tmp_path):
    (tmp_path / "one.lock").touch()
    with made_once(tmp_path / "one", b"recipe", print) as is_needed:
        assert is_needed
    with (tmp_path / "one.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_every_shipped_list_pins_and_hashes_everything():
    lists = sorted(LISTS.glob("*.txt"))
    assert {"pyrit", "garak", "safety-data"} <= {path.stem for path in lists}
    for path in lists:
        text = path.read_text()
        assert "://" not in text
        assert "--index" not in text
        for entry in text.replace("\\\n", " ").strip().splitlines():
            assert "==" in entry, entry
            assert "--hash=sha256:" in entry, entry
