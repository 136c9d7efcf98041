"""garak by NVIDIA (Apache-2.0): https://reference.garak.ai/."""

from pathlib import Path

from tradewind.plugins.redteam.base import DRIVERS, Catalog, catalog_of, environ_for


class Garak:
    @property
    def name(self) -> str:
        return "garak"

    @property
    def environment(self) -> str | None:
        return "garak"

    @property
    def catalog(self) -> Catalog:
        return catalog_of("garak")

    def command(self, python: Path) -> tuple[str, ...]:
        return (str(python), str(DRIVERS / "garak_driver.py"))

    def environ(self, folder: Path) -> dict[str, str]:
        return environ_for(folder)
