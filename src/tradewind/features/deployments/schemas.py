"""What deployments hand out and take in."""

from dataclasses import dataclass
from enum import StrEnum

from msgspec import UNSET, UnsetType

from tradewind.core.ids import DeploymentId, ModelVersionId
from tradewind.features.deployments.fit import Fit

DEFAULT_ENGINE = "llama_server"


class Strategy(StrEnum):
    """How a revision takes the place of the one before."""

    START_FIRST = "start_first"
    """The former goes on until this one is ready; one copy more than wanted runs meanwhile."""
    STOP_FIRST = "stop_first"
    """A copy of the former ends before one of this is started: never more run than are wanted, and
    with a single one nothing answers meanwhile."""


@dataclass(frozen=True, slots=True)
class Price:
    """Nanos of `currency` per 1,000,000 tokens."""

    currency: str
    input_nanos: int
    output_nanos: int


@dataclass(frozen=True, slots=True)
class NewDeployment:
    model: str
    """"publisher/slug", or an alias."""
    version: str | None = None
    """Label, or `sha256:` and the digest; None is the newest whose weights are here."""
    engine: str = DEFAULT_ENGINE
    slots: int = 4
    context_tokens: int | None = None
    """None is the model's, or less where that is what fits."""
    threads: int = 1
    replicas: int = 1
    is_override: bool = False
    """Deploy although it is not estimated to fit."""
    price: Price | None = None
    """For a model that has none yet; None is free."""


@dataclass(frozen=True, slots=True)
class DeploymentChanges:
    """What is named is changed, in a new revision; everything else stays."""

    version: str | UnsetType = UNSET
    slots: int | UnsetType = UNSET
    context_tokens: int | UnsetType | None = UNSET
    threads: int | UnsetType = UNSET
    is_override: bool = False
    strategy: Strategy | None = None
    """None is to start first, where both fit beside each other, and else to stop first."""

    @property
    def is_empty(self) -> bool:
        asked = (self.version, self.slots, self.context_tokens, self.threads)
        return all(each is UNSET for each in asked)


@dataclass(frozen=True, slots=True)
class Transition:
    """How another revision would take the place of what runs."""

    strategy: Strategy
    fit: Fit
    """Of one replica more beside those that run, or in the place of one of them."""
    is_chosen: bool
    """Somebody asked for this strategy; otherwise it follows from what fits."""


@dataclass(frozen=True, slots=True)
class Deployable:
    """What may be deployed of a model, and what that would take."""

    model: str
    model_display_name: str
    operation: str
    version_id: ModelVersionId
    version: str
    versions: tuple[str, ...]
    """Labels of all whose weights are here, the newest first."""
    is_sealed: bool
    trained_tokens: int
    has_chat_template: bool | None
    """None: not known."""
    has_price: bool
    deployment_id: DeploymentId | None
    """Of the deployment that this version has already."""
    asked: NewDeployment
    """With what was not said filled in."""
    fit: Fit
