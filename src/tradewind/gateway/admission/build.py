"""Puts admission together as the configuration says: where limits are counted, who this is."""

import asyncio
from collections.abc import Callable

from tradewind.gateway.admission.admissions import Admissions
from tradewind.gateway.admission.budgets import Budgets
from tradewind.gateway.admission.local_store import LocalStore
from tradewind.gateway.admission.shared_store import SharedStore
from tradewind.gateway.admission.valkey_client import parse_address
from tradewind.gateway.admission.valkey_store import ValkeyStore
from tradewind.gateway.backstage import AsksBackstage
from tradewind.gateway.config import GatewayConfig
from tradewind.snapshot.view import SnapshotView
from tradewind.usage.segments import Writer

_CLOSE_S = 3.0
"""For the last report of leases. What is not reported counts as spent until it is reconciled."""


def build_admissions(
    config: GatewayConfig,
    view: Callable[[], SnapshotView],
    backstage: AsksBackstage,
    writer: Writer,
) -> Admissions:
    """Needs a running event loop. Raises StartupError when limits cannot be counted as configured.

    `writer` is who this gateway is in its journal: with it, what a dead gateway had leased is
    matched with what it has spent.
    """
    loop = asyncio.get_running_loop()
    budgets = Budgets(backstage, loop, node=writer.node, boot=writer.boot_ns)
    if config.valkey_url is not None:
        remote = ValkeyStore(
            parse_address(config.valkey_url), loop, gateway=f"{writer.node}-{writer.boot_ns}"
        )
        remote.start()
        return Admissions(view, loop, LocalStore(), budgets=budgets, remote=remote)
    if config.limits_file is not None:
        store = SharedStore(config.limits_file)
        return Admissions(view, loop, store, budgets=budgets, is_shared=True)
    return Admissions(view, loop, LocalStore(), budgets=budgets)


async def close_admissions(admissions: Admissions) -> None:
    """Return what is leased and let go of the stores; when no call runs any more."""
    loop = asyncio.get_running_loop()
    closed = loop.create_future()

    def close() -> None:
        if not closed.done():
            closed.set_result(None)

    admissions.close(close)
    await asyncio.wait([closed], timeout=_CLOSE_S)
