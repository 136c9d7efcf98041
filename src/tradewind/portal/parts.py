"""What every page is built from."""

from dataclasses import dataclass

from tradewind.portal.access import Access
from tradewind.portal.services import PortalServices
from tradewind.portal.shell import Shell


@dataclass(frozen=True, slots=True)
class Portal:
    """Handed to each page's `routes`."""

    services: PortalServices
    access: Access
    shell: Shell
