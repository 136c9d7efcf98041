"""How an install that failed is told in one line, and what `.venv` gets besides packages."""

import subprocess
import sys

import pytest

from scripts import environment

REFUSED = (
    "WARNING: Retrying (Retry(total=1)) after connection broken by"
    " 'NewConnectionError: [Errno 111] Connection refused': /simple/alembic/\n"
    "ERROR: Could not find a version that satisfies the requirement alembic==1.20.1\n"
    "ERROR: No matching distribution found for alembic==1.20.1\n"
)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (REFUSED, "no package index can be reached"),
        ("ERROR: No matching distribution found for uvloop==0.23.0\n", "has no uvloop==0.23.0"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM\n", "does not have the locked hash"),
        ("OSError: [Errno 28] No space left on device\n", "the disk is full"),
        ("WARNING: odd\nERROR: Invalid requirement\n", "ERROR: Invalid requirement; see "),
        ("", "pip failed; see "),
    ],
)
def test_a_failed_install_is_one_line_that_says_what_to_do(said, told):
    line = environment.explain_failure(said)
    assert told in line
    assert "\n" not in line


def test_the_command_starts_from_a_path_with_blanks(tmp_path):
    folder = tmp_path / "a check out"
    (folder / "tradewind" / "cli").mkdir(parents=True)
    (folder / "tradewind" / "cli" / "app.py").write_text(
        "import sys\ndef main(): print(sys.argv)\n"
    )
    python = folder / "python"
    python.symlink_to(sys.executable)
    command = folder / "tradewind-command"
    command.write_text(environment.LAUNCHER.format(python=python))
    command.chmod(0o755)
    run = subprocess.run(
        [command, "up", "--data", "a b"],
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == str([str(command), "up", "--data", "a b"])


def test_a_lock_that_changed_is_not_taken_for_installed(tmp_path):
    (tmp_path / "requirements").mkdir()
    lock = tmp_path / "requirements" / "runtime.txt"
    lock.write_text("one==1\n")
    before = environment.fingerprint("runtime", tmp_path)
    assert environment.fingerprint("runtime", tmp_path) == before
    lock.write_text("one==2\n")
    assert environment.fingerprint("runtime", tmp_path) != before
