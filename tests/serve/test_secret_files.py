"""The pepper and the key-encryption keys: made once, private, never lost silently."""

import os
import stat
from pathlib import Path

import pytest

from tradewind.core.api_keys import PEPPER_BYTES
from tradewind.core.errors import StartupError
from tradewind.db.sealing import Place, SealBroken, new_key
from tradewind.serve.secret_files import (
    add_key_encryption_key,
    key_encryption_path,
    load_or_create_key_encryption,
    load_or_create_pepper,
    load_or_create_signing_key,
    pepper_path,
    signing_key_path,
)


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


# --- key-encryption keys --------------------------------------------------------------------

PLACE = Place("data_key", "dk_1", None, 1)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_key_encryption_key_is_readable_by_its_owner_alone(folder: Path, umask: int):
    former = os.umask(umask)
    try:
        load_or_create_key_encryption(folder)
    finally:
        os.umask(former)
    assert mode(folder) == 0o700
    assert mode(key_encryption_path(folder)) == 0o600


def test_key_encryption_keys_stay_the_same(folder: Path):
    data_key = new_key()
    wrapped = load_or_create_key_encryption(folder).wrap(data_key, PLACE)
    again = load_or_create_key_encryption(folder)
    assert again.unwrap(wrapped, PLACE) == data_key
    assert again.key_id == wrapped.key_id


def test_two_platforms_have_two_keys(tmp_path: Path):
    wrapped = load_or_create_key_encryption(tmp_path / "a").wrap(new_key(), PLACE)
    with pytest.raises(SealBroken):
        load_or_create_key_encryption(tmp_path / "b").unwrap(wrapped, PLACE)


def test_a_key_that_is_added_wraps_and_the_former_one_still_unwraps(folder: Path):
    former, data_key = load_or_create_key_encryption(folder), new_key()
    wrapped = former.wrap(data_key, PLACE)
    both = add_key_encryption_key(folder)
    assert both.key_id != wrapped.key_id
    assert both.unwrap(wrapped, PLACE) == data_key
    assert load_or_create_key_encryption(folder).key_id == both.key_id
    assert mode(key_encryption_path(folder)) == 0o600


def test_a_process_that_runs_sees_the_key_that_another_one_adds(folder: Path):
    running, data_key = load_or_create_key_encryption(folder), new_key()
    added = add_key_encryption_key(folder)
    assert running.unwrap(added.wrap(data_key, PLACE), PLACE) == data_key
    assert running.wrap(data_key, PLACE).key_id == added.key_id


def test_a_key_that_is_not_in_the_file_either_opens_nothing(folder: Path):
    running = load_or_create_key_encryption(folder)
    wrapped = running.wrap(new_key(), PLACE)._replace(key_id="kek_0")
    with pytest.raises(SealBroken, match="kek_0"):
        running.unwrap(wrapped, PLACE)
    key_encryption_path(folder).unlink()
    with pytest.raises(SealBroken, match="cannot be used"):
        running.unwrap(wrapped, PLACE)


@pytest.mark.parametrize(
    "damage", [b"", b"\n", b"not base 64 !", b"AAAA", b"A" * 43 + b"=\nAAAA"], ids=range(5)
)
def test_damaged_keys_are_refused_not_repeated_and_left_as_they_are(folder: Path, damage: bytes):
    load_or_create_key_encryption(folder)
    key_encryption_path(folder).write_bytes(damage)
    with pytest.raises(StartupError, match="are damaged") as refused:
        load_or_create_key_encryption(folder)
    assert "AAAA" not in str(refused.value)
    assert key_encryption_path(folder).read_bytes() == damage


def test_keys_that_cannot_be_read_are_refused(folder: Path):
    key_encryption_path(folder).mkdir(parents=True)
    with pytest.raises(StartupError, match="cannot be used: Is a directory"):
        load_or_create_key_encryption(folder)


def test_there_are_not_more_keys_than_anyone_can_need(folder: Path):
    load_or_create_key_encryption(folder)
    path = key_encryption_path(folder)
    path.write_bytes(path.read_bytes() * 100)
    with pytest.raises(StartupError, match="100 keys"):
        add_key_encryption_key(folder)


def test_the_signing_key_is_made_once_and_readable_by_its_owner_alone(folder: Path):
    key = load_or_create_signing_key(folder)
    assert len(key) == 32
    assert load_or_create_signing_key(folder) == key
    assert mode(signing_key_path(folder)) == 0o600


def test_a_damaged_signing_key_is_told(folder: Path):
    load_or_create_signing_key(folder)
    signing_key_path(folder).write_bytes(b"short")
    with pytest.raises(StartupError, match="has 5 bytes, not 32"):
        load_or_create_signing_key(folder)
