"""The measurement itself: that it fills, asks and leaves nothing behind. No figure is judged."""

import json
import tempfile
from pathlib import Path

import pytest
from rich.console import Console

from tradewind.serve.bench_catalog.measure import measure
from tradewind.serve.bench_catalog.report import as_json, show

pytestmark = pytest.mark.postgres


@pytest.fixture
def own_temporary_folder(tmp_path_factory, monkeypatch):
    # Short, because a socket's path is: and readable for the user that PostgreSQL runs as.
    with tempfile.TemporaryDirectory(prefix="tw-") as folder:
        Path(folder).chmod(0o711)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


def test_made_up_models_are_measured_and_removed(own_temporary_folder, capsys):
    said = []

    figures = measure(300, said.append, run_as="nobody")

    told = json.loads(json.dumps(as_json(figures)))
    assert (told["models"], told["store"]) == (300, "memory")
    assert told["offers"] >= 300
    assert {"first_page", "text", "mistyped"} <= set(told["kinds"])
    assert said == ["importing", "indexing", "asking"]
    assert list(own_temporary_folder.iterdir()) == []
    show(figures, Console())
    assert "300 made up models" in capsys.readouterr().out
