"""A tool that needs no packages: a few scripted prompts, sent for real. For tests and for trying a
set-up before PyRIT is installed.
"""

from pathlib import Path

from tradewind.plugins.redteam.base import DRIVERS, Catalog, catalog_of, environ_for


class FakeTool:
    @property
    def name(self) -> str:
        return "fake"

    @property
    def environment(self) -> str | None:
        return None

    @property
    def catalog(self) -> Catalog:
        return catalog_of("fake")

    def command(self, python: Path) -> tuple[str, ...]:
        return (str(python), str(DRIVERS / "fake_driver.py"))

    def environ(self, folder: Path) -> dict[str, str]:
        return environ_for(folder)
