from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tradewind.core.data_folder import DataFolder
from tradewind.core.errors import StartupError
from tradewind.core.run_folder import prepare_run_folder, remove_run_folder

MakeData = Callable[[str], DataFolder]

LONG = "a" * 120


@pytest.fixture
def short(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    data = DataFolder(tmp_path_factory.mktemp("d"))
    if not data.fits_sockets():
        pytest.skip("the temporary folder itself has a long path")
    return data


def test_a_short_path_gets_a_plain_private_folder(short: DataFolder) -> None:
    run = prepare_run_folder(short)

    assert run == short.run
    assert run.is_dir()
    assert not run.is_symlink()
    assert run.stat().st_mode & 0o066 == 0


@pytest.fixture
def make_data(tmp_path: Path) -> Iterator[Callable[[str], DataFolder]]:
    """Make a data folder below pytest's; what it has in the temporary folder goes at the end."""
    made: list[DataFolder] = []

    def make(name: str) -> DataFolder:
        data = DataFolder(tmp_path / name)
        made.append(data)
        return data

    yield make
    for data in made:
        remove_run_folder(data)


@pytest.mark.parametrize(
    "name", [LONG, "with space", "comma,comma", "quote'", "ünicode", "new\nline"]
)
def test_an_unfit_path_gets_a_link_to_a_short_private_folder(
    make_data: MakeData, name: str
) -> None:
    data = make_data(name)

    run = prepare_run_folder(data)

    assert data.run.readlink() == run
    assert len(bytes(run)) <= 64
    assert run.stat().st_mode & 0o066 == 0
    assert prepare_run_folder(data) == run


def test_a_link_to_a_folder_that_was_cleaned_away_is_renewed(make_data: MakeData) -> None:
    data = make_data(LONG)
    first = prepare_run_folder(data)
    first.rmdir()

    second = prepare_run_folder(data)

    assert second != first
    assert second.is_dir()


def test_a_link_to_a_folder_that_others_may_write_to_is_renewed(make_data: MakeData) -> None:
    data = make_data(LONG)
    first = prepare_run_folder(data)
    first.chmod(0o777)

    assert prepare_run_folder(data) != first
    first.rmdir()


def test_a_run_folder_moved_below_a_long_path_is_refused(short: DataFolder, tmp_path: Path) -> None:
    prepare_run_folder(short)
    moved = DataFolder(tmp_path / LONG)
    short.root.rename(moved.root)

    with pytest.raises(StartupError, match=r"too long .*remove that folder"):
        prepare_run_folder(moved)


def test_removing_takes_the_folder_behind_the_link_too(make_data: MakeData) -> None:
    data = make_data(LONG)
    run = prepare_run_folder(data)
    (run / "postgres").mkdir()

    remove_run_folder(data)

    assert not run.exists()
    assert not data.run.is_symlink()


def test_removing_spares_a_folder_that_is_not_ours(make_data: MakeData, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    foreign.chmod(0o777)
    data = make_data("data")
    data.root.mkdir()
    data.run.symlink_to(foreign)

    remove_run_folder(data)

    assert foreign.exists()
    assert not data.run.is_symlink()
