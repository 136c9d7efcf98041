"""What one gateway process holds, handed to every call. Built once in `process`."""

from asyncio import AbstractEventLoop
from collections.abc import Mapping
from typing import Protocol

from tradewind.gateway.admission.build import build_admissions
from tradewind.gateway.background_responses import BackgroundResponses
from tradewind.gateway.backstage import Backstage
from tradewind.gateway.coalescing import Coalescer
from tradewind.gateway.config import GatewayConfig
from tradewind.gateway.content.log import ContentLog
from tradewind.gateway.files_store import FilesStore
from tradewind.gateway.guard.check_data import CheckData
from tradewind.gateway.guard.remote import RemoteChecks
from tradewind.gateway.guard.runner import Runner
from tradewind.gateway.http.limits import UpstreamTimeouts
from tradewind.gateway.http.upstream import UpstreamClient
from tradewind.gateway.lanes import Lanes
from tradewind.gateway.metrics import Metrics
from tradewind.gateway.record import Recorder
from tradewind.gateway.response_cache import ResponseCache
from tradewind.gateway.routing.router import Router
from tradewind.gateway.stored_responses import StoredResponses
from tradewind.plugins.checks.base import AnyCheck
from tradewind.plugins.providers.base import Provider
from tradewind.snapshot.view import SnapshotView
from tradewind.wire.errors import ApiError


class RunningCall(Protocol):
    """A call, as the kill switch needs it."""

    @property
    def endpoint(self) -> str: ...

    def stop_with(self, error: ApiError) -> None:
        """End it with this error; its host has to hear of it."""
        ...


class GatewayState:
    """`view` is swapped whole when a new snapshot comes; read it once a call."""

    __slots__ = (
        "admissions",
        "background_responses",
        "backstage",
        "check_data",
        "coalescer",
        "config",
        "contents",
        "examiner",
        "files",
        "is_draining",
        "lanes",
        "metrics",
        "pepper",
        "providers",
        "recorder",
        "response_cache",
        "responses",
        "router",
        "running",
        "timeouts",
        "upstream",
        "view",
    )

    def __init__(
        self,
        *,
        config: GatewayConfig,
        pepper: bytes,
        view: SnapshotView,
        recorder: Recorder,
        metrics: Metrics,
        upstream: UpstreamClient,
        providers: dict[str, Provider],
        timeouts: UpstreamTimeouts,
        loop: AbstractEventLoop,
        checks: Mapping[str, AnyCheck],
        coalescer: Coalescer | None = None,
    ) -> None:
        """`coalescer` None passes each event of a stream on at once. `checks` are those that
        policies can ask for, by their names.
        """
        self.config = config
        self.pepper = pepper
        self.view = view
        self.recorder = recorder
        self.metrics = metrics
        self.upstream = upstream
        self.providers = providers
        self.timeouts = timeouts
        self.coalescer = coalescer
        self.backstage = Backstage(upstream, config.backstage)
        self.files = FilesStore(self.backstage)
        self.responses = StoredResponses(self.backstage)
        self.background_responses = BackgroundResponses(self.responses)
        self.admissions = build_admissions(
            config, lambda: self.view, self.backstage, recorder.writer
        )
        self.response_cache = ResponseCache()
        self.contents = ContentLog(config.content_folder, config.node)
        self.router = Router(providers)
        self.lanes = Lanes(view, checks)
        self.check_data = CheckData(loop, self.backstage, config.check_data_folder)
        self.examiner = Runner(loop, self.check_data, checks, remote=RemoteChecks(upstream))
        self.running: set[RunningCall] = set()
        """Admitted calls that have not ended, for the kill switch."""
        self.is_draining = False
