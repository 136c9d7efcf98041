"""What safety has for people and programs: built once by the composition root."""

from typing import NamedTuple

from tradewind.core.clock import Clock
from tradewind.features.safety.bindings import Bindings
from tradewind.features.safety.blocklists import Blocklists
from tradewind.features.safety.categories import Categories
from tradewind.features.safety.corpora import Corpora
from tradewind.features.safety.dry_run_work import DryRunWork
from tradewind.features.safety.dry_runs import DryRuns
from tradewind.features.safety.installed import InstalledChecks
from tradewind.features.safety.making import pack_blocklist
from tradewind.features.safety.policies import Policies
from tradewind.features.safety.ports import PastReaders, PlatformReaders
from tradewind.features.safety.preparing import Preparing
from tradewind.features.safety.trying import Trying


class SafetyServices(NamedTuple):
    installed: InstalledChecks
    policies: Policies
    bindings: Bindings
    blocklists: Blocklists
    categories: Categories
    corpora: Corpora
    trying: Trying
    dry_runs: DryRuns
    preparing: Preparing
    dry_run_work: DryRunWork


def build_safety_services(
    clock: Clock,
    readers: PlatformReaders,
    past: PastReaders,
    installed: InstalledChecks | None = None,
) -> SafetyServices:
    installed = InstalledChecks() if installed is None else installed
    policies = Policies(clock, installed, readers)
    return SafetyServices(
        installed=installed,
        policies=policies,
        bindings=Bindings(clock, readers),
        blocklists=Blocklists(clock, pack_blocklist),
        categories=Categories(clock),
        corpora=Corpora(clock),
        trying=Trying(installed, policies),
        dry_runs=DryRuns(clock, policies),
        preparing=Preparing(clock),
        dry_run_work=DryRunWork(clock, installed, past),
    )
