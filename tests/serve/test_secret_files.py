"""The pepper: made once, private, never changed."""

import os
import stat
from pathlib import Path

import pytest

from tradewind.core.api_keys import PEPPER_BYTES
from tradewind.core.errors import StartupError
from tradewind.serve.secret_files import load_or_create_pepper, pepper_path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "secrets"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_pepper_is_random_and_readable_by_its_owner_alone(folder: Path, umask: int):
    former = os.umask(umask)
    try:
        pepper = load_or_create_pepper(folder)
    finally:
        os.umask(former)
    assert len(pepper) == PEPPER_BYTES
    assert len(set(pepper)) > 8
    assert mode(folder) == 0o700
    assert mode(pepper_path(folder)) == 0o600
    assert [path.name for path in folder.iterdir()] == ["pepper"]


def test_the_pepper_stays_the_same(folder: Path):
    pepper = load_or_create_pepper(folder)
    assert load_or_create_pepper(folder) == pepper
    assert pepper_path(folder).read_bytes() == pepper


def test_two_platforms_have_two_peppers(tmp_path: Path):
    assert load_or_create_pepper(tmp_path / "a") != load_or_create_pepper(tmp_path / "b")


@pytest.mark.parametrize("damage", [b"", b"x" * (PEPPER_BYTES - 1), b"x" * (PEPPER_BYTES + 1)])
def test_a_damaged_pepper_is_refused_and_left_as_it_is(folder: Path, damage: bytes):
    load_or_create_pepper(folder)
    pepper_path(folder).write_bytes(damage)
    with pytest.raises(StartupError) as refused:
        load_or_create_pepper(folder)
    assert str(refused.value) == (
        f"the key pepper {pepper_path(folder)} has {len(damage)} bytes, not {PEPPER_BYTES}"
        " (restore it from a backup; without it no key or session is valid)"
    )
    assert pepper_path(folder).read_bytes() == damage


def test_a_file_that_a_killed_start_left_behind_is_no_pepper(folder: Path):
    folder.mkdir(parents=True)
    (folder / "pepper.new").write_bytes(b"half")
    pepper = load_or_create_pepper(folder)
    assert pepper_path(folder).read_bytes() == pepper
    assert mode(pepper_path(folder)) == 0o600


def test_a_pepper_that_cannot_be_read_is_refused(folder: Path):
    pepper_path(folder).mkdir(parents=True)
    with pytest.raises(StartupError, match=r"cannot be used: Is a directory \(run Tradewind as"):
        load_or_create_pepper(folder)
