"""`tradewind models` and `tradewind bench catalog`, as a shell sees them."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from tradewind.core.clock import SystemClock
from tradewind.core.data_folder import DataFolder
from tradewind.features.catalog.builtin import MINILM, SMOLLM2
from tradewind.features.catalog.service import Catalog

pytestmark = pytest.mark.postgres
PATIENCE_S = 100


@pytest.fixture
def models(database, database_url, tmp_path):
    """Return a function that runs `tradewind models` on a platform with three models."""
    catalog = Catalog(SystemClock())
    with database.transaction() as tx:
        for entry in (SMOLLM2, MINILM, replace(SMOLLM2, slug="smollm2-360m")):
            catalog.add_builtin(tx, entry)
    folder = DataFolder(tmp_path / "data")
    folder.lock.parent.mkdir()
    folder.lock.touch()
    clean = {name: value for name, value in os.environ.items() if "TRADEWIND" not in name}

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "tradewind.cli", "models", *arguments],
            cwd=tmp_path,
            env={
                **clean,
                "TRADEWIND_DATA": str(folder.root),
                "DATABASE_URL": database_url,
                "COLUMNS": "200",
                "NO_COLOR": "1",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    return run


def test_models_are_listed_searched_shown_and_compared(models):
    listed = models("list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "3 models, page 1 of 1" in listed.stdout

    searched = models("search", "smolm2", "--with", "task=chat", "--json")
    answer = json.loads(searched.stdout)
    assert answer["total"] == 2
    assert answer["corrected_text"] == "smollm2"

    shown = models("show", "sentence-transformers/all-minilm-l6-v2")
    assert "own weights here" in shown.stdout

    names = ["huggingfacetb/smollm2-360m", "sentence-transformers/all-minilm-l6-v2"]
    compared = json.loads(models("compare", *names, "--json").stdout)
    assert [model["name"] for model in compared["models"]] == names


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("list", "--with", "task"), "is not of the form FACET=VALUE"),
        (("list", "--with", "colour=red"), "there is no facet 'colour'"),
        (("search", "x", "--sort", "profit"), "'profit' is no sort"),
        (("compare", "tw/one"), "two to 4 different models"),
        (("compare", "tw/one", "tw/two"), "there is no model 'tw/one'"),
        (("show", "tw/none"), "tw/none"),
    ],
)
def test_what_cannot_be_answered_is_one_line(models, arguments, told):
    ended = models(*arguments)

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert told in ended.stderr
    assert ended.stderr.count("\n") == 1
