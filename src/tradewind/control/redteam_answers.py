"""What the routes of red teaming take and answer."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.bodies import Body
from tradewind.core.errors import InvalidInput
from tradewind.core.money import format_nanos
from tradewind.features.redteam import rules, seeds
from tradewind.features.redteam.harmless import attacks_among, refused_of
from tradewind.features.redteam.schemas import (
    AttackRow,
    CampaignRow,
    CampaignState,
    Cell,
    Change,
    Counts,
    DatasetRow,
    Estimate,
    Every,
    Outcome,
    Rate,
    RevealRow,
    ScheduleRow,
    Size,
    Spec,
)
from tradewind.features.redteam.service import Results, Revealed

_Name = Annotated[str, StringConstraints(max_length=200)]
_Names = Annotated[list[_Name], Field(max_length=rules.MOST_CHOICES)]


class SpecBody(Body):
    """What is not named takes the default that is shown."""

    tool: _Name = "pyrit"
    target: Annotated[_Name, Field(description="What clients send as `model`.")]
    attacker: Annotated[_Name, Field(description="A model that plays the attacker.")] = ""
    judge: Annotated[_Name, Field(description="A model that says whether it succeeded.")] = ""
    datasets: Annotated[_Names, Field(description="Shipped ones by name, own ones by id.")]
    pack: Annotated[
        Literal["easy", "moderate", "difficult"] | None,
        Field(description="Strategies and converters of this complexity, as Azure names it."),
    ] = None
    attack_strategies: Annotated[
        _Names | None, Field(description="Names of Azure's agent, such as `base64`.")
    ] = None
    converters: _Names | None = None
    strategies: _Names | None = None
    scorer: _Name = "refusal"
    filter: Literal["on", "off", "both"] = "both"
    size: Literal["small", "medium", "large"] | None = None
    per_harm: Annotated[int | None, Field(description="Seeds of each harm.")] = None
    max_turns: int = 5
    max_tokens: int = 256
    concurrency: int = 2
    budget_tokens: int = 2_000_000
    seed: int = 0

    def to_spec(self) -> Spec:
        """Raises InvalidInput for strategies that are named in two ways."""
        azure = rules.PACKS[self.pack] if self.pack is not None else self.attack_strategies
        strategies, converters = self.strategies, self.converters
        if azure is not None:
            if strategies is not None or converters is not None:
                raise InvalidInput(
                    "strategies are named twice",
                    hint="name a pack, attack_strategies, or strategies and converters",
                )
            strategies, converters = map(list, rules.of_azure(azure))
        if self.size is not None and self.per_harm is not None:
            raise InvalidInput("the size is named twice", hint="name a size or per_harm")
        per_harm = (
            self.per_harm if self.per_harm is not None else rules.SIZES[Size(self.size or "small")]
        )
        return Spec(
            tool=self.tool,
            target=self.target,
            attacker=self.attacker,
            judge=self.judge,
            datasets=tuple(self.datasets),
            converters=tuple(converters if converters is not None else ("none",)),
            strategies=tuple(strategies if strategies is not None else ("prompt_sending",)),
            scorer=self.scorer,
            filters={"on": (True,), "off": (False,), "both": (True, False)}[self.filter],
            per_harm=per_harm,
            max_turns=self.max_turns,
            max_tokens=self.max_tokens,
            concurrency=self.concurrency,
            budget_tokens=self.budget_tokens,
            seed=self.seed,
        )


class CampaignBody(Body):
    name: _Name
    spec: SpecBody


class ResumeBody(Body):
    budget_tokens: int | None = None


class RevealBody(Body):
    reason: Annotated[str, StringConstraints(max_length=500)]


class DatasetBody(Body):
    name: _Name
    file_name: Annotated[_Name, Field(description="Its ending tells the format.")] = ""
    content: Annotated[str, StringConstraints(max_length=seeds.MOST_BYTES)]


class ScheduleBody(CampaignBody):
    every: Literal["daily", "weekly"]
    hour: Annotated[int, Field(ge=0, le=23, description="Of the day, UTC.")] = 3
    weekday: Annotated[int, Field(ge=0, le=6, description="0 is Monday.")] = 0


class ScheduleChange(Body):
    is_enabled: bool


class SpecAnswer(BaseModel):
    tool: str
    target: str
    attacker: str
    judge: str
    datasets: list[str]
    converters: list[str]
    strategies: list[str]
    scorer: str
    filter: str
    per_harm: int
    max_turns: int
    max_tokens: int
    concurrency: int
    budget_tokens: int
    seed: int

    @classmethod
    def of(cls, spec: Spec) -> Self:
        return cls(
            tool=spec.tool,
            target=spec.target,
            attacker=spec.attacker,
            judge=spec.judge,
            datasets=list(spec.datasets),
            converters=list(spec.converters),
            strategies=list(spec.strategies),
            scorer=spec.scorer,
            filter="both" if len(spec.filters) > 1 else ("on" if True in spec.filters else "off"),
            per_harm=spec.per_harm,
            max_turns=spec.max_turns,
            max_tokens=spec.max_tokens,
            concurrency=spec.concurrency,
            budget_tokens=spec.budget_tokens,
            seed=spec.seed,
        )


class EstimateAnswer(BaseModel):
    attacks: int
    calls: int
    tokens: int
    cost: str
    currency: str
    minutes: float
    is_measured: bool

    @classmethod
    def of(cls, found: Estimate) -> Self:
        return cls(
            attacks=found.attacks,
            calls=found.calls,
            tokens=found.tokens,
            cost=format_nanos(found.cost.nanos),
            currency=found.cost.currency,
            minutes=round(found.minutes, 2),
            is_measured=found.is_measured,
        )


class CampaignAnswer(BaseModel):
    id: str
    name: str
    version: str
    spec: SpecAnswer
    state: CampaignState
    stage: str
    error: str
    attacks_planned: int
    attacks_done: int
    tokens: int
    tool_version: str
    evidence_sha256: str
    evidence_bytes: int
    is_spent: bool
    is_cancel_asked: bool
    schedule_id: str | None
    created_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, row: CampaignRow) -> Self:
        return cls(
            id=row.campaign_id,
            name=row.name,
            version=row.version,
            spec=SpecAnswer.of(row.spec),
            state=row.state,
            stage=row.stage,
            error=row.error,
            attacks_planned=row.attacks_planned,
            attacks_done=row.attacks_done,
            tokens=row.tokens,
            tool_version=row.tool_version,
            evidence_sha256=row.evidence_sha256,
            evidence_bytes=row.evidence_bytes,
            is_spent=row.is_spent,
            is_cancel_asked=row.is_cancel_asked,
            schedule_id=row.schedule_id,
            created_by=row.created_by_name,
            created_at=row.created_at,
            started_at=row.started_at,
            ended_at=row.ended_at,
        )


class CampaignPage(BaseModel):
    campaigns: list[CampaignAnswer]
    next: str | None = None


class RateAnswer(BaseModel):
    """A share with its 95 % interval after Wilson; null where nothing was judged."""

    value: float | None
    low: float
    high: float

    @classmethod
    def of(cls, rate: Rate) -> Self:
        return cls(value=rate.value, low=rate.low, high=rate.high)


class CountsAnswer(BaseModel):
    attacks: int
    successes: int
    blocked: int
    errors: int
    undetermined: int
    asr: RateAnswer

    @classmethod
    def of(cls, counts: Counts) -> Self:
        return cls(**counts._asdict(), asr=RateAnswer.of(rules.rate_of(counts)))


class CellAnswer(CountsAnswer):
    harm: str
    strategy: str
    converter: str
    filter: Literal["on", "off"]

    @classmethod
    def of_cell(cls, cell: Cell) -> Self:
        return cls(
            **cell.counts._asdict(),
            asr=RateAnswer.of(rules.rate_of(cell.counts)),
            harm=cell.harm,
            strategy=cell.strategy,
            converter=cell.converter,
            filter="on" if cell.is_filtered else "off",
        )


class RefusalsAnswer(BaseModel):
    refused: int
    asked: int
    rate: RateAnswer

    @classmethod
    def of(cls, cells: Iterable[Cell], *, is_filtered: bool) -> Self | None:
        refused, asked = refused_of(cells, is_filtered=is_filtered)
        if not asked:
            return None
        rate = RateAnswer.of(rules.wilson(refused, asked))
        return cls(refused=refused, asked=asked, rate=rate)


class ResultsAnswer(BaseModel):
    campaign: CampaignAnswer
    filter_on: CountsAnswer
    filter_off: CountsAnswer
    harmless_on: RefusalsAnswer | None = Field(
        description="Of the data set `harmless`, with the filter; null where none was asked."
    )
    harmless_off: RefusalsAnswer | None
    cells: list[CellAnswer]

    @classmethod
    def of(cls, found: Results) -> Self:
        def of_pass(*, is_filtered: bool) -> CountsAnswer:
            return CountsAnswer.of(
                rules.total(each for each in attacks if each.is_filtered is is_filtered)
            )

        attacks = attacks_among(found.cells)
        return cls(
            campaign=CampaignAnswer.of(found.campaign),
            filter_on=of_pass(is_filtered=True),
            filter_off=of_pass(is_filtered=False),
            harmless_on=RefusalsAnswer.of(found.cells, is_filtered=True),
            harmless_off=RefusalsAnswer.of(found.cells, is_filtered=False),
            cells=[CellAnswer.of_cell(each) for each in found.cells],
        )


class AttackAnswer(BaseModel):
    number: int
    harm: str
    strategy: str
    converter: str
    filter: Literal["on", "off"]
    outcome: Outcome
    turns: int
    retries: int
    tokens: int
    milliseconds: int
    detail: str

    @classmethod
    def of(cls, row: AttackRow) -> Self:
        return cls(
            number=row.number,
            harm=row.harm,
            strategy=row.strategy,
            converter=row.converter,
            filter="on" if row.is_filtered else "off",
            outcome=row.outcome,
            turns=row.turns,
            retries=row.retries,
            tokens=row.tokens,
            milliseconds=row.milliseconds,
            detail=row.detail,
        )


class AttackPage(BaseModel):
    attacks: list[AttackAnswer]
    next: int | None = None


class MessageAnswer(BaseModel):
    role: str
    text: str
    original: str
    is_blocked: bool


class RevealAnswer(BaseModel):
    attack: AttackAnswer
    messages: list[MessageAnswer]

    @classmethod
    def of(cls, found: Revealed) -> Self:
        return cls(
            attack=AttackAnswer.of(found.attack),
            messages=[MessageAnswer(**each._asdict()) for each in found.messages],
        )


class RevealEntry(BaseModel):
    at: datetime
    by: str
    attack: int
    reason: str

    @classmethod
    def of(cls, row: RevealRow) -> Self:
        return cls(at=row.at, by=row.by_name, attack=row.attack, reason=row.reason)


class RevealList(BaseModel):
    reveals: list[RevealEntry]


class ChangeAnswer(BaseModel):
    harm: str
    strategy: str
    converter: str
    filter: Literal["on", "off"]
    before: RateAnswer
    after: RateAnswer
    difference: float | None
    low: float
    high: float
    is_certain: bool

    @classmethod
    def of(cls, change: Change) -> Self:
        return cls(
            harm=change.harm,
            strategy=change.strategy,
            converter=change.converter,
            filter="on" if change.is_filtered else "off",
            before=RateAnswer.of(change.before),
            after=RateAnswer.of(change.after),
            difference=change.difference,
            low=change.low,
            high=change.high,
            is_certain=change.is_certain,
        )


class ComparisonAnswer(BaseModel):
    before: CampaignAnswer
    after: CampaignAnswer
    changes: list[ChangeAnswer]


class ChoicesAnswer(BaseModel):
    tool: str
    version: str
    datasets: dict[str, dict[str, int]]
    converters: list[str]
    converters_of_models: list[str]
    strategies: list[str]
    strategies_of_models: list[str]
    scorers: list[str]
    scorers_of_models: list[str]

    @classmethod
    def of(cls, tool: str, version: str, choices: rules.Choices) -> Self:
        return cls(
            tool=tool,
            version=version,
            datasets={name: dict(harms) for name, harms in choices.datasets.items()},
            converters=list(choices.converters),
            converters_of_models=list(choices.converters_of_models),
            strategies=list(choices.strategies),
            strategies_of_models=list(choices.strategies_of_models),
            scorers=list(choices.scorers),
            scorers_of_models=list(choices.scorers_of_models),
        )


class ToolList(BaseModel):
    tools: list[ChoicesAnswer]


class DatasetAnswer(BaseModel):
    id: str
    name: str
    seeds: int
    harms: dict[str, int]
    created_by: str
    created_at: datetime

    @classmethod
    def of(cls, row: DatasetRow) -> Self:
        return cls(
            id=row.dataset_id,
            name=row.name,
            seeds=row.seeds,
            harms=dict(row.harms),
            created_by=row.created_by_name,
            created_at=row.created_at,
        )


class DatasetList(BaseModel):
    datasets: list[DatasetAnswer]


class ScheduleAnswer(BaseModel):
    id: str
    name: str
    spec: SpecAnswer
    every: Every
    hour: int
    weekday: int
    is_enabled: bool
    next_at: datetime
    last_campaign_id: str | None

    @classmethod
    def of(cls, row: ScheduleRow) -> Self:
        return cls(
            id=row.schedule_id,
            name=row.name,
            spec=SpecAnswer.of(row.spec),
            every=row.every,
            hour=row.hour,
            weekday=row.weekday,
            is_enabled=row.is_enabled,
            next_at=row.next_at,
            last_campaign_id=row.last_campaign_id,
        )


class ScheduleList(BaseModel):
    schedules: list[ScheduleAnswer]
