"""What the routes of cost centres and tags take and answer, and what settling by hand did."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, Field, StringConstraints

from tradewind.control.billing_answers import AccountAnswer
from tradewind.control.bodies import Body
from tradewind.features.billing.rules.labels import MOST_TAGS
from tradewind.features.billing.schemas import Label, Settled

_TagName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_TagValue = Annotated[str, StringConstraints(max_length=200)]


class LabelBody(Body):
    cost_centre: Annotated[str, StringConstraints(max_length=100)] = Field(
        default="", description="As the organization's own books name it."
    )
    tags: Annotated[dict[_TagName, _TagValue], Field(default_factory=dict, max_length=MOST_TAGS)]

    def to_label(self) -> Label:
        return Label(self.cost_centre, self.tags)


class LabelAnswer(BaseModel):
    project: str
    cost_centre: str
    tags: dict[str, str]

    @classmethod
    def of(cls, project_id: str, label: Label) -> Self:
        return cls(project=project_id, cost_centre=label.cost_centre, tags=dict(label.tags))


class LabelList(BaseModel):
    labels: list[LabelAnswer] = Field(description="Projects without one are not in it.")

    @classmethod
    def of(cls, labels: Mapping[str, Label]) -> Self:
        return cls(labels=[LabelAnswer.of(*each) for each in sorted(labels.items())])


class AccountPage(BaseModel):
    accounts: list[AccountAnswer] = Field(description="In the order of their organizations.")
    next: str | None = Field(description="Send it as `after` for the next page; null at the end.")


class SettledAnswer(BaseModel):
    is_busy: bool = Field(description="Somebody else settles at this moment.")
    hours: int = Field(description="Hours of organizations that were compared; 0 is the end.")
    lines: int
    entries: int

    @classmethod
    def of(cls, settled: Settled | None) -> Self:
        if settled is None:
            return cls(is_busy=True, hours=0, lines=0, entries=0)
        return cls(is_busy=False, hours=settled.hours, lines=settled.lines, entries=settled.entries)
