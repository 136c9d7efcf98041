"""PyRIT by Microsoft (MIT): https://microsoft.github.io/PyRIT/."""

from pathlib import Path

from tradewind.plugins.redteam.base import DRIVERS, Catalog, catalog_of, environ_for


class PyRit:
    @property
    def name(self) -> str:
        return "pyrit"

    @property
    def environment(self) -> str | None:
        return "pyrit"

    @property
    def catalog(self) -> Catalog:
        return catalog_of("pyrit")

    def command(self, python: Path) -> tuple[str, ...]:
        return (str(python), str(DRIVERS / "pyrit_driver.py"))

    def environ(self, folder: Path) -> dict[str, str]:
        # By default it tries ten times, and a judge that answers badly costs ten times as much.
        return environ_for(folder, RETRY_MAX_NUM_ATTEMPTS="2")
