"""What one gateway process holds, handed to every call. Built once in `process`."""

from tradewind.gateway.choose import Targets
from tradewind.gateway.config import GatewayConfig
from tradewind.gateway.http.limits import UpstreamTimeouts
from tradewind.gateway.http.upstream import UpstreamClient
from tradewind.gateway.limits import Limiter
from tradewind.gateway.metrics import Metrics
from tradewind.gateway.record import Recorder
from tradewind.plugins.providers.base import Provider
from tradewind.snapshot.view import SnapshotView


class GatewayState:
    """`view` is swapped whole when a new snapshot comes; read it once a call."""

    __slots__ = (
        "config",
        "is_draining",
        "limiter",
        "metrics",
        "pepper",
        "providers",
        "recorder",
        "targets",
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
    ) -> None:
        self.config = config
        self.pepper = pepper
        self.view = view
        self.recorder = recorder
        self.metrics = metrics
        self.upstream = upstream
        self.providers = providers
        self.timeouts = timeouts
        self.limiter = Limiter()
        self.targets = Targets()
        self.is_draining = False
